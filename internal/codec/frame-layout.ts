import type { FieldKind } from '../sample/value.ts'

/**
 * The frame, little-endian; docs/wire-format.md has the whole table.
 *
 *   fixed header    magic, version, flags, lengths and counts, seq, firstSample, standing, sentAt
 *   run id          UTF-8
 *   series blocks   names: measurement, tags, fields with kinds; then rows: times, ties, and each field's values
 */

/**
 * `SSF` and a byte that no text has. A Packed message begins with its seconds, and these four bytes would be a time in
 * the year 2100. So a Packed message is never taken for a frame.
 */
export const MAGIC = 0xf5465353
export const VERSION = 1
export const MAX_FRAME_BYTES = 8 * 1024 * 1024
export const MAX_FRAME_SAMPLES = 65_536

export const MAGIC_AT = 0
export const VERSION_AT = 4
export const FLAGS_AT = 5
export const RUN_ID_BYTES_AT = 6
export const SAMPLE_COUNT_AT = 8
export const BLOCK_COUNT_AT = 12
export const SEQ_AT = 16
export const FIRST_SAMPLE_AT = 24
export const HELD_FROM_AT = 32
export const HELD_FIRST_SAMPLE_AT = 40
export const WITHDRAWN_MESSAGES_AT = 48
export const WITHDRAWN_SAMPLES_AT = 56
export const SENT_AT_AT = 64
export const FIXED_BYTES = 72

/** A block begins with the lengths of its names (u32), its rows (u32) and its flags (u8). */
export const BLOCK_FIXED_BYTES = 9
/** The block has a column of ties; without it they are all 0. */
export const HAS_TIES = 1
/**
 * The names of the block end after the tags: its fields are those of the block before. Of a table with a row a series and
 * 31 fields, their names were two thirds of a frame.
 */
export const SAME_FIELDS = 2

/** The first byte of a column: which rows have a value. */
export const ALL_PRESENT = 0
export const SOME_PRESENT = 1
export const NONE_PRESENT = 2

/** A field's kind is written as its index in this list. */
export const KINDS: readonly FieldKind[] = ['float', 'int', 'uint', 'bool', 'string']

/** Bytes of a value in its column; a string has its length there, and its text behind the column. */
export const VALUE_BYTES: Readonly<Record<FieldKind, number>> = { float: 8, int: 8, uint: 8, bool: 1, string: 4 }

export const TWO_TO_32 = 2 ** 32
