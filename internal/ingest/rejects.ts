import type { DeadLetter, DeadLetters } from '../dead-letters/dead-letters.ts'
import { encodeLineText } from '../format/line/encode.ts'
import type { LogThrottle } from '../observe/log-throttle.ts'
import type { Refusal } from '../sample/border.ts'
import type { ServerLedger } from '../sample/ledger.ts'
import type { Sample } from '../sample/sample.ts'
import type { Rejected } from '../store/store.ts'
import type { Clock } from '../time/clock.ts'

export interface RejectsOptions {
  readonly ledger: ServerLedger
  readonly clock: Clock
  readonly throttle: LogThrottle
  readonly deadLetters: Pick<DeadLetters, 'add' | 'written'>
}

/** How much of a rejected line the log shows. */
const SHOWN_CHARACTERS = 200

/** Rejects what can never be stored: counts it, logs it, and keeps it as a dead letter. */
export class Rejects {
  readonly #options: RejectsOptions
  /** Letters were added since the file system was last asked for. */
  #isDirty = false
  /** Over once every call of `whenKept` is answered. */
  #waiting: Promise<void> | undefined

  constructor(options: RejectsOptions) {
    this.#options = options
  }

  /** Rejects a whole message; the letter keeps its bytes. */
  message(refusal: Refusal, samples: number, run: string, payload: Buffer): void {
    this.#count(refusal, samples, run)
    this.#keep({ kind: 'message', ...refusal, source: run, payload })
  }

  /** Rejects a sample that no store would take. */
  sample(refusal: Refusal, sample: Sample, run: string): void {
    this.#count(refusal, 1, run)
    this.#keep({ kind: 'line', ...refusal, source: run, payload: encodeLineText(sample) || withoutFields(sample) })
  }

  /** Rejects a sample that the store has refused. */
  line({ refusal, index, line }: Rejected, run: string): void {
    this.#count(refusal, 1, run, line.slice(0, SHOWN_CHARACTERS))
    if (line === '') return
    const detail = index < 0 ? `some of these lines, the store does not say which: ${refusal.detail}` : refusal.detail
    this.#keep({ kind: 'line', reason: refusal.reason, detail, source: run, payload: line })
  }

  /**
   * Calls `done` once all letters so far have reached the file system, or could not be written; at once where none
   * waits. Calls are answered in their order, because an ack that overtakes an earlier one says too much.
   */
  whenKept(done: () => void): void {
    if (this.#isDirty) {
      this.#isDirty = false
      const written = this.#options.deadLetters.written()
      this.#waiting = this.#waiting?.then(() => written) ?? written
    }
    if (this.#waiting === undefined) {
      done()
      return
    }
    const waiting = this.#waiting.then(done).then(() => {
      if (this.#waiting === waiting) this.#waiting = undefined
    })
    this.#waiting = waiting
  }

  #count({ reason, detail }: Refusal, samples: number, run: string, line?: string): void {
    this.#options.ledger.reject(reason, samples)
    this.#options.throttle.warn(`rejected ${reason}`, { reason, detail, run, line }, 'sample rejected')
  }

  #keep(letter: Omit<DeadLetter, 'at'>): void {
    this.#isDirty = true
    const { clock, deadLetters } = this.#options
    deadLetters.add({ at: Math.floor(clock.now() / 1000), ...letter })
  }
}

/** A sample without a value has no line: its series, to be looked at. */
function withoutFields({ series }: Sample): string {
  return [series.measurement, ...series.tags.map(([key, value]) => `${key}=${value}`)].join(',')
}
