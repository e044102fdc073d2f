/** So much of its own rate a publisher sends at first, beside what is fresh: thousands that find a server together then send it half as much again. */
const FIRST_PART = 0.5
/** A publisher with less is taken to send so many fresh messages a second: an agent with an interval of a minute has few, and they are soon gone. */
const LEAST_RATE = 1
/** Beyond it, one publisher would send more than a server takes. */
const MOST_PER_SECOND = 20_000
/**
 * The pace grows by these factors a second: until it was interrupted for the first time, and after that. A server hears
 * of what is too much when some MB are unread. With 2 in place of 1.5, twice as much comes until the publishers hear it.
 */
const GROWTH = { untried: 1.5, tried: 1.2 }
/** The most that leaves at once, so that fresh messages find room in flight. */
const MOST_AT_ONCE = 500
/** What was not sent for longer, because answers were missing, is not made up for: all publishers would do so together. */
const MADE_UP_S = 0.25
const NEXT_AT_LEAST_MS = 25

/**
 * How fast held messages leave the outbox: as fast as broker and server take them, which nobody tells a publisher. So
 * the pace begins below the rate of fresh messages, which a server took before, and grows by half each second. An hour of
 * one message a second has left after 20 s. When they are not taken any more, which is how a server over Pub/Sub
 * holds back, half of the pace was right: from there it grows slowly. Ten thousand publishers share a server in this
 * way, and none of them needs to know of the others.
 */
export class ResendPace {
  readonly #random: () => number
  /** Of its own rate. */
  #part = FIRST_PART
  #perSecond = FIRST_PART * LEAST_RATE
  #growth = GROWTH.untried
  #messages = 0
  #hasSent = false
  #atMs: number | undefined

  /** @param random spreads the first messages of many publishers */
  constructor(random: () => number = Math.random) {
    this.#random = random
  }

  /**
   * How many may leave now. To be called again after `nextMs`.
   *
   * @param freshPerSecond the fresh messages of this publisher
   */
  take(nowMs: number, freshPerSecond: number): number {
    const rate = Math.max(LEAST_RATE, freshPerSecond)
    const seconds = this.#atMs === undefined ? 0 : (nowMs - this.#atMs) / 1000
    this.#part = Math.min(MOST_PER_SECOND / rate, this.#part * this.#growth ** Math.min(1, seconds))
    this.#perSecond = this.#part * rate
    const most = Math.min(MOST_AT_ONCE, Math.max(1, this.#perSecond * MADE_UP_S))
    this.#messages =
      this.#atMs === undefined ? this.#random() : Math.min(most, this.#messages + this.#perSecond * seconds)
    this.#atMs = nowMs
    const whole = Math.floor(this.#messages)
    this.#messages -= whole
    if (whole > 0) this.#hasSent = true
    return whole
  }

  /** When one more may leave, ms from the last `take`. */
  get nextMs(): number {
    if (this.#atMs === undefined) return NEXT_AT_LEAST_MS
    return Math.max(NEXT_AT_LEAST_MS, ((1 - this.#messages) / this.#perSecond) * 1000)
  }

  /** Messages are not taken any more. */
  interrupted(): void {
    this.#atMs = undefined
    if (!this.#hasSent) return
    this.#hasSent = false
    this.#part = Math.max(FIRST_PART, this.#part / 2)
    this.#growth = GROWTH.tried
  }

  /** Nothing is held any more: the next time begins anew. */
  emptied(): void {
    this.#part = FIRST_PART
    this.#growth = GROWTH.untried
    this.#hasSent = false
    this.#atMs = undefined
  }
}
