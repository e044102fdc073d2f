import type { GpuReadings } from '../../internal/gpu/readings.ts'
import type { LatencyRecorder } from '../../internal/observe/latency.ts'
import type { RejectReason } from '../../internal/sample/border.ts'
import type { ScrapeSource } from '../../internal/source/scrape/source.ts'
import { LEFT_OUT_LINES, type LeftOutLine } from '../../internal/source/scrape/left-out-lines.ts'
import type { Ticker } from '../../internal/time/ticker.ts'
import type { Context } from '../program/context.ts'

export interface RunningScrape {
  readonly source: ScrapeSource
  readonly gpus: GpuReadings
  readonly ticker: Ticker
}

/** What targets counted that are not asked any more: sums over all targets must not fall. */
export interface EndedScrapes {
  readonly leftOut: Map<LeftOutLine, number>
  readonly refused: Map<RejectReason, number>
  missed: number
}

export function endScrape(ended: EndedScrapes, { source, gpus, ticker }: RunningScrape): void {
  addAll(ended.leftOut, source.reader.leftOut)
  addAll(ended.refused, gpus.counts.refusedBy)
  ended.missed += ticker.missed
}

export function addScrapeMetrics(
  { metrics }: Context,
  running: ReadonlyMap<string, RunningScrape>,
  ended: Readonly<EndedScrapes>,
  durations: LatencyRecorder,
): void {
  const all = (): RunningScrape[] => [...running.values()]
  metrics.counter({
    name: 'sentinel_scrape_lines_total',
    help: 'Lines with a sample in the good answers of the target.',
    label: 'target',
    read: () => all().map(({ source: { target, lines } }) => [target.name, lines] as const),
  })
  metrics.counter({
    name: 'sentinel_scrape_bad_lines_total',
    help: 'Those of them that were left out because they are bad.',
    label: 'target',
    read: () => all().map(({ source: { target, bad } }) => [target.name, bad] as const),
  })
  metrics.counter({
    name: 'sentinel_scrape_left_out_lines_total',
    help: 'Lines that gave no value, by reason.',
    label: 'reason',
    read: () => {
      const total = new Map<LeftOutLine, number>(LEFT_OUT_LINES.map((reason) => [reason, 0]))
      for (const counts of [ended.leftOut, ...all().map(({ source }) => source.reader.leftOut)]) addAll(total, counts)
      return total
    },
  })
  metrics.counter({
    name: 'sentinel_scrape_refused_readings_total',
    help: 'Readings of GPUs that were refused, by reason.',
    label: 'reason',
    read: () => {
      const total = new Map<RejectReason, number>()
      for (const counts of [ended.refused, ...all().map(({ gpus }) => gpus.counts.refusedBy)]) addAll(total, counts)
      return total
    },
  })
  metrics.latency({
    name: 'sentinel_scrape_duration_seconds',
    help: 'From a question to a target until its answer is sent.',
    read: () => durations,
  })
  metrics.counter({
    name: 'sentinel_scrape_missed_total',
    help: 'Questions left out because the one before was not answered, or the process could not run.',
    read: () => all().reduce((total, { ticker }) => total + ticker.missed, ended.missed),
  })
}

function addAll<Key>(total: Map<Key, number>, counts: ReadonlyMap<Key, number>): void {
  for (const [key, count] of counts) total.set(key, (total.get(key) ?? 0) + count)
}
