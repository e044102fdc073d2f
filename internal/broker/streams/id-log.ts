import { bulkBytesAt, idIn } from './entry.ts'

/** Room for the ids of a moment; it doubles when they need more. */
const FIRST_BYTES = 8192

/** Ids in the order in which they came, as bulk strings of RESP, one behind the other: as XACK wants them. */
export class IdLog {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #start = 0
  #end = 0

  push(bytes: Buffer, at: number, end: number): void {
    if (this.#end + end - at > this.#bytes.length) this.#makeRoom(end - at)
    const own = this.#bytes
    let to = this.#end
    // Faster than `copy` for some twenty bytes.
    for (let from = at; from < end; from++) own[to++] = bytes[from]!
    this.#end = to
  }

  /** Forgets the newest id, of so many bytes. */
  pop(bytes: number): void {
    this.#end -= bytes
  }

  /** Forgets the oldest ids, of so many bytes. */
  shift(bytes: number): void {
    this.#start += bytes
  }

  /** The bytes of the oldest ids, valid until the next change. */
  first(count: number): Buffer {
    let end = this.#start
    for (let i = 0; i < count; i++) end += bulkBytesAt(this.#bytes, end)
    return this.#bytes.subarray(this.#start, end)
  }

  /** The oldest ids as text. */
  texts(count: number): string[] {
    const texts: string[] = []
    for (let at = this.#start; texts.length < count; ) {
      const end = at + bulkBytesAt(this.#bytes, at)
      texts.push(idIn(this.#bytes, at, end))
      at = end
    }
    return texts
  }

  /** At the front where that is at least half, otherwise in a larger buffer. */
  #makeRoom(bytes: number): void {
    const before = this.#bytes
    const used = this.#end - this.#start
    if ((used + bytes) * 2 > before.length) this.#bytes = Buffer.allocUnsafeSlow(before.length * 2)
    before.copy(this.#bytes, 0, this.#start, this.#end)
    this.#start = 0
    this.#end = used
  }
}
