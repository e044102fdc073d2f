import { IdLog } from './id-log.ts'

/** Deliveries for which there is room at first; it doubles when they need more. */
const FIRST_DELIVERIES = 4096
/** An id as a bulk string has at most 48 bytes. */
const BYTES_BITS = 6
const BYTES_MASK = (1 << BYTES_BITS) - 1

/**
 * The entries that a consumer has delivered and that Redis does not know to be acked, in the order of delivery. A
 * cumulative ack moves entries to `acking`; Redis' answer removes them from there.
 *
 * An entry takes some 25 bytes, and no object: at 250,000 entries a second, strings of their ids would be the most of
 * the garbage.
 */
export class Unacked {
  /** By partition: the ids of its entries, first those that are acking. */
  readonly #ids: IdLog[]
  /** By partition: acked entries whose XACK must be sent, or is on its way. */
  readonly #acking: number[]
  #ackingCount = 0
  /**
   * The deliveries from `#head` to `#end` are not acked: partition and bytes of the id in one number; 0 bytes where
   * `cancelLast` took it back. Delivery d stands at `d − #base`.
   */
  #deliveries = new Uint16Array(FIRST_DELIVERIES)
  #head = 0
  #end = 0
  #base = 1
  /** Deliveries from `#head` on that were taken back. */
  #cancelled = 0

  constructor(partitions: number) {
    this.#ids = Array.from({ length: partitions }, () => new IdLog())
    this.#acking = Array.from({ length: partitions }, () => 0)
  }

  /** Makes room for another partition. */
  addPartition(): void {
    this.#ids.push(new IdLog())
    this.#acking.push(0)
  }

  get size(): number {
    return this.#end - this.#head - this.#cancelled + this.#ackingCount
  }

  get ackingCount(): number {
    return this.#ackingCount
  }

  /** The number of the delivery that the next `push` stands for. */
  get nextDelivery(): number {
    return this.#base + this.#end
  }

  /** @param bytes where the id is, as a bulk string of RESP: from `at` to `end` */
  push(partition: number, bytes: Buffer, at: number, end: number): void {
    if (this.#end === this.#deliveries.length) this.#makeRoom()
    this.#ids[partition]!.push(bytes, at, end)
    this.#deliveries[this.#end++] = (partition << BYTES_BITS) | (end - at)
  }

  /**
   * The newest delivery failed: its entry is removed, and no ack counts for it. An entry that was acked already stays
   * acked.
   */
  cancelLast(): void {
    if (this.#head === this.#end) return
    const last = this.#deliveries[this.#end - 1]!
    this.#ids[last >> BYTES_BITS]!.pop(last & BYTES_MASK)
    this.#deliveries[this.#end - 1] = 0
    this.#cancelled++
  }

  /** Every entry up to and including this delivery is acked. */
  ackUpTo(delivery: number): void {
    const end = Math.min(delivery + 1 - this.#base, this.#end)
    for (; this.#head < end; this.#head++) {
      const acked = this.#deliveries[this.#head]!
      if (acked === 0) this.#cancelled--
      else {
        this.#acking[acked >> BYTES_BITS]!++
        this.#ackingCount++
      }
    }
  }

  /** How many entries of a partition wait for an XACK or its answer. */
  ackingOf(partition: number): number {
    return this.#acking[partition]!
  }

  /** The ids of the first `count` of them, as bulk strings, valid until the next call. They stay here until `acked`. */
  peekAcking(partition: number, count: number): Buffer {
    return this.#ids[partition]!.first(count)
  }

  /** Redis has acked the first `count` entries of a partition. */
  acked(partition: number, count: number): void {
    const ids = this.#ids[partition]!
    ids.shift(ids.first(count).length)
    this.#acking[partition]! -= count
    this.#ackingCount -= count
  }

  /** The entries of a partition that were delivered before `beforeDelivery`. */
  idsOf(partition: number, beforeDelivery = Infinity): string[] {
    let count = this.#acking[partition]!
    const end = Math.min(beforeDelivery - this.#base, this.#end)
    for (let i = this.#head; i < end; i++) {
      const delivery = this.#deliveries[i]!
      if (delivery !== 0 && delivery >> BYTES_BITS === partition) count++
    }
    return this.#ids[partition]!.texts(count)
  }

  /** At the front where that is at least half, otherwise in a larger array. */
  #makeRoom(): void {
    const before = this.#deliveries
    const used = this.#end - this.#head
    if (used * 2 > before.length) this.#deliveries = new Uint16Array(before.length * 2)
    this.#deliveries.set(before.subarray(this.#head, this.#end))
    this.#base += this.#head
    this.#head = 0
    this.#end = used
  }
}
