import type { SampleSink } from '../sample/sample.ts'

/**
 * Something that is measured again and again: a host, a switch fabric, a file of GPU readings.
 *
 * The caller promises: it never calls `collect` while an earlier call runs, it calls `close` once, after the last
 * `collect` has settled, and it calls nothing after that. So an implementation needs no lock.
 *
 * An implementation promises: a measurement that fails never hides the others. `collect` emits all that it could read,
 * tells the problem callback what it could not read, and resolves. It rejects only when it could read nothing at all.
 */
export interface Source {
  readonly name: string
  /**
   * Reads everything once and hands each sample to `emit`, always before it settles.
   *
   * @param atUs the time that the samples carry, µs since the Unix epoch
   */
  collect(atUs: number, emit: SampleSink): Promise<void>
  /** Closes what the source has open. Never rejects. */
  close(): Promise<void>
}

/** Something that a source could not read, worded for a log line. */
export interface Problem {
  readonly source: string
  /** A measurement (`diskio`), or one thing of it (`disk /mnt/backup`). */
  readonly part: string
  /** Follows the part in a sentence: `<part>: <message>`. */
  readonly message: string
  readonly cause?: unknown
  /** How many problems of the same part were left out since the last one that was told. */
  readonly unsaid: number
}

export type ProblemSink = (problem: Problem) => void

/** A missing file fails at every tick. Once in ten minutes is enough to see it in a log that rotates. */
const REPEAT_MS = 600_000
/**
 * Mounts and devices name parts, so there may be any number. Beyond this many the one known longest is forgotten.
 */
const MAX_PARTS = 256

/**
 * Tells the first problem of each part at once, and then one in ten minutes with the number of those left out.
 */
export class ProblemThrottle {
  readonly #source: string
  readonly #sink: ProblemSink
  readonly #nowMs: () => number
  readonly #parts = new Map<string, { saidAtMs: number; unsaid: number }>()

  /** @param nowMs a monotonic timer, ms */
  constructor(source: string, sink: ProblemSink, nowMs: () => number = () => performance.now()) {
    this.#source = source
    this.#sink = sink
    this.#nowMs = nowMs
  }

  report(part: string, message: string, cause?: unknown): void {
    const nowMs = this.#nowMs()
    const known = this.#parts.get(part)
    if (known !== undefined && nowMs - known.saidAtMs < REPEAT_MS) {
      known.unsaid++
      return
    }
    if (known === undefined && this.#parts.size >= MAX_PARTS) this.#parts.delete(this.#parts.keys().next().value!)
    this.#parts.set(part, { saidAtMs: nowMs, unsaid: 0 })
    this.#sink({ source: this.#source, part, message, cause, unsaid: known?.unsaid ?? 0 })
  }
}
