import { isRefusal } from '../sample/border.ts'
import { OWN_MEASUREMENT } from '../sample/of-programs.ts'
import type { Sample, SampleSink } from '../sample/sample.ts'
import type { SeriesTable } from '../sample/series.ts'
import type { FieldKind, Slot } from '../sample/value.ts'
import { ProcessMeter } from './process.ts'

/** A field of the own metrics. `read` returns the current value, or undefined when there is none. */
export type OwnMetric = readonly [kind: FieldKind, read: () => Slot]

/**
 * Turns a role's own metrics into samples of the measurement `sentinel_pipeline`, with the tags `host`, `role` and
 * `instance`, so that two processes of one role on one host do not overwrite each other. They travel like all other samples, so the page and the dashboards need no second way to get them.
 */
export class OwnMetrics {
  readonly #table: SeriesTable
  readonly #tags: ReadonlyArray<readonly [string, string]>
  readonly #metrics: ReadonlyArray<readonly [field: string, metric: OwnMetric]>

  constructor(options: {
    table: SeriesTable
    host: string
    role: string
    /** Different for each process of a role, and the same after a restart. */
    instance: string
    metrics: Readonly<Record<string, OwnMetric>>
  }) {
    this.#table = options.table
    this.#tags = [
      ['host', options.host],
      ['instance', options.instance],
      ['role', options.role],
    ]
    this.#metrics = Object.entries(options.metrics)
  }

  /** @param atUs time of the sample, µs */
  collect(atUs: number, emit: SampleSink): void {
    const series = this.#table.intern(OWN_MEASUREMENT, this.#tags, atUs)
    if (isRefusal(series)) return
    const sample: Sample = { series, values: [], at: atUs, tie: 0 }
    for (const [field, [kind, read]] of this.#metrics) {
      const place = series.field(field, kind)
      if (typeof place === 'number') sample.values[place] = read()
    }
    emit(sample)
  }
}

/** CPU and memory of this process, as fields. The fields are read once per sample, in this order. */
export function processMetrics(): Record<string, OwnMetric> {
  const meter = new ProcessMeter()
  let usage = meter.read()
  return {
    cpu_percent: [
      'float',
      () => {
        usage = meter.read()
        return usage.cpuPercent
      },
    ],
    rss_bytes: ['int', () => usage.rssBytes],
  }
}
