/** So much may leave at once. */
const BURST_BYTES = 4 * 2 ** 20
/**
 * Redis cuts off a subscriber for which 32 MiB wait (`client-output-buffer-limit pubsub`), and a server needs a second or
 * two to see that it is behind and to stop listening. So what comes meanwhile must fit.
 */
const BYTES_PER_MS = (8 * 2 ** 20) / 1000

/** Spreads what a maker of many messages sends: 100,000 ports are 35 MB, which a server has to read as fast as they come. */
export class BurstPace {
  #bytes = 0
  #atMs = 0

  /** So much was sent. @param nowMs monotonic */
  count(bytes: number, nowMs: number): void {
    this.#bytes = this.#aheadAt(nowMs) + bytes
    this.#atMs = nowMs
  }

  /** How long to wait before more is sent. */
  waitMs(nowMs: number): number {
    return Math.max(0, (this.#aheadAt(nowMs) - BURST_BYTES) / BYTES_PER_MS)
  }

  /** Bytes that were sent sooner than the pace allows. */
  #aheadAt(nowMs: number): number {
    return Math.max(0, this.#bytes - (nowMs - this.#atMs) * BYTES_PER_MS)
  }
}
