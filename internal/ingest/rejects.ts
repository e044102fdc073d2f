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

/** A log line shows as much of what was rejected. */
const SHOWN_CHARACTERS = 200

/** What can never be stored: counts it, says so in the log, and keeps it as a dead letter. */
export class Rejects {
  readonly #options: RejectsOptions
  /** Letters were added since `#written` was asked for. */
  #isDirty = false
  #written: Promise<void> | undefined

  constructor(options: RejectsOptions) {
    this.#options = options
  }

  /** A message of which nothing can be used, as it came. */
  message(refusal: Refusal, samples: number, source: string, payload: Buffer): void {
    this.#count(refusal, samples, { source })
    this.#keep({ kind: 'message', ...refusal, source, payload })
  }

  /** A sample that no store would take. */
  sample(refusal: Refusal, sample: Sample, source: string): void {
    this.#count(refusal, 1, { source })
    this.#keep({ kind: 'line', ...refusal, source, payload: encodeLineText(sample) || withoutFields(sample) })
  }

  /** A sample that the store has refused. */
  line({ refusal, index, line }: Rejected, source: string): void {
    this.#count(refusal, 1, { source, line: line.slice(0, SHOWN_CHARACTERS) })
    if (line === '') return
    const detail = index < 0 ? `some of these lines, the store does not say which: ${refusal.detail}` : refusal.detail
    this.#keep({ kind: 'line', reason: refusal.reason, detail, source, payload: line })
  }

  /** Calls back when all that was rejected so far has reached the file system: at once, where that is so already. */
  whenKept(done: () => void): void {
    if (this.#isDirty) {
      this.#isDirty = false
      const written = this.#options.deadLetters.written().then(() => {
        if (this.#written === written) this.#written = undefined
      })
      this.#written = written
    }
    if (this.#written === undefined) done()
    else void this.#written.then(done)
  }

  #count({ reason, detail }: Refusal, samples: number, where: object): void {
    this.#options.ledger.reject(reason, samples)
    this.#options.throttle.warn(`rejected ${reason}`, { reason, detail, ...where }, 'sample rejected')
  }

  #keep(letter: Omit<DeadLetter, 'at'>): void {
    this.#isDirty = true
    const { clock, deadLetters } = this.#options
    deadLetters.add({ at: Math.floor(clock.now() / 1000), ...letter })
  }
}

/** What can be shown of a sample without a value. */
function withoutFields({ series }: Sample): string {
  return [series.measurement, ...series.tags.map(([key, value]) => `${key}=${value}`)].join(',')
}
