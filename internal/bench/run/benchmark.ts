import type { Logger } from 'pino'
import type { Format, LoadOptions, Progress } from '../load/load.ts'
import type { Pass } from '../report/report.ts'
import type { PipelineKind, StackOptions } from '../stack/stack.ts'
import { type PlayedScene, playScene } from './scene.ts'

/** What may be asked of `bench run`, and of scripts/benchmark.sh. */
export interface BenchmarkOptions {
  /** `compare` plays three, with a format of its own each. */
  readonly pipeline: PipelineKind | 'compare'
  readonly format: Format
  /** Messages a second; undefined is a closed loop. */
  readonly ratePerSecond: number | undefined
  readonly load: Pick<
    LoadOptions,
    'workers' | 'durationMs' | 'warmupMs' | 'hosts' | 'samplesPerMessage' | 'values' | 'threads'
  >
  readonly stack: Pick<StackOptions, 'kind' | 'broker' | 'store' | 'serverCount' | 'ports'>
  /** Of the CPU profile; 0 takes none, and none of the heap. */
  readonly profileSeconds: number
}

/** Where and with what it runs. */
export interface Surroundings {
  /** Exists, and can be written to. */
  readonly outFolder: string
  readonly env: Readonly<NodeJS.ProcessEnv>
  readonly logger: Logger
  /** Told in words what is being done. */
  readonly say: (what: string) => void
  /** Told where a load is, once a second. */
  readonly onProgress: (progress: Progress) => void
}

export interface BenchmarkResult {
  /** Loads that may be compared with each other stand together. */
  readonly groups: ReadonlyArray<readonly Pass[]>
  readonly stack: PlayedScene['stack']
}

/** The loads that one fresh stack is given, one after the other. */
export interface Scene {
  readonly pipeline: PipelineKind
  readonly format: Format
  readonly loads: ReadonlyArray<{ readonly name: string; readonly ratePerSecond: number | undefined }>
  /** Tells its files from those of other scenes; '' where there is no other. */
  readonly suffix: string
}

/**
 * Runs what was asked for, each pipeline on a stack of its own.
 *
 * @param signal ends what runs and removes what was started; this then rejects with its reason
 * @throws Error that says in words what is missing, did not come up, or ended
 */
export async function runBenchmark(
  options: BenchmarkOptions,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<BenchmarkResult> {
  const played: PlayedScene[] = []
  for (const scene of scenesOf(options)) played.push(await playScene(scene, options, surroundings, signal))
  const { stack } = played[0]!
  const loadCount = played[0]!.passes.length
  const groups = Array.from({ length: loadCount }, (_, load) => played.map(({ passes }) => passes[load]!))
  return { groups, stack }
}

/** One pipeline as it was asked for, or the three that tell what its own way of doing things, and the binary format, are worth. */
function scenesOf({ pipeline, format, ratePerSecond }: BenchmarkOptions): Scene[] {
  if (pipeline !== 'compare') {
    return [{ pipeline, format, loads: [{ name: `${pipeline}, ${format}`, ratePerSecond }], suffix: '' }]
  }
  const compared = [
    ['baseline', 'json'],
    ['ours', 'json'],
    ['ours', 'packed'],
  ] as const
  const rates = ratePerSecond === undefined ? [undefined] : [ratePerSecond, undefined]
  return compared.map(([kind, messages]) => ({
    pipeline: kind,
    format: messages,
    loads: rates.map((rate) => ({ name: `${kind}, ${messages}`, ratePerSecond: rate })),
    suffix: `-${kind}-${messages}`,
  }))
}
