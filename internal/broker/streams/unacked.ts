/** Twice this many slots at the front of the line that are no longer used are worth moving the rest for. */
const COMPACT_AT = 4096

/**
 * What a subscriber of Streams holds: the entries delivered and not yet acked in Redis, in the order of delivery. A cumulative ack
 * moves entries from `delivered` to `acking`, and Redis' answer frees them.
 */
export class Unacked {
  /** In the order of delivery; those before `#head` are acked. The entry of delivery d stands at `d − #base`. */
  #ids: string[] = []
  #partitions: number[] = []
  #head = 0
  #base = 1
  /** A partition's entries that Redis must be told of, or is being told of. */
  readonly #acking: string[][]
  #ackingCount = 0
  /** Deliveries from `#head` on that were withdrawn: their id is ''. */
  #withdrawn = 0

  constructor(partitions: number) {
    this.#acking = Array.from({ length: partitions }, () => [])
  }

  /** Entries held in all. */
  get size(): number {
    return this.#ids.length - this.#head - this.#withdrawn + this.#ackingCount
  }

  get ackingCount(): number {
    return this.#ackingCount
  }

  /** The delivery that the next `push` is. */
  get nextDelivery(): number {
    return this.#base + this.#ids.length
  }

  push(partition: number, id: string): void {
    this.#ids.push(id)
    this.#partitions.push(partition)
  }

  /** The newest delivery was none: its entry is not held here, and no ack is meant for it. One that was acked already stays so. */
  withdraw(): void {
    if (this.#head === this.#ids.length) return
    this.#ids[this.#ids.length - 1] = ''
    this.#withdrawn++
  }

  /** Everything up to and including this delivery is done with. */
  ackUpTo(delivery: number): void {
    const end = Math.min(delivery + 1 - this.#base, this.#ids.length)
    for (; this.#head < end; this.#head++) this.#ack(this.#partitions[this.#head]!, this.#ids[this.#head]!)
    if (this.#head < COMPACT_AT || this.#head * 2 < this.#ids.length) return
    this.#base += this.#head
    this.#ids = this.#ids.slice(this.#head)
    this.#partitions = this.#partitions.slice(this.#head)
    this.#head = 0
  }

  /** The first entries of a partition to tell Redis of: they stay held until `acked`. */
  peekAcking(partition: number, max: number): string[] {
    return this.#acking[partition]!.slice(0, max)
  }

  /** Redis knows of the first `count` entries that `peekAcking` gave. */
  acked(partition: number, count: number): void {
    this.#acking[partition]!.splice(0, count)
    this.#ackingCount -= count
  }

  /** What is held of a partition, delivered before `beforeDelivery`. */
  idsOf(partition: number, beforeDelivery = Infinity): string[] {
    const ids = this.#acking[partition]!.slice()
    const end = Math.min(beforeDelivery - this.#base, this.#ids.length)
    for (let i = this.#head; i < end; i++) {
      if (this.#partitions[i] === partition && this.#ids[i] !== '') ids.push(this.#ids[i]!)
    }
    return ids
  }

  #ack(partition: number, id: string): void {
    if (id === '') {
      this.#withdrawn--
      return
    }
    this.#acking[partition]!.push(id)
    this.#ackingCount++
  }
}
