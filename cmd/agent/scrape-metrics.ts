import type { GpuReadings } from '../../internal/gpu/readings.ts'
import type { LatencyRecorder } from '../../internal/observe/latency.ts'
import type { ScrapeSource } from '../../internal/source/scrape/source.ts'
import { LEFT_OUT_LINES } from '../../internal/source/scrape/text-reader.ts'
import type { Ticker } from '../../internal/time/ticker.ts'
import type { Context } from '../program/context.ts'
import { addTargets } from './target-metrics.ts'

interface RunningScrape {
  readonly source: ScrapeSource
  readonly gpus: GpuReadings
  readonly ticker: Ticker
}

export function addScrapeMetrics(
  context: Context,
  running: readonly RunningScrape[],
  durations: LatencyRecorder,
): void {
  const { metrics } = context
  const sources = running.map(({ source }) => source)
  addTargets(
    context,
    sources.map((source) => [source.target.name, source] as const),
  )
  metrics.counter({
    name: 'sentinel_scrape_lines_total',
    help: 'Lines with a sample in the good answers of the target.',
    label: 'target',
    read: () => sources.map(({ target, lines }) => [target.name, lines] as const),
  })
  metrics.counter({
    name: 'sentinel_scrape_bad_lines_total',
    help: 'Those of them that were left out because they are bad.',
    label: 'target',
    read: () => sources.map(({ target, bad }) => [target.name, bad] as const),
  })
  metrics.counter({
    name: 'sentinel_scrape_left_out_lines_total',
    help: 'Lines that gave no value, by reason.',
    label: 'reason',
    read: () =>
      LEFT_OUT_LINES.map((reason) => [
        reason,
        sources.reduce((sum, { reader }) => sum + reader.leftOut.get(reason)!, 0),
      ]),
  })
  metrics.counter({
    name: 'sentinel_scrape_refused_readings_total',
    help: 'Readings of GPUs that were refused, by reason.',
    label: 'reason',
    read: () => refusedReadings(running),
  })
  metrics.latency({
    name: 'sentinel_scrape_duration_seconds',
    help: 'From a question to a target until its answer is sent.',
    read: () => durations,
  })
  metrics.counter({
    name: 'sentinel_scrape_missed_total',
    help: 'Questions left out because the one before was not answered, or the process could not run.',
    read: () => running.reduce((total, { ticker }) => total + ticker.missed, 0),
  })
}

function refusedReadings(running: readonly RunningScrape[]): Map<string, number> {
  const total = new Map<string, number>()
  for (const { gpus } of running) {
    for (const [reason, count] of gpus.counts.refusedBy) total.set(reason, (total.get(reason) ?? 0) + count)
  }
  return total
}
