import type { Pass } from '../report/report.ts'
import type { BenchmarkOptions, Scene, Surroundings } from './options.ts'
import { type PlayedScene, playScene } from './scene.ts'

export interface BenchmarkResult {
  /** The loads of one condition, which may be compared with each other. */
  readonly groups: ReadonlyArray<readonly Pass[]>
  readonly stack: PlayedScene['stack']
}

/**
 * Runs the pipelines that the options ask for, each on its own stack.
 *
 * @param signal ends and removes everything that was started; the call then rejects with its reason
 * @throws Error that says what is missing, did not start, or ended too early
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

/** One pipeline, or the three of a comparison, which show what our way of working and the binary format gain. */
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
