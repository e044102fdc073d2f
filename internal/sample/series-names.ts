import { cleanText } from './border.ts'
import type { Tag } from './value.ts'

/**
 * The names of a series, in bytes, as a frame has them (docs/wire-format.md): measurement, number of tags, and each
 * key and value. A text has its length before it, as a u16. Sorted and cleaned, they are its key in the table.
 */
export function writeNames(measurement: string, tags: readonly Tag[]): Buffer {
  let room = 4 + 3 * measurement.length
  for (const [key, value] of tags) room += 4 + 3 * (key.length + value.length)
  const bytes = Buffer.allocUnsafe(room)
  let at = writeText(measurement, bytes, 0)
  at = bytes.writeUInt16LE(tags.length, at)
  for (const [key, value] of tags) at = writeText(value, bytes, writeText(key, bytes, at))
  return bytes.subarray(0, at)
}

/** The tags in the names of a series. */
export function readTags(names: Buffer, start: number): Tag[] {
  let at = start
  const text = (): string => {
    const from = at + 2
    at = from + names.readUInt16LE(at)
    return names.toString('utf8', from, at)
  }
  text()
  const tags = new Array<Tag>(names.readUInt16LE(at))
  at += 2
  for (let i = 0; i < tags.length; i++) tags[i] = [text(), text()]
  return tags
}

/** Where the names that begin here end, or -1 where they are not whole before `end`. What they say is not checked. */
export function endOfNames(bytes: Uint8Array, start: number, end: number): number {
  let at = start + 2
  if (at > end) return -1
  at += uint16(bytes, start) + 2
  if (at > end) return -1
  for (let texts = 2 * uint16(bytes, at - 2); texts > 0; texts--) {
    at += 2
    if (at > end) return -1
    at += uint16(bytes, at - 2)
  }
  return at <= end ? at : -1
}

function uint16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8)
}

function writeText(text: string, into: Buffer, at: number): number {
  const length = into.write(text, at + 2, 'utf8')
  into.writeUInt16LE(length, at)
  return at + 2 + length
}

/** Clean, without those that have no value, and sorted. */
export function sortedTags(tags: readonly Tag[]): Tag[] {
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
