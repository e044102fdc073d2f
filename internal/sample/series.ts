import { cleanText, isRefusal, type Refusal, refuseSeries } from './border.ts'
import { SeriesIndex } from './series-index.ts'
import { SeriesMemory } from './series-memory.ts'
import { readTags, sortedTags, writeNames } from './series-names.ts'
import { Shape } from './shape.ts'
import type { FieldKind, Slot, Tag } from './value.ts'
import { WeakValues } from './weak-values.ts'

/** The numbers of a series, by their places. The newest values of its fields are behind them. */
const [USED_AT, MADE_AT, LATEST_AT, ARRIVED, NEW_PACE, NEW_PACE_SINCE, VALUES] = [0, 1, 2, 3, 4, 5, 6]

/**
 * A measurement with its tags; one object in each process. It has the newest values for the live feed, and knows what
 * is the same for all its samples.
 *
 * A server may have a million, so a series is small: its shape has what it shares with others, its numbers and its
 * texts are in arrays that all series of a table share. With five fields a server keeps 0.6 KB of it in all, by
 * `scripts/series-memory.mjs`.
 */
export class Series {
  shape: Shape
  memory: SeriesMemory<Series>
  /** Its place in the memory of the table. */
  readonly number: number
  numbersAt: number
  /** Its measurement and tags as series-names.ts writes them. */
  namesAt: number
  readonly namesBytes: number
  /** `measurement,tag=value` escaped for line protocol: 0 bytes until format/line/encode.ts has made it. */
  linePrefixAt = 0
  linePrefixBytes = 0
  /** Newest values that are no numbers: texts, and integers beyond 2^53. */
  #others: Slot[] | undefined
  /** True while the series is in a list of changed series. */
  changed = false
  /** True once the table has given it up, or where it never had room. A decoder that remembers it must intern it again. */
  evicted = false

  /** @param names of series-names.ts, sorted and clean */
  constructor(memory: SeriesMemory<Series>, number: number, shape: Shape, names: Uint8Array, nowUs: number) {
    this.memory = memory
    this.number = number
    this.shape = shape
    this.numbersAt = memory.takeNumbers(VALUES + shape.width)
    this.namesAt = memory.takeBytes(names)
    this.namesBytes = names.length
    memory.series[number] = this
    this.usedAt = nowUs
    memory.numbers[this.numbersAt + MADE_AT] = nowUs
    this.latestAt = 0
    this.arrivedUs = -Infinity
    this.newPace = Number.NaN
    this.newPaceSinceUs = -Infinity
    this.forgetLatest()
  }

  get measurement(): string {
    return this.shape.measurement
  }

  /** Sorted by their keys. They are read from the names, into an array of their own, at each call. */
  get tags(): Tag[] {
    return readTags(this.memory.bytes, this.namesAt)
  }

  get fieldNames(): readonly string[] {
    return this.shape.fieldNames
  }

  get fieldKinds(): readonly FieldKind[] {
    return this.shape.fieldKinds
  }

  /** Cleaned text has no U+0000 and no U+0001, so no two series share a key. */
  get key(): string {
    let key = this.measurement
    for (const [k, v] of this.tags) key += `\u0000${k}\u0001${v}`
    return key
  }

  tag(key: string): string | undefined {
    for (const [k, v] of this.tags) if (k === key) return v
    return undefined
  }

  /** When a sample last used it, µs. A table gives up series that are idle. */
  get usedAt(): number {
    return this.memory.numbers[this.numbersAt + USED_AT]!
  }

  set usedAt(us: number) {
    this.memory.numbers[this.numbersAt + USED_AT] = us
  }

  /** When a sample first used it, µs. */
  get madeAt(): number {
    return this.memory.numbers[this.numbersAt + MADE_AT]!
  }

  /** Treats it as if it had been in use for so long. */
  trust(forUs: number): void {
    this.memory.numbers[this.numbersAt + MADE_AT] = this.usedAt - forUs
  }

  /** How long it has been in use, µs. */
  get ageUs(): number {
    return this.usedAt - this.madeAt
  }

  /** The time of the newest sample, µs; 0: none yet. */
  get latestAt(): number {
    return this.memory.numbers[this.numbersAt + LATEST_AT]!
  }

  set latestAt(us: number) {
    this.memory.numbers[this.numbersAt + LATEST_AT] = us
  }

  /** When that sample arrived, by a monotonic timer, µs. */
  get arrivedUs(): number {
    return this.memory.numbers[this.numbersAt + ARRIVED]!
  }

  set arrivedUs(us: number) {
    this.memory.numbers[this.numbersAt + ARRIVED] = us
  }

  /** How far the time of that sample is ahead of that timer, µs; infinite before there is one. */
  get pace(): number {
    return this.latestAt - this.arrivedUs
  }

  /** Another pace that samples came at since, and since when: see internal/live/latest.ts. */
  get newPace(): number {
    return this.memory.numbers[this.numbersAt + NEW_PACE]!
  }

