import { isRefusal } from '../../internal/sample/border.ts'
import type { Sample } from '../../internal/sample/sample.ts'
import type { Series, SeriesTable } from '../../internal/sample/series.ts'

/** The samples that the oracle's publishers send. Their whole content follows from the id. */
export const MEASUREMENT = 'oracle'
/** The number of ids of one run of a publisher. They begin at `life * IDS_A_LIFE`. */
export const IDS_A_LIFE = 1e9
const WORKERS = 4
const FIELDS = [
  ['id', 'int'],
  ['value', 'float'],
  ['count', 'int'],
  ['isOdd', 'bool'],
  ['text', 'string'],
] as const

export interface Payload {
  readonly id: number
  readonly value: number
  readonly count: number
  readonly isOdd: boolean
  readonly text: string
}

export function payloadOf(id: number): Payload {
  const mixed = mix(id)
  return {
    id,
    value: (mixed % 1_000_000) / 100,
    count: (mixed % 2003) - 1000,
    isOdd: mixed % 2 === 1,
    text: `${(mixed % 7) + 1} "quoted", and an = sign \\ ${mixed.toString(36)}`,
  }
}

export function workerOf(id: number): string {
  return `w${id % WORKERS}`
}

/** Makes samples one after the other, in one reused object. */
export class SampleMaker {
  readonly #workers: Series[]
  readonly #sample: Sample

  constructor(table: SeriesTable, source: string) {
    this.#workers = Array.from({ length: WORKERS }, (_, n) => {
      const series = table.intern(
        MEASUREMENT,
        [
          ['source', source],
          ['worker', workerOf(n)],
        ],
        0,
      )
      if (isRefusal(series)) throw new Error(series.detail)
      for (const [name, kind] of FIELDS) series.field(name, kind)
      return series
    })
    this.#sample = { series: this.#workers[0]!, values: [], at: 0, tie: 0 }
  }

  /** @param at µs since the epoch, different for each id of one source */
  sample(id: number, at: number): Sample {
    const { value, count, isOdd, text } = payloadOf(id)
    this.#sample.series = this.#workers[id % WORKERS]!
    this.#sample.values = [id, value, count, isOdd, text]
    this.#sample.at = at
    return this.#sample
  }
}

/** 32 bits, unrelated to those of the next id. */
function mix(id: number): number {
  let bits = ((id % 2 ** 32) ^ (Math.floor(id / 2 ** 32) * 0x9e3779b1)) >>> 0
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}
