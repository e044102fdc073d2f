import { checkTransition, type Transitions } from '../../lifecycle/transition.ts'
import type { OutputLimit, Unread } from '../broker.ts'

type State = 'keepingUp' | 'holdingBack' | 'takingAgain'

const TRANSITIONS: Transitions<State> = {
  keepingUp: ['holdingBack'],
  holdingBack: ['takingAgain'],
  takingAgain: ['holdingBack', 'keepingUp'],
}

/** So much of Redis' hard limit may be unread. What comes while Redis takes in the UNSUBSCRIBE must fit into the rest. */
const URGENT_PART = 0.5
/** So much of the soft limit may be unread for long. */
const LONG_PART = 0.5
/** What is read later than this is late. */
const LATE_MS = 2000
/**
 * How long it must have been late, or much, all the time. A pause of the process of a second, or the burst of 10,000
 * agents that all measure on the second, is read again before that.
 */
const LONG_MS = 2000
/**
 * The least time without messages, and as much again at random: agents publish once a second, and no agent may find
 * the server away every time because both keep step.
 */
const LEAST_PAUSE_MS = 500
/** A server is behind until it has taken all for so long. In an overload it holds back every few seconds. */
const RECOVERED_MS = 15_000

/**
 * Decides when a subscriber stops taking, because it reads less than comes, and Redis would cut it off and forget what
 * it has not read. While it does not listen, publishers keep their messages; what Redis had for it before still comes.
 *
 * | state       | means                                    | next                                                  |
 * |-------------|------------------------------------------|-------------------------------------------------------|
 * | keepingUp   | takes all, soon                          | holdingBack: too much is unread, or late for long     |
 * | holdingBack | takes nothing new, reads what was unread | takingAgain: that is read, and the least time is over |
 * | takingAgain | takes all again                          | holdingBack as above; keepingUp after 15 s            |
 */
export class HoldBack {
  readonly #random: () => number
  #state: State = 'keepingUp'
  #sinceMs = 0
  /** Since when it has been late, or much, all the time. */
  #longSinceMs: number | undefined
  #pauseMs = 0

  constructor(random: () => number = Math.random) {
    this.#random = random
  }

  get isHoldingBack(): boolean {
    return this.#state === 'holdingBack'
  }

  /** Whether it is behind: it holds back, or did so until lately. */
  get isBehind(): boolean {
    return this.#state !== 'keepingUp'
  }

  /**
   * To be told often what is unread.
   *
   * @param isCaughtUp whether all is read that Redis had before the subscriber stopped to listen
   * @returns what is to be done now
   */
  look(nowMs: number, unread: Unread, limit: OutputLimit, isCaughtUp: boolean): 'pause' | 'resume' | undefined {
    if (this.#state === 'holdingBack') {
      if (!isCaughtUp || nowMs - this.#sinceMs < this.#pauseMs) return undefined
      this.#become('takingAgain', nowMs)
      return 'resume'
    }
    if (!this.#isTooMuch(nowMs, unread, limit)) {
      if (this.#state === 'takingAgain' && nowMs - this.#sinceMs >= RECOVERED_MS) this.#become('keepingUp', nowMs)
      return undefined
    }
    this.#pauseMs = LEAST_PAUSE_MS * (1 + this.#random())
    this.#become('holdingBack', nowMs)
    return 'pause'
  }

  #isTooMuch(nowMs: number, { ageMs, bytes }: Unread, { hardBytes, softBytes, softMs }: OutputLimit): boolean {
    if (ageMs < LATE_MS && bytes < softBytes * LONG_PART) this.#longSinceMs = undefined
    else this.#longSinceMs ??= nowMs
    if (bytes >= hardBytes * URGENT_PART) return true
    return this.#longSinceMs !== undefined && nowMs - this.#longSinceMs >= Math.min(LONG_MS, softMs / 4)
  }

  #become(next: State, nowMs: number): void {
    if (!checkTransition('what holds back', TRANSITIONS, this.#state, next)) return
    this.#state = next
    this.#sinceMs = nowMs
    this.#longSinceMs = undefined
  }
}
