const VARINT = 0
const FIXED_64 = 1
const BYTES = 2
const FIXED_32 = 5

/**
 * Reads the fields of a message of Protocol Buffers in their order. Whoever calls `next` takes the value by the method of
 * its wire type, or skips it.
 */
export class ProtobufReader {
  readonly bytes: Buffer
  /** Of the field that `next` found. */
  field = 0
  at: number
  readonly #end: number
  #wire = VARINT

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.bytes = bytes
    this.at = start
    this.#end = end
  }

  /** @returns false at the end of the message. @throws RangeError where the bytes are no message */
  next(): boolean {
    if (this.at >= this.#end) return false
    const key = this.#varint()
    this.field = Math.floor(key / 8)
    this.#wire = key % 8
    return true
  }

  /** The bounds of a field with bytes: a text, a message, or packed numbers. */
  range(): { readonly start: number; readonly end: number } {
    this.#expect(BYTES)
    const length = this.#varint()
    const start = this.at
    if (start + length > this.#end) throw cutOff()
    this.at = start + length
    return { start, end: this.at }
  }

  message(): ProtobufReader {
    const { start, end } = this.range()
    return new ProtobufReader(this.bytes, start, end)
  }

  text(): string {
    const { start, end } = this.range()
    return this.bytes.toString('utf8', start, end)
  }

  /** Where the 8 bytes of a double begin. */
  doubleAt(): number {
    return this.#fixed64()
  }

  /** A signed number of 64 bits, as near as a double comes. */
  int64(): number {
    this.#expect(VARINT)
    const start = this.at
    const value = this.#varint()
    // Ten bytes are a number below zero, in two's complement.
    return this.at - start === 10 ? Number(BigInt.asIntN(64, this.#bigVarint(start))) : value
  }

  uint32(): number {
    this.#expect(VARINT)
    return this.#varint()
  }

  /** Numbers that stand one behind the other, or a single one. */
  *uint32s(): Generator<number> {
    if (this.#wire === VARINT) yield this.#varint()
    else {
      const inside = this.message()
      while (inside.at < inside.#end) yield inside.#varint()
    }
  }

  skip(): void {
    if (this.#wire === VARINT) this.#varint()
    else if (this.#wire === BYTES) this.range()
    else if (this.#wire === FIXED_64 || this.#wire === FIXED_32) {
      this.at += this.#wire === FIXED_64 ? 8 : 4
      if (this.at > this.#end) throw cutOff()
    } else throw new RangeError(`an unknown wire type ${this.#wire}`)
  }

  #fixed64(): number {
    this.#expect(FIXED_64)
    const start = this.at
    this.at += 8
    if (this.at > this.#end) throw cutOff()
    return start
  }

  #expect(wire: number): void {
    if (this.#wire !== wire) throw new RangeError(`field ${this.field} has wire type ${this.#wire}, not ${wire}`)
  }

  #varint(): number {
    let value = 0
    for (let i = 0; i < 10; i++) {
      if (this.at >= this.#end) throw cutOff()
      const byte = this.bytes[this.at++]!
      value += (byte & 0x7f) * 2 ** (7 * i)
      if (byte < 0x80) return value
    }
    throw new RangeError('a number of more than ten bytes')
  }

  #bigVarint(start: number): bigint {
    let value = 0n
    for (let i = 0; i < 10; i++) value |= BigInt(this.bytes[start + i]! & 0x7f) << BigInt(7 * i)
    return value
  }
}

function cutOff(): RangeError {
  return new RangeError('the message ends in the middle of a field')
}
