import type { BrokerStats, Unread } from '../broker.ts'
import { behindText } from './behind-text.ts'
import { HoldBack } from './hold-back.ts'
import { UnreadMeter, type UnreadMeterOptions } from './unread-meter.ts'

export interface ReadingWatchOptions extends UnreadMeterOptions {
  readonly stats: BrokerStats
  /** Is to stop taking messages (true), or to take them again. */
  readonly holdBack: (isHeldBack: boolean) => void
}

/** Between two looks while an answer is missing, or the subscriber is behind. */
const TENSE_MS = 50
/** Between two looks while all is well: at the highest rate, and at most. */
const LEAST_CALM_MS = 200
const MOST_CALM_MS = 1000
/** So much of what Redis lets wait may come between two calm looks. */
const CALM_PART = 0.05

/**
 * Watches a subscriber, and holds it back in good time before Redis cuts it off. Redis' limit of 32 MB is one second of
 * the highest rate, so the watch looks 20 times a second as soon as something waits. At 25,000 messages a second the
 * limit is 19 seconds, and one PING a second will do: 20 of them were 2.8 % of the thread.
 */
export class ReadingWatch {
  readonly #options: ReadingWatchOptions
  readonly #meter: UnreadMeter
  readonly #holdBack = new HoldBack()
  #heldBackAtMs = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: ReadingWatchOptions) {
    this.#options = options
    this.#meter = new UnreadMeter(options, () => this.#decide(performance.now()))
    this.#schedule(TENSE_MS)
  }

  get unread(): Unread {
    return this.#meter.unread(performance.now())
  }

  /** In words; '' while it keeps up. */
  get behind(): string {
    if (!this.#holdBack.isBehind) return ''
    return behindText(this.unread, this.#meter.limit, this.#holdBack.isHoldingBack)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #schedule(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#look(performance.now())
      const isCalm = !this.#meter.isWaiting && !this.#holdBack.isBehind
      this.#schedule(isCalm ? this.#calmMs : TENSE_MS)
    }, ms).unref()
  }

  get #calmMs(): number {
    const { limit, arrivingPerMs } = this.#meter
    return Math.max(LEAST_CALM_MS, Math.min((CALM_PART * limit.hardBytes) / arrivingPerMs, MOST_CALM_MS))
  }

  #look(nowMs: number): void {
    // The look after a PING only sees whether its answer has come.
    this.#meter.probe(nowMs, this.#holdBack.isBehind ? 0 : 2 * TENSE_MS)
    this.#decide(nowMs)
  }

  #decide(nowMs: number): void {
    const { stats, holdBack } = this.#options
    const isCaughtUp = this.#meter.readUpToMs > this.#heldBackAtMs
    const todo = this.#holdBack.look(nowMs, this.#meter.reading(nowMs), this.#meter.limit, isCaughtUp)
    if (todo === undefined) return
    if (todo === 'pause') {
      this.#heldBackAtMs = nowMs
      stats.heldBack++
    } else stats.heldBackMs += nowMs - this.#heldBackAtMs
    this.#meter.heldBack(todo === 'pause', nowMs)
    holdBack(todo === 'pause')
  }
}
