/** So many messages a second at first: ten thousand agents that find a server together then send it 40,000. */
const FIRST_PER_SECOND = 4
/** Beyond it, one publisher would send more than a server takes. */
const MOST_PER_SECOND = 20_000
/** The pace grows by these factors a second: until it was interrupted for the first time, and after that. */
const GROWTH = { untried: 2, tried: 1.5 }
/** The most that leaves at once, so that fresh messages find room in flight. */
const MOST_AT_ONCE = 500
const NEXT_AT_LEAST_MS = 25

/**
 * How fast held messages leave the outbox: as fast as broker and server take them, which nobody tells a publisher. So
 * the pace doubles each second. An hour of one message a second has left after nine seconds. When they are not taken any
 * more, which is how a server over Pub/Sub holds back, half of the pace was right: from there it grows slowly. Ten
 * thousand publishers share a server in this way, and none of them needs to know of the others.
 */
export class ResendPace {
  readonly #random: () => number
  #perSecond = FIRST_PER_SECOND
  #growth = GROWTH.untried
  #messages = 0
  #hasSent = false
  #atMs: number | undefined

  /** @param random spreads the first messages of many publishers */
  constructor(random: () => number = Math.random) {
    this.#random = random
  }

  /** How many may leave now. To be called again after `nextMs`. */
  take(nowMs: number): number {
    if (this.#atMs === undefined) this.#messages = this.#random()
    else {
      const seconds = (nowMs - this.#atMs) / 1000
      this.#perSecond = Math.min(MOST_PER_SECOND, this.#perSecond * this.#growth ** Math.min(1, seconds))
      this.#messages = Math.min(MOST_AT_ONCE, this.#messages + this.#perSecond * seconds)
    }
    this.#atMs = nowMs
    const whole = Math.floor(this.#messages)
    this.#messages -= whole
    if (whole > 0) this.#hasSent = true
    return whole
  }

  /** When one more may leave, ms from the last `take`. */
  get nextMs(): number {
    return Math.max(NEXT_AT_LEAST_MS, ((1 - this.#messages) / this.#perSecond) * 1000)
  }

  /** Messages are not taken any more. */
  interrupted(): void {
    this.#atMs = undefined
    if (!this.#hasSent) return
    this.#hasSent = false
    this.#perSecond = Math.max(FIRST_PER_SECOND, this.#perSecond / 2)
    this.#growth = GROWTH.tried
  }

  /** Nothing is held any more: the next time begins anew. */
  emptied(): void {
    this.#perSecond = FIRST_PER_SECOND
    this.#growth = GROWTH.untried
    this.#hasSent = false
    this.#atMs = undefined
  }
}
