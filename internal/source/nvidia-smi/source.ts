import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { GpuReading, GpuReadings } from '../../gpu/readings.ts'
import type { LogThrottle } from '../../observe/log-throttle.ts'
import type { Refusal } from '../../sample/border.ts'
import { errorText } from '../../text/error-text.ts'
import { Backoff } from '../../time/backoff.ts'
import type { Clock } from '../../time/clock.ts'
import { Query } from './query.ts'

export interface NvidiaSmiOptions {
  /** The program: a path, or a name that is looked for. */
  readonly path: string
  readonly intervalMs: number
  readonly readings: GpuReadings
  /** Sends what the readings have gathered. */
  readonly flush: () => void
  readonly onRefused: (refusal: Refusal, reading: GpuReading) => void
  readonly clock: Clock
  readonly logger: Logger
  readonly throttle: LogThrottle
  /** Pauses before it is started again, ms: they grow from the first to the largest. */
  readonly pauses?: { readonly firstMs: number; readonly largestMs: number }
}

const PAUSES = { firstMs: 1000, largestMs: 60_000 }
/** The lines of one round come together, one a GPU: a pause of so long ends it. */
const ROUND_ENDS_MS = 50
/** A driver that is lost lets the program stand still. Without a line for so many intervals, and so long, it is ended. */
const SILENT_INTERVALS = 3
const SILENT_AT_LEAST_MS = 15_000
const STOP_MS = 2000
const MAX_LINE_CHARACTERS = 65_536
/** How much of what the program says the log shows. */
const SHOWN_CHARACTERS = 300

type Child = ChildProcessByStdio<null, Readable, Readable>

/**
 * `nvidia-smi`, started once, which says a line a GPU each interval: to start it each time would cost 50 times as much. It is
 * started again after growing pauses when it ends, and when it stands still.
 *
 * The caller promises to call `run` once.
 */
export class NvidiaSmiSource {
  readonly #options: NvidiaSmiOptions
  readonly #query = new Query()
  readonly #backoff: Backoff
  /** GPUs of the round that comes in, and its time. */
  readonly #round = new Set<string>()
  #roundAtUs = 0
  #roundTimer: NodeJS.Timeout | undefined
  #silence: NodeJS.Timeout | undefined
  #isChanged = false
  #lastWords = ''
  /** Whether the newest start of the program has given readings. */
  isUp = false
  starts = 0
  badLines = 0

  constructor(options: NvidiaSmiOptions) {
    this.#options = options
    this.#backoff = new Backoff(options.pauses ?? PAUSES)
  }

  /** Runs the program again and again, until the signal. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#isChanged = false
      this.#lastWords = ''
      const why = await this.#runOnce(signal)
      this.isUp = false
      this.#endRound()
      if (signal.aborted) return
      // An older program that did not know a column is asked for the others at once.
      if (this.#isChanged) continue
      const { throttle, path } = this.#options
      throttle.warn('nvidia-smi', { program: path, said: this.#lastWords, why }, 'nvidia-smi gives no readings')
      await sleep(this.#backoff.nextMs(), undefined, { signal }).catch(() => {})
    }
  }

  /** @returns why it ended */
  #runOnce(signal: AbortSignal): Promise<string> {
    const { path, intervalMs } = this.#options
    this.starts++
    let child: Child
    try {
      child = spawn(path, this.#query.args(intervalMs), { stdio: ['ignore', 'pipe', 'pipe'] })
    } catch (error) {
      // Some errors come at once, such as that of a file that is being written: the driver is updated.
      return Promise.resolve(errorText(error))
    }
    const stop = (): void => {
      child.kill('SIGTERM')
      setTimeout(() => child.kill('SIGKILL'), STOP_MS).unref()
    }
    signal.addEventListener('abort', stop, { once: true })
    this.#watch(child)
    onLines(child.stdout, (line) => this.#take(line, child))
    onLines(child.stderr, (line) => this.#hear(line))
    return new Promise((resolve) => {
      const end = (why: string): void => {
        clearTimeout(this.#silence)
        signal.removeEventListener('abort', stop)
        resolve(why)
      }
      child.once('error', (error) => end(errorText(error)))
      child.once('close', (code, by) => end(code === null ? `it was ended by ${by}` : `it ended with code ${code}`))
    })
  }

  #take(line: string, child: Child): void {
    if (line.trim() === '') return
    const { readings, onRefused, clock, logger, path } = this.#options
    const found = this.#query.readingsOf(line, this.#roundAtUs)
    if (found === undefined) {
      this.#hear(line)
      return
    }
    this.#watch(child)
    const gpu = found[0]!.labels.get('uuid')!
    // The next round begins with a GPU that this one has.
    if (this.#round.has(gpu)) this.#endRound()
    if (this.#round.size === 0) this.#roundAtUs = clock.now()
    this.#round.add(gpu)
    for (const one of found) {
      const reading = { ...one, atUs: this.#roundAtUs }
      const answer = readings.add(reading)
      if (typeof answer === 'object') onRefused(answer, reading)
    }
    if (!this.isUp) logger.info({ program: path }, 'nvidia-smi gives readings')
    this.isUp = true
    this.#backoff.reset()
    clearTimeout(this.#roundTimer)
    this.#roundTimer = setTimeout(() => this.#endRound(), ROUND_ENDS_MS)
  }

  /** A line that is no readings, such as "Unable to determine the device handle for GPU …": other GPUs go on. */
  #hear(line: string): void {
    if (line.trim() === '') return
    this.#isChanged ||= this.#query.leaveOut(line)
    if (this.#isChanged) return
    this.badLines++
    this.#lastWords = line.slice(0, SHOWN_CHARACTERS)
    this.#options.throttle.warn('nvidia-smi line', { said: this.#lastWords }, 'nvidia-smi says what is no reading')
  }

  #endRound(): void {
    clearTimeout(this.#roundTimer)
    if (this.#round.size === 0) return
    this.#round.clear()
    this.#options.flush()
  }

  #watch(child: Child): void {
    clearTimeout(this.#silence)
    const silentMs = Math.max(SILENT_AT_LEAST_MS, SILENT_INTERVALS * this.#options.intervalMs)
    this.#silence = setTimeout(() => {
      this.#lastWords = `nothing for ${silentMs / 1000} s`
      child.kill('SIGKILL')
    }, silentMs)
  }
}

/** Calls back for each line. A line that is too long is cut. */
function onLines(stream: Readable, take: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!.slice(0, MAX_LINE_CHARACTERS)
    for (const line of lines) take(line)
  })
  stream.on('end', () => {
    if (rest !== '') take(rest)
  })
}
