import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { numberText } from '../../internal/text/count.ts'
import { type LoadOptions, runLoad } from '../load/load.ts'
import { LatencyLog, writeHistograms } from '../report/histogram-files.ts'
import { conditionOf, type Pass } from '../report/report.ts'
import { openStack } from '../stack/open.ts'
import type { Stack } from '../stack/stack.ts'
import type { BenchmarkOptions, Scene, Surroundings } from './options.ts'
import { profileUnderLoad } from './profiles.ts'

export interface PlayedScene {
  /** One for each load of the scene. */
  readonly passes: readonly Pass[]
  readonly stack: Pick<Stack, 'kind' | 'versions' | 'notes'>
}

/**
 * Opens a stack, runs the loads of a scene against it, takes the profiles under the first load, and closes the stack.
 */
export async function playScene(
  scene: Scene,
  options: BenchmarkOptions,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<PlayedScene> {
  const { outFolder, say, env, logger } = surroundings
  const logFolder = join(outFolder, `logs${scene.suffix}`)
  await mkdir(logFolder, { recursive: true })
  const { pipeline } = scene
  const stack = await openStack(
    { ...options.stack, pipeline, serverEnv: {}, env, logFolder, logger, onProgress: say },
    signal,
  )
  const stop = AbortSignal.any([signal, stack.broken])
  try {
    const passes = await playLoads(scene, options, stack, surroundings, stop)
    stop.throwIfAborted()
    const { kind, versions, notes } = stack
    return { passes, stack: { kind, versions, notes } }
  } catch (error) {
    // The end of a part of the stack explains every later failure.
    throw stop.aborted ? stop.reason : error
  } finally {
    say('stopping what was started')
    await stack.close()
  }
}

async function playLoads(
  { loads, format, pipeline, suffix }: Scene,
  options: BenchmarkOptions,
  stack: Stack,
  { outFolder, say, onProgress }: Surroundings,
  signal: AbortSignal,
): Promise<Pass[]> {
  const passes: Pass[] = []
  const { serverCount } = options.stack
  const base = {
    ...options.load,
    format,
    redis: { url: stack.redisUrl },
    broker: stack.broker,
    servers: stack.servers,
    countStored: stack.countStored,
    onProgress,
  }
  for (const { name, ratePerSecond } of loads) {
    say(`${name}: ${inWords({ ...base, ratePerSecond })}`)
    const log = new LatencyLog()
    const load = await runLoad({ ...base, ratePerSecond, onLatencies: (interval) => log.add(interval) }, signal)
    signal.throwIfAborted()
    const startedAt = new Date(load.startUs / 1000).toISOString()
    const profiles = { cpu: undefined, heap: [] }
    const condition = conditionOf(ratePerSecond)
    const histograms = await writeHistograms(load, log, outFolder, suffix + suffixOf(ratePerSecond, loads.length))
    passes.push({ name, condition, pipeline, format, serverCount, startedAt, load, profiles, histograms })
  }
  const [first, ...others] = passes
  const seconds = options.profileSeconds
  if (first === undefined || seconds === 0) return passes
  say(`${first.name}: the same load once more, not counted, while profiles are taken (${seconds} s of CPU)`)
  const load = { ...base, ratePerSecond: loads[0]?.ratePerSecond }
  const profiles = await profileUnderLoad({ load, seconds, folder: outFolder, suffix }, signal)
  return [{ ...first, profiles }, ...others]
}

/** Distinguishes the files of the loads of one scene. */
function suffixOf(ratePerSecond: number | undefined, loadCount: number): string {
  if (loadCount === 1) return ''
  return ratePerSecond === undefined ? '-fastest' : `-${ratePerSecond}`
}

function inWords({ ratePerSecond, workers, durationMs, warmupMs }: LoadOptions): string {
  const rate =
    ratePerSecond === undefined
      ? `${workers} workers, each waiting for its reply`
      : `${numberText(ratePerSecond)} messages/s`
  return `${rate}, for ${durationMs / 1000} s after ${warmupMs / 1000} s of warm-up`
}
