import type { Logger } from 'pino'
import type { FrameRowEncoder } from '../../codec/frame-rows.ts'
import type { GpuReadings } from '../../gpu/readings.ts'
import { errorText } from '../../text/error-text.ts'
import type { Clock } from '../../time/clock.ts'
import { ProblemThrottle } from '../source.ts'
import type { Target } from '../target.ts'
import { TARGET_PROBLEMS, TargetError, type TargetProblem } from '../target-error.ts'
import type { TargetTags } from './destination.ts'
import { PortTables } from './port-tables.ts'
import type { ShownPorts } from './shown-ports.ts'
import { type BadLine, type Reading, TextReader } from './text-reader.ts'

export interface ScrapeSourceOptions {
  readonly target: Target
  readonly tags: TargetTags
  readonly maxSeries: number
  readonly clock: Clock
  readonly logger: Logger
  readonly onBad?: (line: BadLine) => void
  /** Takes the readings of GPUs. */
  readonly gpus: GpuReadings
  /** Sends what the readings of GPUs of one answer have come to. */
  readonly sendGpus: (gpus: GpuReadings) => void
  /** Shows the ports of each answer; undefined where nobody can. */
  readonly ports?: ShownPorts | undefined
  readonly encoder: FrameRowEncoder
  /** Sends what the encoder has gathered, and waits until there is room for more, or for the signal. */
  readonly send: (encoder: FrameRowEncoder, signal: AbortSignal) => Promise<void>
}

/** A table of ports may have so many cells for each series that the target may have: most of its cells have a value. */
const CELLS_PER_SERIES = 8

/**
 * Asks one target for its metrics, again and again. Each answer is a new reading, also where it is the same as before. Of
 * an answer that cannot be taken as a whole nothing is sent; of one that is taken, bad lines are left out and counted.
 */
export class ScrapeSource {
  readonly reader: TextReader
  /** Times that it had nothing to say. */
  nothingNew = 0
  /** Since the start, by answers that were taken. */
  lines = 0
  /** Lines that gave a value. */
  rows = 0
  bad = 0
  readonly failures = new Map<TargetProblem, number>(TARGET_PROBLEMS.map((problem) => [problem, 0]))
  readonly #options: ScrapeSourceOptions
  readonly #stop = new AbortController()
  readonly #hurry = new AbortController()
  readonly #problems: ProblemThrottle
  readonly #tables: PortTables | undefined
  #saidProblem: TargetProblem | undefined

  constructor(options: ScrapeSourceOptions) {
    this.#options = options
    const { tags, maxSeries, gpus, ports, encoder, send, logger, onBad } = options
    this.#tables = ports && new PortTables(CELLS_PER_SERIES * maxSeries)
    this.#problems = new ProblemThrottle('scrape', ({ part, message, unsaid }) => {
      logger.warn({ target: part, ...(unsaid > 0 ? { unsaid } : {}) }, message)
    })
    this.reader = new TextReader({
      ...{ tags, maxSeries, gpus, encoder, onBad, ports: this.#tables },
      send: () => send(encoder, this.#hurry.signal),
      pause: () => new Promise((resolve) => setImmediate(resolve)),
    })
  }

  get target(): Target {
    return this.#options.target
  }

  /** Asks it once, unless it rests after a failure, and resolves when all that it said has been sent. */
  async scrape(): Promise<void> {
    const { target, clock, gpus, sendGpus } = this.#options
    if (!target.isDue) return
    // As Prometheus does: what a target says of now, it says of the moment at which it was asked.
    const atUs = clock.now()
    const startMs = performance.now()
    try {
      const body = await target.ask(this.#stop.signal)
      const fetchMs = performance.now() - startMs
      if (body === undefined) {
        this.nothingNew++
        await this.#stay(fetchMs)
      } else {
        const reading = await this.reader.read(body, atUs)
        target.taken()
        this.#take(reading)
        await this.#show(reading, atUs, fetchMs, performance.now() - startMs - fetchMs)
      }
    } catch (error) {
      if (this.#stop.signal.aborted) return
      const failure =
        error instanceof TargetError ? error : new TargetError('unreachable', errorText(error), { cause: error })
      if (target.error !== failure) target.failed(failure)
      this.failures.set(failure.problem, this.failures.get(failure.problem)! + 1)
      await this.#stay(performance.now() - startMs, failure.message)
    } finally {
      sendGpus(gpus)
    }
    this.#sayState()
  }

  /** Asks nothing more. An answer that is being sent goes on until the signal. */
  stop(signal: AbortSignal): void {
    this.#stop.abort(new Error('the source is stopped'))
    const hurry = (): void => this.#hurry.abort()
    if (signal.aborted) hurry()
    else signal.addEventListener('abort', hurry, { once: true })
    this.target.close()
  }

  #take({ lines, values, missing, bad, firstBad }: Reading): void {
    const { target, logger } = this.#options
    const { name } = target
    this.lines += lines
    this.rows += values
    this.bad += bad
    logger.debug({ target: name, lines, values, missing, bad }, 'target is scraped')
    if (bad > 0) this.#problems.report(name, `${bad} of ${lines} lines of the target are left out: ${firstBad}`)
  }

  /** Announces the ports of the answer. */
  async #show({ bad: badLines }: Reading, atUs: number, fetchMs: number, parseMs: number): Promise<void> {
    const { ports, target } = this.#options
    // Whoever asks the target from now on shows it.
    if (ports === undefined || this.#tables === undefined || this.#stop.signal.aborted) return
    const { problem } = this.#tables
    if (problem !== '') this.#problems.report(`${target.name}: ports`, `not all ports are shown: ${problem}`)
    const { intervalMs } = target
    await ports.show(this.#tables.snapshots(), { atUs, badLines, intervalMs, fetchMs, parseMs }, problem)
  }

  /** Announces that the ports are those of the last good answer. */
  async #stay(fetchMs: number, error?: string): Promise<void> {
    const { ports, target, tags } = this.#options
    if (!this.#stop.signal.aborted)
      await ports?.stay({ intervalMs: target.intervalMs, fetchMs, parseMs: 0 }, error, tags.fabric)
  }

  /** Says once that the target is not taken, and why, and once that it is taken again. */
  #sayState(): void {
    const { target, logger } = this.#options
    const { name, error } = target
    if (error?.problem === this.#saidProblem) return
    this.#saidProblem = error?.problem
    if (error === undefined) logger.info({ target: name }, 'target is taken again')
    else logger.warn({ target: name, problem: error.problem }, `target is not taken: ${error.message}`)
  }
}
