import type { Series } from '../sample/series.ts'
import type { Shape } from '../sample/shape.ts'
import { exactNumber, hasValue, type Slot } from '../sample/value.ts'

/** The longest interval that is believed: an agent has no longer one, ms. */
const MAX_INTERVAL_MS = 3_600_000

/** A series as the API knows it: its latest reading, when that arrived, and when it changed. */
export class LiveSeries {
  readonly series: Series
  /** Counts the series of the table in the order in which they came. */
  readonly number: number
  /** The tag `host`, where there is one. */
  readonly host: string | undefined
  /** The generation of the table at its newest change. */
  generation = 0
  /** When its latest reading arrived, by the monotonic timer, ms. */
  arrivedMs = -Infinity
  /** The same by the clock of this machine at that time, µs since the epoch. */
  arrivedAt = 0
  /**
   * How far the time of its latest reading is ahead of the clock of the server that announced it, µs; negative where it
   * is behind. NaN where the server did not say its time.
   */
  aheadUs = Number.NaN
  /** Whether clients of the feed were told that it is stale. */
  isStale = false
  /** Its neighbours in the table's list of changes. */
  newer: LiveSeries | undefined
  older: LiveSeries | undefined

  /** `{"measurement":…,"tags":{…},"fields":{`, the same for each reading. Made for the first that asks. */
  #head = ''
  /** Whole numbers in an array that never grows: V8 keeps those without an object for each. */
  readonly #gapsMs = [0, 0, 0, 0]
  #arrivals = 0
  #json = ''
  #jsonGeneration = -1

  constructor(series: Series, number: number) {
    this.series = series
    this.number = number
    this.host = series.tag('host')
  }

  /**
   * Notes an arrival.
   *
   * @param nowMs monotonic time
   * @param atUs the same by the clock, µs
   */
  arrive(nowMs: number, atUs: number): void {
    const gaps = this.#gapsMs
    if (this.#arrivals > 0) gaps[(this.#arrivals - 1) % gaps.length] = Math.round(nowMs - this.arrivedMs)
    this.#arrivals++
    this.arrivedMs = nowMs
    this.arrivedAt = atUs
    this.isStale = false
  }

  /** Takes the arrival of a reading that was kept: when it came before is not known. */
  recall(nowMs: number, atUs: number): void {
    this.arrivedMs = nowMs
    this.arrivedAt = atUs
  }

  /**
   * The interval of its source, from its last arrivals, ms; 0 while there was only one. It is the second longest of
   * four distances, so one outage does not change it, and a source that sends in pairs has the longer one.
   */
  get intervalMs(): number {
    const known = this.#gapsMs.slice(0, Math.max(0, this.#arrivals - 1))
    const [longest = 0, second = longest] = known.sort((a, b) => b - a)
    return Math.min(second, MAX_INTERVAL_MS)
  }

  /** The latest reading as JSON, without a line break. It is built once for each change. */
  json(): string {
    if (this.#jsonGeneration !== this.generation) {
      this.#json = this.#encode()
      this.#jsonGeneration = this.generation
    }
    return this.#json
  }

  #encode(): string {
    const { series } = this
    const names = jsonNames(series.shape)
    this.#head ||= headOf(series)
    const parts = [this.#head]
    for (let i = 0; i < names.length; i++) {
      const value = series.latest(i)
      if (hasValue(value)) parts.push(parts.length > 1 ? ',' : '', names[i]!, valueJson(value))
    }
    parts.push(`},"at":${series.latestAt},"arrivedAt":${this.arrivedAt}${this.isStale ? ',"stale":true' : ''}}`)
    // Joined it is one piece of 250 bytes; added up, it would stay a tree of thirty, of 32 bytes each.
    return parts.join('')
  }
}

function headOf({ measurement, tags }: Series): string {
  return `{"measurement":${JSON.stringify(measurement)},"tags":${JSON.stringify(Object.fromEntries(tags))},"fields":{`
}

/** `"name":` for each field of a shape. */
function jsonNames(shape: Shape): readonly string[] {
  shape.jsonNames ??= shape.fieldNames.map((name) => `${JSON.stringify(name)}:`)
  return shape.jsonNames
}

/** Integers that a JSON number cannot hold exactly become strings of their digits, as in the history. */
function valueJson(value: Exclude<Slot, undefined>): string {
  if (typeof value === 'bigint') return JSON.stringify(exactNumber(`${value}`))
  return typeof value === 'string' ? JSON.stringify(value) : `${value}`
}
