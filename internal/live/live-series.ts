import type { Series } from '../sample/series.ts'
import { exactNumber, hasValue, type Slot } from '../sample/value.ts'

/** A series as the API knows it: its latest reading, and when that changed. */
export class LiveSeries {
  readonly series: Series
  /** Counts the series of the table in the order in which they came. */
  readonly number: number
  /** The tag `host`, where there is one. */
  readonly host: string | undefined
  /** The generation of the table at its newest change. */
  generation = 0
  /** Its neighbours in the table's list of changes. */
  newer: LiveSeries | undefined
  older: LiveSeries | undefined

  /** `{"measurement":…,"tags":{…},"fields":{`, the same for each reading. */
  readonly #head: string
  readonly #fieldNames: string[] = []
  #json = ''
  #jsonGeneration = -1

  constructor(series: Series, number: number) {
    this.series = series
    this.number = number
    this.host = series.tag('host')
    const tags = JSON.stringify(Object.fromEntries(series.tags))
    this.#head = `{"measurement":${JSON.stringify(series.measurement)},"tags":${tags},"fields":{`
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
    const { fieldNames, latest, latestAt } = this.series
    for (let i = this.#fieldNames.length; i < fieldNames.length; i++) {
      this.#fieldNames.push(`${JSON.stringify(fieldNames[i])}:`)
    }
    let fields = ''
    for (let i = 0; i < latest.length; i++) {
      const value = latest[i]
      if (hasValue(value)) fields += `${fields === '' ? '' : ','}${this.#fieldNames[i]}${valueJson(value)}`
    }
    return `${this.#head}${fields}},"at":${latestAt}}`
  }
}

/** Integers that a JSON number cannot hold exactly become strings of their digits, as in the history. */
function valueJson(value: Exclude<Slot, undefined>): string {
  if (typeof value === 'bigint') return JSON.stringify(exactNumber(`${value}`))
  return typeof value === 'string' ? JSON.stringify(value) : `${value}`
}
