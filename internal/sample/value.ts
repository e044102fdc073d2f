/** The five kinds of value that line protocol knows. A field keeps one kind for the life of its series. */
export type FieldKind = 'float' | 'int' | 'uint' | 'bool' | 'string'

/** `int` and `uint` are a number while they are exact (below 2^53) and a bigint beyond. */
export type FieldValue = number | bigint | boolean | string

/** What stands in a sample's place for a field: `undefined`, NaN and the infinities all mean "no value this time". */
export type Slot = FieldValue | undefined

/** Key and value, both cleaned; a series' tags are sorted by key. */
export type Tag = readonly [key: string, value: string]

/** Whether a slot holds something that a store can keep. */
export function hasValue(slot: Slot): slot is FieldValue {
  return typeof slot === 'number' ? slot - slot === 0 : slot !== undefined
}
