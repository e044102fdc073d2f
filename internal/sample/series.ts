import { cleanText, type Refusal, refuseFieldName, refuseSeries } from './border.ts'
import type { FieldKind, Slot, Tag } from './value.ts'

/**
 * A series with more fields comes from a faulty publisher, which uses a value as a name. Telegraf's widest series has
 * 60.
 */
export const MAX_FIELDS = 512

/**
 * A measurement with its tags; one object in each process. It has what is the same for all its samples (names, kinds,
 * the escaped beginning of its line) and the newest values for the live feed.
 */
export class Series {
  readonly key: string
  readonly measurement: string
  readonly tags: readonly Tag[]
  readonly fieldNames: string[] = []
  readonly fieldKinds: FieldKind[] = []

  /** `measurement,tag=value` escaped, in UTF-8. format/line/encode.ts makes it at the first use. */
  linePrefix: Uint8Array | undefined
  /** `,name=` escaped, likewise, one for each field. */
  readonly fieldPrefixes: Uint8Array[] = []

  /** The newest value of each field, in the fields' order, and the time of the newest sample (µs; 0: none yet). */
  readonly latest: Slot[] = []
  latestAt = 0
  /** When that sample arrived, by a monotonic timer, and how far its time is ahead of that timer, µs. */
  arrivedUs = -Infinity
  pace = Number.NaN
  /** Another pace that samples came at since, and since when: see internal/live/latest.ts. */
  newPace = Number.NaN
  newPaceSinceUs = -Infinity
  /** True while the series is in a list of changed series. */
  changed = false
  /** When a sample last used it, µs. A full table gives up series that are idle. */
  usedAt = 0
  /** True once the table has given it up. A decoder that remembers the series must intern it again. */
  evicted = false

  readonly #fieldIndex = new Map<string, number>()

  constructor(key: string, measurement: string, tags: readonly Tag[]) {
    this.key = key
    this.measurement = measurement
    this.tags = tags
  }

  tag(key: string): string | undefined {
    for (const [k, v] of this.tags) if (k === key) return v
    return undefined
  }

  /**
   * The index of a field in `values`. The first call adds the field with its kind. A later call may name another kind:
   * the caller compares it with `fieldKinds`. A name that a store would refuse, or one too many, gives a refusal.
   */
  field(name: string, kind: FieldKind): number | Refusal {
    const known = this.#fieldIndex.get(name)
    if (known !== undefined) return known
    const clean = cleanText(name)
    const refusal = refuseFieldName(clean)
    if (refusal !== undefined) return refusal
    if (this.fieldNames.length >= MAX_FIELDS) {
      return { reason: 'too_many_fields', detail: `series ${this.key} has ${MAX_FIELDS} fields already` }
    }
    const twin = this.#fieldIndex.get(clean)
    const index = twin ?? this.fieldNames.push(clean) - 1
    if (twin === undefined) {
      this.fieldKinds.push(kind)
      this.latest.push(undefined)
      this.#fieldIndex.set(clean, index)
    }
    if (clean !== name) this.#fieldIndex.set(name, index)
    return index
  }

  /** The index of a field that exists, or -1. */
  indexOf(name: string): number {
    return this.#fieldIndex.get(name) ?? -1
  }
}

/**
 * Every series of a process, each once, at most `maxSeries`. A full table gives up the series that have been idle for
 * `idleUs`. If there is none, a new series is refused, so that a publisher that uses a value as a tag cannot fill the
 * memory.
 */
export class SeriesTable {
  readonly #series = new Map<string, Series>()
  readonly #maxSeries: number
  readonly #idleUs: number
  /** Series given up because they were idle, and new ones refused because the table was full. */
  evicted = 0
  refused = 0
  /** No series is idle before this time, µs. It saves a scan of the table for each refused sample. */
  #nothingIdleBefore = 0

  constructor(options: { maxSeries?: number; idleUs?: number } = {}) {
    this.#maxSeries = options.maxSeries ?? 100_000
    this.#idleUs = options.idleUs ?? 3_600e6
  }

  get size(): number {
    return this.#series.size
  }

  [Symbol.iterator](): IterableIterator<Series> {
    return this.#series.values()
  }

  /**
   * The series of a measurement and its tags, which may be in any order. The first call makes it. Names are cleaned by
   * the rules of border.ts, and tags with an empty value are left out.
   *
   * @param nowUs marks the series as used, µs
   */
  intern(measurement: string, tags: readonly Tag[], nowUs: number): Series | Refusal {
    const cleanMeasurement = cleanText(measurement)
    const cleanTags = sortedTags(tags)
    const key = seriesKey(cleanMeasurement, cleanTags)
    const known = this.#series.get(key)
    if (known !== undefined) {
      known.usedAt = nowUs
      return known
    }
    const refusal = refuseSeries(cleanMeasurement, cleanTags)
    if (refusal !== undefined) return refusal
    if (this.#series.size >= this.#maxSeries && !this.#evictIdle(nowUs)) {
      this.refused++
      return { reason: 'too_many_series', detail: `${this.#maxSeries} series are in use; new: ${cleanMeasurement}` }
    }
    const series = new Series(key, cleanMeasurement, cleanTags)
    series.usedAt = nowUs
    this.#series.set(key, series)
    return series
  }

  #evictIdle(nowUs: number): boolean {
    if (nowUs < this.#nothingIdleBefore) return false
    let oldest = nowUs
    for (const series of this.#series.values()) {
      if (nowUs - series.usedAt > this.#idleUs) {
        this.#series.delete(series.key)
        series.evicted = true
        this.evicted++
      } else if (series.usedAt < oldest) oldest = series.usedAt
    }
    const room = this.#series.size < this.#maxSeries
    if (!room) this.#nothingIdleBefore = oldest + this.#idleUs
    return room
  }
}

function sortedTags(tags: readonly Tag[]): Tag[] {
  const clean: Tag[] = []
  for (const [key, value] of tags) {
    const cleanValue = cleanText(value)
    if (cleanValue !== '') clean.push([cleanText(key), cleanValue])
  }
  return clean.sort(byKeyBytes)
}

/**
 * InfluxDB sorts tags by the UTF-8 bytes of their keys. Code points sort alike, but UTF-16 units beyond U+FFFF do not.
 */
function byKeyBytes([a]: Tag, [b]: Tag): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    const bothSurrogatesOrNeither = x >= 0xd800 && x <= 0xdfff === (y >= 0xd800 && y <= 0xdfff)
    if (bothSurrogatesOrNeither) return x - y
    return (a.codePointAt(i) ?? 0) - (b.codePointAt(i) ?? 0)
  }
  return a.length - b.length
}

/** Cleaned text has no U+0000 and no U+0001, so no two series share a key. */
function seriesKey(measurement: string, tags: readonly Tag[]): string {
  let key = measurement
  for (const [k, v] of tags) key += `\u0000${k}\u0001${v}`
  return key
}
