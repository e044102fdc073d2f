export interface FailuresOptions {
  /** By the monotonic timer. */
  readonly nowMs?: () => number
}

/** What is done with one more failure. */
export interface Consequence {
  /** How long its answer waits. */
  readonly delayMs: number
  /** Whether too many answers wait already: it is told to come later, at once. */
  readonly isRefused: boolean
}

/** So many are answered at once: a page that was left open asks some times before its reader logs in. */
const FREE = 10
const FIRST_DELAY_MS = 50
const LONGEST_DELAY_MS = 2_000
/** Answers of one address that wait: each keeps a connection. */
const MOST_WAITING = 8
/** After so long without a failure an address begins anew. */
const FORGOTTEN_AFTER_MS = 60_000
/** Of so many addresses failures are counted; of one more the one is forgotten that has been quiet longest. */
const MOST_ADDRESSES = 10_000

interface Record {
  failures: number
  waiting: number
  lastAtMs: number
}

/**
 * Counts the failures of each address, and makes further ones wait: twice as long each time. Keys that are good never
 * wait, so that nobody is kept out by others behind the same address.
 */
export class Failures {
  readonly #byAddress = new Map<string, Record>()
  readonly #nowMs: () => number

  constructor({ nowMs = () => performance.now() }: FailuresOptions = {}) {
    this.#nowMs = nowMs
  }

  /** Counts a failure. Where it waits, `answered` has to be called when it is answered. */
  count(address: string): Consequence {
    const nowMs = this.#nowMs()
    const record = this.#recordOf(address, nowMs)
    record.failures++
    record.lastAtMs = nowMs
    const beyond = record.failures - FREE
    if (beyond <= 0) return { delayMs: 0, isRefused: false }
    if (record.waiting >= MOST_WAITING) return { delayMs: 0, isRefused: true }
    record.waiting++
    return { delayMs: Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (beyond - 1)), isRefused: false }
  }

  /** Of a failure that waited. */
  answered(address: string): void {
    const record = this.#byAddress.get(address)
    if (record !== undefined && record.waiting > 0) record.waiting--
  }

  #recordOf(address: string, nowMs: number): Record {
    const known = this.#byAddress.get(address)
    // The newest stand last, so that the first is the one that has been quiet longest.
    this.#byAddress.delete(address)
    const isOld = known !== undefined && nowMs - known.lastAtMs > FORGOTTEN_AFTER_MS
    const record = known === undefined || isOld ? { failures: 0, waiting: known?.waiting ?? 0, lastAtMs: nowMs } : known
    this.#byAddress.set(address, record)
    if (this.#byAddress.size > MOST_ADDRESSES) {
      const [oldest] = this.#byAddress.keys()
      this.#byAddress.delete(oldest!)
    }
    return record
  }
}
