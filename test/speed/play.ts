import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { percentileOf } from '../../bench/load/hdr.ts'
import { type LoadOptions, type LoadResult, runLoad } from '../../bench/load/load.ts'
import { openStack } from '../../bench/stack/open.ts'
import type { Stack, StackOptions } from '../../bench/stack/stack.ts'
import { countText } from '../../internal/text/count.ts'
import { Cores, type CpuByProgram } from './cores.ts'
import type { Context } from './row.ts'

/** What a row says of a load; the rest is the same for all. */
export type Load = Pick<LoadOptions, 'format' | 'ratePerSecond'> &
  Partial<Pick<LoadOptions, 'durationMs' | 'warmupMs' | 'values' | 'leastPauseUs'>>

/** What a load came to, and what it cost the machine. */
export type Played = LoadResult & {
  /** Which programs used how much of the machine meanwhile, in words. */
  readonly cores: string
  /** What the programs of the row used from the end of its first second until all was stored, and for how many samples. */
  readonly cost: { readonly cpuUs: CpuByProgram; readonly samples: number }
}

export const SAMPLES_PER_FRAME = 100

/** Servers of a row, and a way to put load on them. */
export interface Scene {
  readonly stack: Stack
  /** Plays it to its end. @throws when a part of the stack ended, or it was stopped */
  play(load: Load): Promise<Played>
}

/** Starts Redis, InfluxDB and servers as processes of this machine, and ends them however `use` does. */
export async function withScene<T>(
  options: Pick<StackOptions, 'pipeline' | 'broker' | 'serverCount'> & {
    readonly store?: StackOptions['store'] | undefined
  },
  context: Context,
  use: (scene: Scene) => Promise<T>,
): Promise<T> {
  const logFolder = await mkdtemp(join(tmpdir(), 'sentinel-speed-'))
  try {
    const local = { kind: 'local', serverEnv: {}, env: process.env } as const
    const logger = pino({ level: 'silent' })
    const stack = await openStack(
      { ...local, ...options, store: options.store ?? 'influx', logFolder, logger, onProgress: context.say },
      context.signal,
    )
    try {
      return await use({ stack, play: (load) => playOn(stack, load, context) })
    } catch (error) {
      // Whatever failed once a part of the stack was gone, that is why.
      throw stack.broken.aborted ? stack.broken.reason : error
    } finally {
      await stack.close()
    }
  } finally {
    await rm(logFolder, { recursive: true, force: true })
  }
}

async function playOn(stack: Stack, load: Load, context: Context): Promise<Played> {
  const durationMs = load.durationMs ?? context.settings.seconds * 1000
  const rate = load.ratePerSecond
  const words = rate === undefined ? 'as fast as it goes' : `${countText(rate)}/s`
  context.say(`${stack.broker.kind}, ${load.format}, ${words}, ${(durationMs / 1000).toFixed(0)} s`)
  let begun: { readonly cores: Cores; readonly sent: number } | undefined
  let coresText = ''
  let cpuUs: CpuByProgram = new Map()
  // One for each load, for each leaves listeners on it.
  const stop = AbortSignal.any([context.signal, stack.broken])
  const result = await runLoad(
    {
      ...{ workers: 64, threads: 1, hosts: 0, samplesPerMessage: SAMPLES_PER_FRAME, values: 'walk', warmupMs: 3000 },
      ...load,
      ratePerSecond: rate === undefined ? undefined : Math.round(rate),
      ...{ redis: { url: stack.redisUrl }, broker: stack.broker, servers: stack.servers },
      ...{ durationMs, countStored: stack.countStored },
      // At the end of the first second, which is as busy as all others, it begins.
      onProgress({ step, sent }) {
        if (step === 'measure') {
          begun ??= { cores: new Cores(), sent }
          coresText = begun.cores.text()
        } else if (step === 'count' && begun !== undefined) cpuUs = begun.cores.own()
      },
    },
    stop,
  )
  stop.throwIfAborted()
  const samples = (result.messages - (begun?.sent ?? 0)) * (load.format === 'frame' ? SAMPLES_PER_FRAME : 1)
  return { ...result, cores: coresText, cost: { cpuUs, samples } }
}

/** CPU of the servers for a message, µs. */
export function cpuUsPerMessage({ servers }: LoadResult): number {
  return servers!.cpuUs / servers!.ledger.messages
}

/** Bytes that the servers allocate for a message of one sample, on the heap and outside. They are counted over a part of the load. */
export function bytesPerMessage({ servers }: LoadResult): number {
  const { heapBytes, externalBytes, samples } = servers!.allocations!
  return (heapBytes + externalBytes) / samples
}

/** ms */
export function p99Of({ servers }: LoadResult, which: 'internal' | 'e2e' | 'durable'): number {
  return percentileOf(servers!.latency[which], 99) / 1000
}

/** Samples that were sent, and are not in the store. */
export function lostOf({ samples, stored }: LoadResult): number {
  return samples - stored!
}
