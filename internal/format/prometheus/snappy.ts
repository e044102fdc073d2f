/** The low two bits of a tag say what follows. */
const LITERAL = 0
const COPY_1 = 1
const COPY_2 = 2

/** The bytes that a block of Snappy says that it unpacks to. @throws RangeError where the block does not say it */
export function unpackedLength(block: Buffer): number {
  return readLength(block).length
}

/**
 * Unpacks a block of Snappy (not the format of streams).
 *
 * @param maxBytes what it may unpack to
 * @throws RangeError for bytes that are no block, and for one that unpacks to more
 */
export function unpackSnappy(block: Buffer, maxBytes: number): Buffer {
  const { length, end: start } = readLength(block)
  if (length > maxBytes) throw new RangeError(`it unpacks to ${length} bytes, at most ${maxBytes}`)
  const out = Buffer.allocUnsafe(length)
  let [from, to] = [start, 0]
  while (from < block.length) {
    const tag = block[from++]!
    const kind = tag & 3
    if (kind === LITERAL) {
      let size = tag >> 2
      if (size >= 60) {
        const bytes = size - 59
        if (from + bytes > block.length) throw cutOff()
        size = block.readUIntLE(from, bytes)
        from += bytes
      }
      size++
      if (from + size > block.length || to + size > length) throw cutOff()
      block.copy(out, to, from, from + size)
      from += size
      to += size
      continue
    }
    const bytes = kind === COPY_1 ? 1 : kind === COPY_2 ? 2 : 4
    if (from + bytes > block.length) throw cutOff()
    const size = kind === COPY_1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1
    const offset = kind === COPY_1 ? ((tag >> 5) << 8) | block[from]! : block.readUIntLE(from, bytes)
    from += bytes
    if (offset === 0 || offset > to || to + size > length) throw new RangeError('a copy from outside of the block')
    // The copy may read what it writes itself: byte by byte then.
    if (offset >= size) out.copyWithin(to, to - offset, to - offset + size)
    else for (let i = 0; i < size; i++) out[to + i] = out[to + i - offset]!
    to += size
  }
  if (to !== length) throw cutOff()
  return out
}

function readLength(block: Buffer): { readonly length: number; readonly end: number } {
  let length = 0
  for (let at = 0; at < Math.min(5, block.length); at++) {
    const byte = block[at]!
    length += (byte & 0x7f) * 2 ** (7 * at)
    if (byte < 0x80) return { length, end: at + 1 }
  }
  throw cutOff()
}

function cutOff(): RangeError {
  return new RangeError('no block of Snappy, or not all of one')
}
