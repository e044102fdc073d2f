import type { LiveSeries } from '../../live/live-series.ts'
import type { LiveTable } from '../../live/live-table.ts'
import { numberOf, textOf } from '../values.ts'
import { type GpuFigures, gpuFigures, NO_GPU_FIGURES } from './figures.ts'
import { type GpuIdentity, type GpuTags, gpuKey, identityOf } from './identity.ts'

/** A GPU, or a part of one, of which something has arrived. */
export class LiveGpu {
  readonly key: string
  readonly #table: LiveTable
  /** In the order in which they came: a source whose tags change makes another one. */
  readonly #figures = new Set<LiveSeries>()
  readonly #infos = new Set<LiveSeries>()
  #tags: GpuTags
  /** What was made last: many clients ask for the same. */
  #identity: { readonly info: LiveSeries | undefined; readonly at: number; readonly made: GpuIdentity } | undefined
  #made: { readonly live: LiveSeries; readonly at: number; readonly figures: GpuFigures } | undefined

  constructor(tags: GpuTags, table: LiveTable) {
    this.key = gpuKey(tags)
    this.#tags = tags
    this.#table = table
  }

  add(live: LiveSeries, tags: GpuTags): void {
    this.#of(live).add(live)
    // A source that does not say the model does not take it away.
    this.#tags = { ...tags, model: tags.model || this.#tags.model, gpu: tags.gpu || this.#tags.gpu }
    this.#identity = undefined
  }

  /** @returns whether nothing is left of it */
  remove(live: LiveSeries): boolean {
    this.#of(live).delete(live)
    return this.#figures.size + this.#infos.size === 0
  }

  /** The same object until something of it changes. */
  get identity(): GpuIdentity {
    const info = newestOf(this.#infos)
    const at = info?.generation ?? 0
    if (this.#identity?.info !== info || this.#identity?.at !== at) this.#identity = undefined
    this.#identity ??= { info, at, made: identityOf(this.#tags, (field) => textOf(info, field)) }
    return this.#identity.made
  }

  /** Whether texts of it have arrived, which come every ten minutes. */
  get hasTexts(): boolean {
    return this.#infos.size > 0
  }

  get stale(): boolean {
    return this.#fresh() === undefined
  }

  /** How long ago the newest sample of it arrived, ms. */
  get ageMs(): number {
    const newest = newestOf(this.#figures) ?? newestOf(this.#infos)
    return newest === undefined ? Infinity : this.#table.ageMs(newest)
  }

  /** When its newest figures arrived, µs; 0 before the first. */
  get arrivedAt(): number {
    return newestOf(this.#figures)?.arrivedAt ?? 0
  }

  /** The same object until something of it changes. */
  figures(): GpuFigures {
    const live = this.#fresh()
    if (live === undefined) return NO_GPU_FIGURES
    const at = live.generation
    if (this.#made?.live !== live || this.#made.at !== at)
      this.#made = { live, at, figures: gpuFigures((field) => numberOf(live, field)) }
    return this.#made.figures
  }

  /** The series of its figures that came last, of those that still come. */
  #fresh(): LiveSeries | undefined {
    const newest = newestOf(this.#figures)
    return newest === undefined || this.#table.isStale(newest) ? undefined : newest
  }

  #of({ series }: LiveSeries): Set<LiveSeries> {
    return series.measurement === 'gpu' ? this.#figures : this.#infos
  }
}

function newestOf(series: ReadonlySet<LiveSeries>): LiveSeries | undefined {
  let newest: LiveSeries | undefined
  for (const live of series) if (newest === undefined || live.arrivedMs >= newest.arrivedMs) newest = live
  return newest
}
