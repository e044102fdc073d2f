const SECOND_MS = 1000

/** How many fresh messages a publisher makes a second: of the last whole span of at least a second, or more if there were more since. */
export class FreshRate {
  #perSecond = 0
  #messages = 0
  #sinceMs: number | undefined

  /** A message is made. */
  count(nowMs: number): void {
    this.#sinceMs ??= nowMs
    const spanMs = nowMs - this.#sinceMs
    if (spanMs >= SECOND_MS) {
      this.#perSecond = (this.#messages / spanMs) * SECOND_MS
      this.#messages = 0
      this.#sinceMs = nowMs
    }
    this.#messages++
  }

  get perSecond(): number {
    return Math.max(this.#perSecond, this.#messages)
  }
}
