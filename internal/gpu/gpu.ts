import { isRefusal } from '../sample/border.ts'
import type { SampleSink } from '../sample/sample.ts'
import type { Series, SeriesTable } from '../sample/series.ts'
import type { Slot, Tag } from '../sample/value.ts'

/** Texts of a GPU are sent when they change, and again after so long: the window of a query may begin later. */
const INFO_AGAIN_US = 600e6
/** A GPU with more sets of texts has a label that changes with each reading. */
const MAX_INFOS = 64

/** Texts that tell of a GPU, and all of them as one text, to compare. */
export interface Info {
  readonly texts: ReadonlyMap<string, string>
  readonly key: string
}

/** The values of one GPU at one time, as far as they came. */
export interface WideSample {
  readonly gpu: Gpu
  readonly series: Series
  readonly at: number
  readonly tie: number
  readonly values: Slot[]
  /** Mostly one: the readings of a GPU differ in them where several pods share it. */
  readonly infos: Info[]
}

/** A GPU, or a part of one that is used as one (MIG), with what is gathered of it. */
export class Gpu {
  readonly #table: SeriesTable
  readonly #tags: readonly Tag[]
  readonly #infos = new Map<string, Info>()
  readonly #open = new Map<number | string, WideSample>()
  #last: WideSample | undefined
  #series: Series
  #sentKey = ''
  #sentAtUs = -Infinity

  constructor(table: SeriesTable, tags: readonly Tag[], series: Series) {
    this.#table = table
    this.#tags = tags
    this.#series = series
  }

  /** Its series of the measurement `gpu`: another one after a silence in which the table gave it up. */
  seriesAt(nowUs: number): Series {
    if (!this.#series.evicted) return this.#series
    const again = this.#table.intern('gpu', this.#tags, nowUs)
    if (!isRefusal(again)) this.#series = again
    return this.#series
  }

  info(texts: ReadonlyMap<string, string>): Info {
    const key = JSON.stringify([...texts].sort(([a], [b]) => (a < b ? -1 : 1)))
    let info = this.#infos.get(key)
    if (info === undefined) {
      if (this.#infos.size >= MAX_INFOS) this.#infos.clear()
      info = { texts, key }
      this.#infos.set(key, info)
    }
    return info
  }

  /** The sample of a time, if readings of it were gathered. */
  open(at: number, tie: number): WideSample | undefined {
    const last = this.#last
    if (last !== undefined && last.at === at && last.tie === tie) return last
    this.#last = this.#open.get(keyOf(at, tie))
    return this.#last
  }

  begin(at: number, tie: number, nowUs: number): WideSample {
    const sample = { gpu: this, series: this.seriesAt(nowUs), at, tie, values: [], infos: [] }
    this.#open.set(keyOf(at, tie), sample)
    this.#last = sample
    return sample
  }

  /** Hands over a sample, and the texts if it is time. Then no more readings of it are gathered. */
  close({ series, at, tie, values, infos }: WideSample, nowUs: number, emit: SampleSink): void {
    this.#open.delete(keyOf(at, tie))
    this.#last = undefined
    series.usedAt = nowUs
    emit({ series, values, at, tie })
    const info = infos.length === 1 ? infos[0]! : together(infos)
    const isDue = Math.abs(at - this.#sentAtUs) >= INFO_AGAIN_US
    if (info.texts.size === 0 || (info.key === this.#sentKey && !isDue)) return
    this.#sentKey = info.key
    this.#sentAtUs = at
    const infoSeries = this.#table.intern('gpu_info', this.#tags, nowUs)
    if (isRefusal(infoSeries)) return
    const infoValues: Slot[] = []
    for (const [name, text] of info.texts) {
      const index = infoSeries.field(name, 'string')
      // A label that no store takes as the name of a field is no reason to give up the others.
      if (typeof index === 'number') infoValues[index] = text
    }
    emit({ series: infoSeries, values: infoValues, at, tie })
  }
}

function keyOf(at: number, tie: number): number | string {
  return tie === 0 ? at : `${at} ${tie}`
}

/** The texts of several readings: where they differ, all of them, as `pod-1,pod-2`. */
function together(infos: readonly Info[]): Info {
  const values = new Map<string, Set<string>>()
  for (const { texts } of infos) {
    for (const [field, text] of texts) values.set(field, (values.get(field) ?? new Set()).add(text))
  }
  const texts = new Map(Array.from(values, ([field, of]) => [field, [...of].sort().join(',')]))
  return {
    texts,
    key: infos
      .map(({ key }) => key)
      .sort()
      .join(''),
  }
}
