import type { ReadTime } from '../../gpu/times.ts'
import type { Clock } from '../../time/clock.ts'

export interface PaceOptions {
  /** Whether rows follow each other as they were recorded. */
  readonly isRecorded: boolean
  /** Whether rows get the time of now in place of their own. */
  readonly isNow: boolean
  /** The most rows a second; 0: as many as are taken. */
  readonly rowsPerSecond: number
  readonly clock: Clock
}

/** A shorter wait is made up for by the next one. */
const LEAST_WAIT_MS = 5

/** When the rows of a source leave, and which time they get. */
export class Pace {
  readonly #options: PaceOptions
  #firstRecordedUs: number | undefined
  #beganUs = 0
  #rows = 0
  #rowsSinceMs = performance.now()
  #stampedUs = 0

  constructor(options: PaceOptions) {
    this.#options = options
  }

  /** Begins anew: another pass over the same files, or rows that go on after a pause. */
  restart(): void {
    this.#firstRecordedUs = undefined
    this.#rows = 0
    this.#rowsSinceMs = performance.now()
  }

  /** The time that rows of a recorded time get, asked once for all that follow each other with the same. */
  readonly stamp = (time: ReadTime): ReadTime => {
    const { isNow, isRecorded, clock } = this.#options
    if (isRecorded && this.#firstRecordedUs === undefined) {
      this.#firstRecordedUs = time.atUs
      this.#beganUs = clock.now()
    }
    if (!isNow) return time
    if (isRecorded) return { atUs: this.#dueUs(time.atUs), tie: 0 }
    this.#stampedUs = Math.max(this.#stampedUs + 1, clock.now())
    return { atUs: this.#stampedUs, tie: 0 }
  }

  /** How long rows of a recorded time have to wait, ms; 0: they may leave. */
  waitMs(recordedUs: number): number {
    if (!this.#options.isRecorded || this.#firstRecordedUs === undefined) return 0
    return positive((this.#dueUs(recordedUs) - this.#options.clock.now()) / 1000)
  }

  /** Counts a row that leaves. @returns how long the next one has to wait for the rate, ms */
  countRow(): number {
    const { rowsPerSecond } = this.#options
    if (rowsPerSecond === 0) return 0
    this.#rows++
    return positive((this.#rows * 1000) / rowsPerSecond - (performance.now() - this.#rowsSinceMs))
  }

  #dueUs(recordedUs: number): number {
    return this.#beganUs + recordedUs - this.#firstRecordedUs!
  }
}

function positive(ms: number): number {
  return ms < LEAST_WAIT_MS ? 0 : ms
}
