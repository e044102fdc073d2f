import { writeIntegerWords, writeThreeDigitsWord } from '../format/line/digit-words.ts'

const BILLION = 1e9
const THOUSAND = 1_000
/** 2^63 - 1, the largest of 64 bits that every reader can keep. */
const MOST_BILLIONS = 9_223_372_036
const MOST_REST = 854_775_807

const ZERO = 0x30
const DOT = 0x2e

/** Where cells are written. Three bytes more than the longest row must be free: digits go in four at a time. */
export interface Target {
  readonly bytes: Buffer
  readonly view: DataView
}

export function targetOf(bytes: Buffer): Target {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) }
}

/**
 * A column of counters of 64 bits, one a row. They only rise, and stay at 2^63 - 1, as counters of InfiniBand stay at
 * their largest. Kept in two parts below and above a billion, because a double has 53 bits and a BigInt costs an object
 * each time.
 */
export class Counters {
  readonly #billions: Float64Array
  readonly #rest: Float64Array

  /** @param first the value of a row at first */
  constructor(rows: number, first: (row: number) => bigint) {
    this.#billions = new Float64Array(rows)
    this.#rest = new Float64Array(rows)
    for (let row = 0; row < rows; row++) {
      const value = first(row)
      this.#billions[row] = Number(value / 1_000_000_000n)
      this.#rest[row] = Number(value % 1_000_000_000n)
    }
  }

  /** @param count a whole number from 0 to 2^52 */
  add(row: number, count: number): void {
    let billions = this.#billions[row]!
    let rest = this.#rest[row]! + count
    if (rest >= BILLION) {
      const carried = Math.floor(rest / BILLION)
      billions += carried
      rest -= carried * BILLION
    }
    const isBeyond = billions > MOST_BILLIONS || (billions === MOST_BILLIONS && rest > MOST_REST)
    this.#billions[row] = isBeyond ? MOST_BILLIONS : billions
    this.#rest[row] = isBeyond ? MOST_REST : rest
  }

  /** @returns the offset behind the last digit */
  write(row: number, { bytes, view }: Target, at: number): number {
    const billions = this.#billions[row]!
    const rest = this.#rest[row]!
    if (billions === 0) return writeIntegerWords(rest, bytes, view, at)
    const thousands = (rest / THOUSAND) | 0
    const millions = (thousands / THOUSAND) | 0
    const restAt = writeIntegerWords(billions, bytes, view, at)
    writeThreeDigitsWord(millions, view, restAt)
    writeThreeDigitsWord(thousands - millions * THOUSAND, view, restAt + 3)
    return writeThreeDigitsWord(rest - thousands * THOUSAND, view, restAt + 6)
  }
}

/** A whole number from 0 to 2^53 - 1. */
export function writeCount(value: number, { bytes, view }: Target, at: number): number {
  return writeIntegerWords(value, bytes, view, at)
}

/** A number from 0 on with so many decimals, zeros among them. */
export function writeDecimal(value: number, decimals: 1 | 2 | 3, { bytes, view }: Target, at: number): number {
  const scale = 10 ** decimals
  const scaled = Math.round(value * scale)
  const whole = Math.floor(scaled / scale)
  let rest = scaled - whole * scale
  const dotAt = writeIntegerWords(whole, bytes, view, at)
  bytes[dotAt] = DOT
  for (let i = decimals; i > 0; i--) {
    const tenth = (rest / 10) | 0
    bytes[dotAt + i] = ZERO + rest - tenth * 10
    rest = tenth
  }
  return dotAt + 1 + decimals
}
