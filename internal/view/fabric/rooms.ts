import type { Slices } from './slices.ts'

/** Of a snapshot: the one that is shown, the one before it, and the next. */
const ROOMS_OF_A_SNAPSHOT = 3
/** A snapshot with some more rows still has room. */
const SPARE = 1 / 16
/** Memory that nobody uses, beside that of the generations that somebody may read: more is left of larger ones. */
const MOST_FREE = 2
const PAGE_BYTES = 4096

/**
 * The memory that the snapshots of a fabric are read to, again when nobody needs what was there before. A generation of
 * 100,000 ports has 26 MB: new for each, they would set off a full garbage collection, and the kernel would need ten
 * times as long for their pages as it takes to fill them.
 */
export class Rooms {
  /** Those that are used and those of the generation that is being made, in the order in which they were taken. */
  #taken: Buffer[] = []
  #free: Buffer[] = []
  #isFirst = true

  /**
   * To be called before a generation is made.
   *
   * @param used the memory that somebody may still read
   */
  begin(used: ReadonlySet<ArrayBufferLike>): void {
    const isUsed = ({ buffer }: Buffer): boolean => used.has(buffer)
    this.#free.push(...this.#taken.filter((room) => !isUsed(room)))
    this.#taken = this.#taken.filter(isUsed)
    this.#isFirst = this.#taken.length === 0
    while (!this.#isFirst && bytesIn(this.#free) > MOST_FREE * bytesIn(this.#taken)) this.#free.shift()
  }

  /** So many bytes, of any values. */
  take(bytes: number): Buffer {
    const fits = ({ length }: Buffer): boolean => length >= bytes && length <= 2 * bytes
    if (!this.#free.some(fits)) {
      // All before anything is shown: then nobody waits for the garbage collection that they set off.
      for (let left = this.#isFirst ? ROOMS_OF_A_SNAPSHOT : 1; left > 0; left--)
        this.#free.push(Buffer.allocUnsafeSlow(Math.ceil(bytes * (1 + SPARE))))
    }
    const room = this.#free.filter(fits).reduce((least, other) => (other.length < least.length ? other : least))
    this.#free.splice(this.#free.indexOf(room), 1)
    this.#taken.push(room)
    return room.subarray(0, bytes)
  }

  /** Has the kernel give the pages of what is free: else they come while a generation is read to it. */
  async touch(slices: Slices): Promise<void> {
    for (const room of this.#free) {
      for (let at = 0; at < room.length; at += PAGE_BYTES) {
        room[at] = 0
        if (slices.isOver) await slices.pause()
      }
    }
  }
}

function bytesIn(rooms: readonly Buffer[]): number {
  return rooms.reduce((sum, { length }) => sum + length, 0)
}
