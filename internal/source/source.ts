import type { SampleSink } from '../sample/sample.ts'

/**
 * Something that is measured again and again: a host, a switch fabric, a file of GPU readings.
 *
 * What the caller promises: `collect` is never called while an earlier call is still going, `close` is called once,
 * after the last `collect` has settled, and nothing is called after it. An implementation needs no lock.
 *
 * What an implementation promises: one measurement that fails never hides the others. Whatever could be read is
 * emitted, what could not goes to the problem callback that the source was made with, and `collect` still resolves. It
 * rejects only where nothing at all could be read.
 */
export interface Source {
  readonly name: string
  /**
   * Reads everything once and hands each sample to `emit`, from inside this call: after it has settled, none comes any
   * more.
   *
   * @param atUs the time that the samples carry, µs since the Unix epoch
   */
  collect(atUs: number, emit: SampleSink): Promise<void>
  /** Ends what the source holds open. Never rejects. */
  close(): Promise<void>
}

/** Something that a source could not read, in words for a log line. */
export interface Problem {
  readonly source: string
  /** What it concerns: a measurement (`diskio`), or one thing of it (`disk /mnt/backup`). */
  readonly part: string
  /** Reads on from the part: `<part>: <message>`. */
  readonly message: string
  readonly cause?: unknown
  /** How often the same part has had a problem since it was last said. */
  readonly unsaid: number
}

export type ProblemSink = (problem: Problem) => void

/** A file that is missing fails at every tick; once in ten minutes is enough to be seen in a log that rotates. */
const REPEAT_MS = 600_000
/**
 * Parts are named by mounts and devices, so there may be any number: beyond this the one longest known is forgotten.
 */
const MAX_PARTS = 256

/**
 * Lets the first problem of each part through at once, and then one in ten minutes with the number of those left out.
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
