import { checkTransition, type Transitions } from '../../lifecycle/transition.ts'
import type { OutputLimit, Unread } from '../broker.ts'

/** What a subscriber has not read, and what it would be soon. */
export interface Reading extends Unread {
  /** Unread bytes by the look after next, if they go on growing as since the last one. */
  readonly soonBytes: number
  /** What comes, over the last second. */
  readonly bytesPerMs: number
}

type State = 'keepingUp' | 'holdingBack' | 'takingAgain'

const TRANSITIONS: Transitions<State> = {
  keepingUp: ['holdingBack'],
  holdingBack: ['takingAgain'],
  takingAgain: ['holdingBack', 'keepingUp'],
}

/** So much of Redis' hard limit may be unread. What comes while Redis takes in the UNSUBSCRIBE must fit into the rest. */
const URGENT_PART = { keepingUp: 0.5, takingAgain: 0.25 }
/** So much of it may be unread by the look after next, if it goes on growing like this. */
const SOON_PART = 0.75
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
/**
 * While it takes again, agents send what they kept, as fast as it is taken. No more may come than the hard limit holds for
 * so long: then a process that stands still for a second loses nothing.
 */
const STANDSTILL_MS = 1500
/** If as much comes again so soon, it is no resending that could slow down. Then it is taken, for the next minute at least. */
const SOON_AGAIN_MS = 2000
const IN_VAIN_MS = 60_000
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
 * | takingAgain | takes all again, while publishers resend | holdingBack: sooner than above, or more comes than a  |
 * |             |                                          | standstill could bear; keepingUp after 15 s           |
 */
export class HoldBack {
  readonly #random: () => number
  #state: State = 'keepingUp'
  #sinceMs = 0
  /** Since when it has been late, or much, all the time. */
  #longSinceMs: number | undefined
  #pauseMs = 0
  /** It held back the last time because too much came, though all of it was read. */
  #wasTooFast = false
  /** Until then it does not matter how much comes. */
  #anyRateUntilMs = 0

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
  look(nowMs: number, reading: Reading, limit: OutputLimit, isCaughtUp: boolean): 'pause' | 'resume' | undefined {
    if (this.#state === 'holdingBack') {
      if (!isCaughtUp || nowMs - this.#sinceMs < this.#pauseMs) return undefined
      this.#become('takingAgain', nowMs)
      return 'resume'
    }
    const isTooMuch = this.#isTooMuch(nowMs, reading, limit)
    if (isTooMuch || this.#comesTooFast(nowMs, reading, limit)) {
      this.#wasTooFast = !isTooMuch
      this.#pauseMs = LEAST_PAUSE_MS * (1 + this.#random())
      this.#become('holdingBack', nowMs)
      return 'pause'
    }
    if (this.#state === 'takingAgain' && nowMs - this.#sinceMs >= RECOVERED_MS) this.#become('keepingUp', nowMs)
    return undefined
  }

  #isTooMuch(nowMs: number, { ageMs, bytes, soonBytes }: Reading, limit: OutputLimit): boolean {
    const { hardBytes, softBytes, softMs } = limit
    if (ageMs < LATE_MS && bytes < softBytes * LONG_PART) this.#longSinceMs = undefined
    else this.#longSinceMs ??= nowMs
    const urgentPart = this.#state === 'takingAgain' ? URGENT_PART.takingAgain : URGENT_PART.keepingUp
    if (bytes >= hardBytes * urgentPart || soonBytes >= hardBytes * SOON_PART) return true
    return this.#longSinceMs !== undefined && nowMs - this.#longSinceMs >= Math.min(LONG_MS, softMs / 4)
  }

  #comesTooFast(nowMs: number, { bytesPerMs }: Reading, { hardBytes }: OutputLimit): boolean {
    if (this.#state !== 'takingAgain' || nowMs < this.#anyRateUntilMs) return false
    if (bytesPerMs * STANDSTILL_MS < hardBytes) return false
    if (!this.#wasTooFast || nowMs - this.#sinceMs >= SOON_AGAIN_MS) return true
    this.#anyRateUntilMs = nowMs + IN_VAIN_MS
    return false
  }

  #become(next: State, nowMs: number): void {
    if (!checkTransition('what holds back', TRANSITIONS, this.#state, next)) return
    this.#state = next
    this.#sinceMs = nowMs
    this.#longSinceMs = undefined
  }
}
