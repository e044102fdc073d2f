/** The list is compacted when at least this many slots at its front are acked, and they are half of it. */
const COMPACT_AT = 4096

/**
 * The entries that a consumer has delivered and that Redis does not know to be acked, in the order of delivery. A
 * cumulative ack moves entries to `acking`; Redis' answer removes them from there.
 */
export class Unacked {
  /** In the order of delivery; entries before `#head` are acked. The entry of delivery d stands at `d − #base`. */
  #ids: string[] = []
  #partitions: number[] = []
  #head = 0
  #base = 1
  /** By partition: acked entries whose XACK must be sent, or is on its way. */
  readonly #acking: string[][]
  #ackingCount = 0
  /** Deliveries from `#head` on that `cancelLast` took back: their id is ''. */
  #cancelled = 0

  constructor(partitions: number) {
    this.#acking = Array.from({ length: partitions }, () => [])
  }

  get size(): number {
    return this.#ids.length - this.#head - this.#cancelled + this.#ackingCount
  }

  get ackingCount(): number {
    return this.#ackingCount
  }

  /** The number of the delivery that the next `push` stands for. */
  get nextDelivery(): number {
    return this.#base + this.#ids.length
  }

  push(partition: number, id: string): void {
    this.#ids.push(id)
    this.#partitions.push(partition)
  }

  /**
   * The newest delivery failed: its entry is removed, and no ack counts for it. An entry that was acked already stays
   * acked.
   */
  cancelLast(): void {
    if (this.#head === this.#ids.length) return
    this.#ids[this.#ids.length - 1] = ''
    this.#cancelled++
  }

  /** Every entry up to and including this delivery is acked. */
  ackUpTo(delivery: number): void {
    const end = Math.min(delivery + 1 - this.#base, this.#ids.length)
    for (; this.#head < end; this.#head++) this.#ack(this.#partitions[this.#head]!, this.#ids[this.#head]!)
    if (this.#head < COMPACT_AT || this.#head * 2 < this.#ids.length) return
    this.#base += this.#head
    this.#ids = this.#ids.slice(this.#head)
    this.#partitions = this.#partitions.slice(this.#head)
    this.#head = 0
  }

  /** The first entries of a partition whose XACK must be sent. They stay here until `acked`. */
  peekAcking(partition: number, max: number): string[] {
    return this.#acking[partition]!.slice(0, max)
  }

  /** Redis has acked the first `count` entries that `peekAcking` returned. */
  acked(partition: number, count: number): void {
    this.#acking[partition]!.splice(0, count)
    this.#ackingCount -= count
  }

  /** The entries of a partition that were delivered before `beforeDelivery`. */
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
      this.#cancelled--
      return
    }
    this.#acking[partition]!.push(id)
    this.#ackingCount++
  }
}
