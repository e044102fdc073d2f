import type { Pass } from '../report/report.ts'
import type { BenchmarkOptions, Scene, Surroundings } from './options.ts'
import { type PlayedScene, playScene } from './scene.ts'

export interface BenchmarkResult {
  /** Loads that may be compared with each other stand together. */
  readonly groups: ReadonlyArray<readonly Pass[]>
  readonly stack: PlayedScene['stack']
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
