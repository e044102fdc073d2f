import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HistogramLogWriter } from 'hdr-histogram-js'
import type { Counts } from '../load/counts.ts'
import { hdrOf } from '../load/hdr.ts'
import type { LatencyInterval, LoadResult } from '../load/load.ts'

/** Values are µs. The largest one of an interval, and the percentiles of `.hgrm`, are written in ms. */
const US_PER_MS = 1000
/** Lines of `.hgrm` from the median to 75 %, from there to 87.5 %, and so on. */
const LINES_PER_HALF = 5
const LATENCIES = ['internal', 'e2e', 'durable'] as const

/** Paths of the latencies of a pass in HdrHistogram's formats. In a written report they are relative to its folder. */
export interface HistogramFiles {
  /** The intervals of the measurement, with the tags `internal`, `e2e` and `durable`. */
  readonly log: string
  /** The percentiles of the whole measurement. */
  readonly internal: string
  readonly e2e: string
  readonly durable: string
}

/** Collects the latencies of a load, interval by interval, as lines of a histogram log. */
export class LatencyLog {
  readonly #intervals: string[] = []
  readonly #writer = new HistogramLogWriter((line) => this.#intervals.push(line))

  add({ fromMs, toMs, latency }: LatencyInterval): void {
    for (const tag of LATENCIES) {
      const histogram = hdrOf(latency[tag])
      histogram.tag = tag
      this.#writer.outputIntervalHistogram(histogram, fromMs / 1000, toMs / 1000, US_PER_MS)
    }
  }

  /** @param startUs when the measurement began: the intervals count from then */
  text(startUs: number): string {
    const head: string[] = []
    const writer = new HistogramLogWriter((line) => head.push(line))
    const seconds = (startUs / 1e6).toFixed(3)
    const utc = new Date(startUs / 1000).toISOString()
    writer.outputComment('[Latencies of SentinelStream; values in µs, Interval_Max in ms]')
    writer.outputLogFormatVersion()
    // Not `outputStartTime`: it writes the time zone of this machine.
    writer.outputComment(`[StartTime: ${seconds} (seconds since epoch), ${utc}]`)
    writer.outputComment(`[BaseTime: ${seconds} (seconds since epoch)]`)
    writer.outputLegend()
    return [...head, ...this.#intervals].join('')
  }
}

/** The percentiles as HdrHistogram's plotters read them, in ms. */
export function percentilesText(counts: Counts): string {
  return hdrOf(counts).outputPercentileDistribution(LINES_PER_HALF, US_PER_MS)
}

/**
 * Writes `latency.hlog`, and `internal.hgrm`, `e2e.hgrm` and `durable.hgrm`, into a folder that exists.
 *
 * @param suffix added to the names
 * @returns the paths; undefined without servers, which measure the latencies
 */
export async function writeHistograms(
  { startUs, servers }: LoadResult,
  log: LatencyLog,
  folder: string,
  suffix = '',
): Promise<HistogramFiles | undefined> {
  if (servers === undefined) return undefined
  const path = (name: string, extension: string): string => join(folder, `${name}${suffix}.${extension}`)
  const files = {
    log: path('latency', 'hlog'),
    internal: path('internal', 'hgrm'),
    e2e: path('e2e', 'hgrm'),
    durable: path('durable', 'hgrm'),
  }
  await writeFile(files.log, log.text(startUs))
  for (const name of LATENCIES) await writeFile(files[name], percentilesText(servers.latency[name]))
  return files
}
