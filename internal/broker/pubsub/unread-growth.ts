/** Says what will be unread soon, if what is unread goes on growing as it does. */
export class UnreadGrowth {
  #bytes = 0
  #atMs = 0
  #perMs = 0
  #lookedAtMs = 0
  #intervalsMs: readonly [number, number] = [0, 0]

  /** So much is unread. */
  seen(bytes: number, nowMs: number): void {
    const passedMs = nowMs - this.#atMs
    if (passedMs > 0) this.#perMs = Math.max(0, (bytes - this.#bytes) / passedMs)
    this.#bytes = bytes
    this.#atMs = nowMs
  }

  /** To be called at each look: what can be done is done at one. */
  looked(nowMs: number): void {
    this.#intervalsMs = [this.#intervalsMs[1], nowMs - this.#lookedAtMs]
    this.#lookedAtMs = nowMs
  }

  /**
   * By the look after next. On a busy machine looks come late, so more grows until then. A single late one, as after a
   * collection, says nothing of the next.
   */
  get soonBytes(): number {
    return this.#bytes + this.#perMs * 2 * Math.min(...this.#intervalsMs)
  }
}
