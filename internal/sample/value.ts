/** The five kinds of value in line protocol. A field keeps its kind as long as its series lives. */
export type FieldKind = 'float' | 'int' | 'uint' | 'bool' | 'string'

/** An `int` or `uint` is a number where that is exact (below 2^53), and else a bigint. */
export type FieldValue = number | bigint | boolean | string

/** A sample's entry for a field. `undefined`, NaN and the infinities all mean "no value this time". */
export type Slot = FieldValue | undefined

/** Key and value, both cleaned. A series has its tags sorted by key. */
export type Tag = readonly [key: string, value: string]

/** The bounds of `int` and `uint`. */
export const INT64_MIN = -(2n ** 63n)
export const INT64_MAX = 2n ** 63n - 1n
export const UINT64_MAX = 2n ** 64n - 1n
/** As doubles: `int` is within [-2^63, 2^63), `uint` within [0, 2^64). */
const TWO_TO_63 = 2 ** 63
const TWO_TO_64 = 2 ** 64

/**
 * Whether a field of a kind can keep a value unchanged: it is of the right type, finite, whole where the kind is, and
 * within 64 bits. Every encoder and store leaves out a value that its field cannot keep.
 */
export function fitsKind(value: Slot, kind: FieldKind): boolean {
  switch (kind) {
    case 'float':
      return typeof value === 'number' && value - value === 0
    case 'int':
      return isInt64(value)
    case 'uint':
      return isUint64(value)
    case 'bool':
      return typeof value === 'boolean'
    case 'string':
      return typeof value === 'string'
  }
}

export function isInt64(value: Slot): value is number | bigint {
  if (typeof value === 'number') return value >= -TWO_TO_63 && value < TWO_TO_63 && Math.floor(value) === value
  return typeof value === 'bigint' && value >= INT64_MIN && value <= INT64_MAX
}

export function isUint64(value: Slot): value is number | bigint {
  if (typeof value === 'number') return value >= 0 && value < TWO_TO_64 && Math.floor(value) === value
  return typeof value === 'bigint' && value >= 0n && value <= UINT64_MAX
}

/** Whether an integer keeps its value in a field of another kind of number. */
export function integerFitsKind(value: number | bigint, kind: FieldKind): boolean {
  return kind === 'float' ? BigInt(Number(value)) === BigInt(value) : fitsKind(value, kind)
}

/** Whether a slot holds something that a store can keep. */
export function hasValue(slot: Slot): slot is FieldValue {
  return typeof slot === 'number' ? slot - slot === 0 : slot !== undefined
}

/**
 * An integer as JSON can carry it: a number where that has the same digits, else the text of its digits. From 2^53 on
 * a number may stand for several integers: 9007199254740993 would be read as …992.
 */
export function exactNumber(digits: string): number | string {
  const number = Number(digits)
  return String(number) === digits ? number : digits
}
