import { isRefusal } from '../sample/border.ts'
import type { Sample, SampleSink } from '../sample/sample.ts'
import type { SeriesTable } from '../sample/series.ts'
import type { FieldKind, Slot } from '../sample/value.ts'

/** Gives a figure's value of now; undefined while there is none. */
export type Figure = readonly [kind: FieldKind, read: () => Slot]

/**
 * A role's own figures as ordinary samples, measurement `sentinel_pipeline` with the tags `host` and `role`: they take the way of all
 * samples, so the page and the dashboards need no second one. Has the shape of a source, and is one for a publisher.
 */
export class OwnFigures {
  readonly name = 'sentinel_pipeline'
  readonly #table: SeriesTable
  readonly #tags: ReadonlyArray<readonly [string, string]>
  readonly #figures: ReadonlyArray<readonly [field: string, figure: Figure]>

  constructor(options: { table: SeriesTable; host: string; role: string; figures: Readonly<Record<string, Figure>> }) {
    this.#table = options.table
    this.#tags = [
      ['host', options.host],
      ['role', options.role],
    ]
    this.#figures = Object.entries(options.figures)
  }

  /** @param atUs time of the sample, µs */
  async collect(atUs: number, emit: SampleSink): Promise<void> {
    const series = this.#table.intern(this.name, this.#tags, atUs)
    if (isRefusal(series)) return
    const sample: Sample = { series, values: [], at: atUs, tie: 0 }
    for (const [field, [kind, read]] of this.#figures) {
      const place = series.field(field, kind)
      if (typeof place === 'number') sample.values[place] = read()
    }
    emit(sample)
  }

  async close(): Promise<void> {}
}