  set newPace(us: number) {
    this.memory.numbers[this.numbersAt + NEW_PACE] = us
  }

  get newPaceSinceUs(): number {
    return this.memory.numbers[this.numbersAt + NEW_PACE_SINCE]!
  }

  set newPaceSinceUs(us: number) {
    this.memory.numbers[this.numbersAt + NEW_PACE_SINCE] = us
  }

  /** The newest value of a field, or undefined. */
  latest(index: number): Slot {
    if (!(index >= 0 && index < this.shape.width)) return undefined
    const number = this.memory.numbers[this.numbersAt + VALUES + index]!
    if (Number.isNaN(number)) return this.#others?.[index]
    return this.shape.fieldKinds[index] === 'bool' ? number === 1 : number
  }

  /** Takes the values that there are, in the order of the fields. On the hot path: no allocation, except for texts. */
  keepLatest(values: readonly Slot[]): void {
    const { numbers } = this.memory
    const first = this.numbersAt + VALUES
    const count = Math.min(values.length, this.shape.width)
    for (let i = 0; i < count; i++) {
      const value = values[i]
      if (typeof value === 'number') {
        if (value - value === 0) numbers[first + i] = value
      } else if (value !== undefined) this.#keepOther(i, value)
    }
  }

  forgetLatest(): void {
    const { numbers } = this.memory
    const first = this.numbersAt + VALUES
    for (let i = first; i < first + this.shape.width; i++) numbers[i] = Number.NaN
    this.#others?.fill(undefined)
  }

  /**
   * The index of a field in `values`. The first call adds the field with its kind. A later call may name another kind:
   * the caller compares it with `fieldKinds`. A name that a store would refuse, or one too many, gives a refusal.
   */
  field(name: string, kind: FieldKind): number | Refusal {
    const { memory, shape } = this
    const known = shape.indexOf(name)
    if (known >= 0) return known
    const clean = cleanText(name)
    const twin = clean === name ? -1 : shape.indexOf(clean)
    if (twin >= 0) return twin
    const wider = shape.with(clean, kind)
    if (isRefusal(wider)) return wider
    this.numbersAt = memory.growNumbers(this.numbersAt, this.numberCount, 1)
    memory.numbers[this.numbersAt + this.numberCount] = Number.NaN
    this.shape = wider
    return shape.width
  }

  /** The index of a field that exists, or -1. */
  indexOf(name: string): number {
    return this.shape.indexOf(name)
  }

  setLinePrefix(prefix: Uint8Array): void {
    this.linePrefixAt = this.memory.takeBytes(prefix)
    this.linePrefixBytes = prefix.length
  }

  /** How many numbers of the memory it uses. */
  get numberCount(): number {
    return VALUES + this.shape.width
  }

  /** Takes its bytes along into the memory's new array. */
  moveBytes(from: Uint8Array): void {
    const { memory, namesAt, namesBytes, linePrefixAt, linePrefixBytes } = this
    this.namesAt = memory.takeBytes(from.subarray(namesAt, namesAt + namesBytes))
    this.linePrefixAt = memory.takeBytes(from.subarray(linePrefixAt, linePrefixAt + linePrefixBytes))
  }

  /** Gives up its place in the memory of the table. Whoever still holds it may use it as before. */
  leave(): void {
    const { memory: shared, numbersAt, numberCount } = this
    shared.series[this.number] = undefined
    shared.forget(numberCount, this.namesBytes + this.linePrefixBytes)
    this.memory = new SeriesMemory<Series>()
    this.memory.series.push(this)
    this.numbersAt = this.memory.takeNumbers(numberCount)
    this.memory.numbers.set(shared.numbers.subarray(numbersAt, numbersAt + numberCount), this.numbersAt)
    this.moveBytes(shared.bytes)
    this.evicted = true
  }

  #keepOther(index: number, value: bigint | boolean | string): void {
    const isFlag = typeof value === 'boolean'
    if (isFlag && this.shape.fieldKinds[index] !== 'bool') return
    this.memory.numbers[this.numbersAt + VALUES + index] = isFlag ? Number(value) : Number.NaN
    if (isFlag) return
    this.#others ??= []
    while (this.#others.length <= index) this.#others.push(undefined)
    this.#others[index] = value
  }
}

/** A series that no table has, for samples that are only passed on. Its names must be clean. */
export function seriesApart(
  measurement: string,
  tags: readonly Tag[],
  nowUs = 0,
  shape = new Shape(measurement),
): Series {
  const series = new Series(new SeriesMemory<Series>(), 0, shape, writeNames(measurement, tags), nowUs)
  series.evicted = true
  return series
}

export interface SeriesTableOptions {
  /** 1,000,000 by default. */
  readonly maxSeries?: number
  /** A series that was in use for long may be silent for so long: an hour by default. */
  readonly idleUs?: number
  /** And one that is new, for so long: a minute by default. */
  readonly briefUs?: number
  /** Up to so many, series are kept however idle they are. 1000 by default. */
  readonly keepAllUpTo?: number
  /** Told of each series that is given up. */
  readonly onEvict?: (series: Series) => void
}

