/** An entry as Redis sends it: its id, then names and values in turn. */
export type RawEntry = [id: Buffer, fields: Buffer[]]

/** The field of an entry that holds the message. */
export const PAYLOAD_FIELD = 'd'

/** Two numbers of 64 bits with a dash between them. */
export const MAX_ID_BYTES = 41

const EMPTY = Buffer.alloc(0)
const ZERO = 0x30
const NINE = 0x39
const LINE_END_BYTES = 2

export function idOf([id]: RawEntry): string {
  return id.toString('latin1')
}

/**
 * An entry without the field, written by others, gives an empty message. No codec accepts it: it is rejected and
 * counted.
 */
export function payloadOf([, fields]: RawEntry): Buffer {
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i]!
    if (name.length === 1 && name[0] === PAYLOAD_FIELD.charCodeAt(0)) return fields[i + 1]!
  }
  return EMPTY
}

/** A bulk string of RESP. Ids are kept as such, because XACK sends them as XREADGROUP got them. */
export function bulkOf(text: string): Buffer {
  return Buffer.from(`$${Buffer.byteLength(text)}\r\n${text}\r\n`)
}

/** How long the bulk string of an id is that begins there. */
export function bulkBytesAt(bytes: Buffer, at: number): number {
  const tens = bytes[at + 1]! - ZERO
  const next = bytes[at + 2]!
  const isOneDigit = next < ZERO || next > NINE
  return isOneDigit ? tens + 4 + LINE_END_BYTES : tens * 10 + next - ZERO + 5 + LINE_END_BYTES
}

/** The clock of Redis when it added the entry, ms: the first number of its id. @param at where the text of the id begins */
export function addedAtMs(bytes: Buffer, at: number): number {
  let number = 0
  for (let i = at; isDigit(bytes[i]!); i++) number = number * 10 + bytes[i]! - ZERO
  return number
}

/** The text of an id that stands there as a bulk string. */
export function idIn(bytes: Buffer, at: number, end: number): string {
  return bytes.toString('latin1', bytes.indexOf('\n', at) + 1, end - LINE_END_BYTES)
}

/**
 * A number that is the same at every delivery of an entry. The sequence in its id alone begins at 0 in each
 * millisecond and each partition, so neighbouring entries of one publisher would often share it. Odd factors for both
 * keep about 30 entries a millisecond apart in each of four partitions.
 *
 * @param bytes the id as a bulk string, which ends at `end`
 */
export function tieOf(partition: number, bytes: Buffer, end: number): number {
  const lastAt = end - LINE_END_BYTES - 1
  let dashAt = lastAt
  while (isDigit(bytes[dashAt]!)) dashAt--
  return (lastDigits(bytes, lastAt) + lastDigits(bytes, dashAt - 1) * 31 + partition * 251) % 1000
}

/** The number that the last three digits up to `lastAt` make up, or fewer where there are no more. */
function lastDigits(bytes: Buffer, lastAt: number): number {
  let number = 0
  let at = lastAt
  for (let unit = 1; unit < 1000 && isDigit(bytes[at]!); unit *= 10) number += (bytes[at--]! - ZERO) * unit
  return number
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE
}
