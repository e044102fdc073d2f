import type { Place } from './segment-format.ts'

/** A record that no file has yet. */
export interface PendingRecord {
  readonly place: Place
  readonly samples: number
  readonly parts: readonly Buffer[]
  /** Header and payload. */
  readonly bytes: number
}

/** The records that wait in memory for the disk, in order. */
export class PendingRecords {
  /** The entries before `#head` are forgotten. */
  #records: PendingRecord[] = []
  #head = 0
  #bytes = 0
  #samples = 0

  get length(): number {
    return this.#records.length - this.#head
  }

  get bytes(): number {
    return this.#bytes
  }

  get samples(): number {
    return this.#samples
  }

  get oldest(): PendingRecord | undefined {
    return this.#records[this.#head]
  }

  get newest(): PendingRecord | undefined {
    return this.length === 0 ? undefined : this.#records.at(-1)
  }

  /** @param index 0 is the oldest */
  at(index: number): PendingRecord | undefined {
    return this.#records[this.#head + index]
  }

  /** By its number, which has no gaps here: only all of them are dropped. */
  get(number: number): PendingRecord | undefined {
    const { oldest } = this
    return oldest === undefined || number < oldest.place.number ? undefined : this.at(number - oldest.place.number)
  }

  push(record: PendingRecord): void {
    this.#records.push(record)
    this.#bytes += record.bytes
    this.#samples += record.samples
  }

  /** Forgets the oldest records. @param count how many */
  forget(count: number): void {
    for (let i = 0; i < count; i++) {
      const { bytes, samples } = this.at(i)!
      this.#bytes -= bytes
      this.#samples -= samples
    }
    this.#head += count
    if (this.#head * 2 >= this.#records.length) {
      this.#records = this.#records.slice(this.#head)
      this.#head = 0
    }
  }
}