/** Series that are looked at for each new one, and where the table is full. */
const LOOKS = 4
const LOOKS_WHEN_FULL = 64
/** Of a full table, a series gives way that was used once, and not within this time, µs. */
const USED_ONCE_US = 1_000_000

/**
 * The series of a process, each once, at most `maxSeries`.
 *
 * Series come and go: each container has a network interface of its own, and some publishers use a value as a tag. So
 * the table gives up a series that is silent for twice as long as it was in use before, but not within a minute, and
 * always after an hour. For each series that comes, it looks at some others in turn: the cost does not depend on its
 * size, and 2,000 new series a second make it hold 160,000, for ever: those of a minute, and of the 20 s in which it looks at each.
 *
 * In a full table, series that were used once give way to newer ones. Series in use never do: then the new one is
 * **apart**, which means that its samples are stored, but not shown live.
 */
export class SeriesTable {
  readonly #memory = new SeriesMemory<Series>()
  readonly #index = new SeriesIndex(this.#memory)
  /** Those without fields, by measurement. */
  readonly #shapes = new WeakValues<Shape>()
  readonly #freeNumbers: number[] = []
  readonly #maxSeries: number
  readonly #idleUs: number
  readonly #briefUs: number
  readonly #keepAllUpTo: number
  readonly #onEvict: (series: Series) => void
  /** The number of the series that was looked at last. */
  #lookedAt = 0
  #size = 0
  /** Series given up, and how often a series was apart because the table was full. */
  evicted = 0
  refused = 0

  constructor(options: SeriesTableOptions = {}) {
    this.#maxSeries = options.maxSeries ?? 1_000_000
    this.#idleUs = options.idleUs ?? 3_600e6
    this.#briefUs = Math.min(options.briefUs ?? 60e6, this.#idleUs)
    this.#keepAllUpTo = Math.min(options.keepAllUpTo ?? 1000, this.#maxSeries / 2)
    this.#onEvict = options.onEvict ?? (() => {})
  }

  get size(): number {
    return this.#size
  }

  *[Symbol.iterator](): IterableIterator<Series> {
    for (const series of this.#memory.series) if (series !== undefined) yield series
  }

  /** The series with this number: it may be another one than some time ago. */
  at(number: number): Series | undefined {
    return this.#memory.series[number]
  }

  /** The series with these names, in the bytes of series-names.ts. */
  find(names: Uint8Array, start: number, end: number): Series | undefined {
    return this.#memory.series[this.#index.find(names, start, end)]
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
    const refusal = refuseSeries(cleanMeasurement, cleanTags)
    if (refusal !== undefined) return refusal
    const names = writeNames(cleanMeasurement, cleanTags)
    const known = this.find(names, 0, names.length)
    if (known !== undefined) {
      known.usedAt = nowUs
      return known
    }
    if (this.#size >= this.#keepAllUpTo) this.#look(LOOKS, nowUs, false)
    if (this.#size >= this.#maxSeries) this.#look(LOOKS_WHEN_FULL, nowUs, true)
    const shape = this.#shapeOf(cleanMeasurement)
    if (this.#size >= this.#maxSeries) {
      this.refused++
      return seriesApart(cleanMeasurement, cleanTags, nowUs, shape)
    }
    return this.#add(shape, names, nowUs)
  }

  #add(shape: Shape, names: Uint8Array, nowUs: number): Series {
    const number = this.#freeNumbers.pop() ?? this.#memory.series.length
    const series = new Series(this.#memory, number, shape, names, nowUs)
    this.#index.add(number)
    this.#size++
    return series
  }

  #shapeOf(measurement: string): Shape {
    let shape = this.#shapes.get(measurement)
    if (shape === undefined) {
      shape = new Shape(measurement)
      this.#shapes.set(measurement, shape)
    }
    return shape
  }

  /** Gives up those of the next series that are idle. For room, one that was used once will do too. */
  #look(count: number, nowUs: number, forRoom: boolean): void {
    const { series } = this.#memory
    for (let left = Math.min(count, series.length); left > 0; left--) {
      this.#lookedAt = (this.#lookedAt + 1) % series.length
      const one = series[this.#lookedAt]
      if (one === undefined) continue
      const silentUs = nowUs - one.usedAt
      const isIdle = silentUs > Math.min(this.#idleUs, Math.max(this.#briefUs, 2 * one.ageUs))
      if (isIdle || (forRoom && one.ageUs === 0 && silentUs > USED_ONCE_US)) this.#evict(one)
      if (forRoom && this.#size < this.#maxSeries) return
    }
  }

  #evict(series: Series): void {
    const { number } = series
    this.#index.delete(number)
    series.leave()
    this.#freeNumbers.push(number)
    this.#size--
    this.evicted++
    this.#onEvict(series)
  }
}
