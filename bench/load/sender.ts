import { Histogram } from '../../internal/observe/histogram.ts'
import type { Clock } from '../../internal/time/clock.ts'
import { ChunkPool } from './chunk-pool.ts'
import { type Counts, countsOf } from './counts.ts'
import { DueRing } from './due-ring.ts'
import { Schedule, Turns } from './due-times.ts'
import type { MessageWriter } from './messages.ts'
import type { LineListener, RedisLine } from './redis-line.ts'
import type { Tallies } from './tallies.ts'

/** How soon a sender looks again at a window that was full. */
const WINDOW_RETRY_MS = 1
/** Redis keeps what a server has not read yet, and disconnects the server when that exceeds 8 MiB for a minute. */
const WINDOW_BYTES = 7 * 1024 * 1024
/**
 * Open loop: the most replies that a thread waits for. At this limit it sends nothing, and what is due meanwhile counts
 * as late.
 */
const MAX_UNANSWERED = 2 ** 17
/**
 * The longest pause of an open loop between two looks at the schedule. The pause blocks the thread. On a busy machine
 * it ends 0.08 ms late at the median; `setTimeout` is 0.88 ms late, and no pause at all costs three times the CPU.
 * Shorter pauses cost more CPU, here and in Redis. Longer ones make replies look late, because replies are read between
 * two pauses.
 */
const PAUSE_US = 250
/** A timer may be this late. The sender therefore waits by timer only until this long before the next message. */
const TIMER_SLACK_US = 2000
/** How often a sender looks whether it has to stop, however far the next message is. */
const LONGEST_SLEEP_MS = 100
/** A run fails when Redis has not replied for this long. */
const SILENCE_MS = 10_000

/** What to send, and when. */
export interface Step {
  readonly startUs: number
  readonly durationMs: number
  /** Of all threads together. Undefined: a closed loop. */
  readonly ratePerSecond: number | undefined
  /** Closed loop: how many messages all threads together may be ahead of the servers. Infinity: no server is asked. */
  readonly window: number
}

/** What one thread, or all threads together, did in a step. */
export interface StepResult {
  readonly messages: number
  readonly unreceived: number
  /** µs, as in `LoadResult`. */
  readonly lateness: Counts
  readonly reply: Counts
  /** 1 µs after the last due time. */
  readonly endUs: number
  /** When the last message was handed to the socket. */
  readonly lastSentUs: number
}

export interface SenderOptions {
  readonly line: RedisLine
  readonly clock: Clock
  readonly messages: MessageWriter
  /** How many workers this thread plays. `messages` writes for the same ones. */
  readonly workers: number
  readonly thread: number
  readonly threads: number
  readonly tallies: Tallies
  /** As in `LoadOptions`. Default 0. */
  readonly leastPauseUs?: number | undefined
}

/**
 * Sends the messages of one thread in one step when they are due. Records how late each was handed to the socket, and
 * when it was answered.
 */
export class Sender implements LineListener {
  /** For each worker: its messages that no server was subscribed to. */
  readonly unreceivedOf: Uint32Array
  readonly #options: SenderOptions
  readonly #startUs: number
  readonly #endUs: number
  readonly #window: number
  readonly #schedule: Schedule | undefined
  readonly #turns: Turns
  readonly #unanswered: DueRing
  readonly #chunks: ChunkPool
  readonly #lateness = new Histogram()
  readonly #reply = new Histogram()
  /** Its value never changes: `Atomics.wait` on it is a pause. */
  readonly #pauseCell = new Int32Array(new SharedArrayBuffer(4))
  #sent = 0
  #answered = 0
  #unreceived = 0
  #lastDueUs = 0
  #lastSentUs = 0
  /** Replies that came since the last `onRead`. */
  #freshReplies = 0
  #silentSinceMs = performance.now()
  #timer: NodeJS.Timeout | undefined
  #watch: NodeJS.Timeout | undefined
  #settle: { resolve(result: StepResult): void; reject(error: Error): void } | undefined

  constructor({ startUs, durationMs, ratePerSecond, window }: Step, options: SenderOptions) {
    const { thread, threads, workers, messages } = options
    this.#options = options
    this.#startUs = startUs
    this.#endUs = startUs + durationMs * 1000
    const windowOfBytes = Math.max(1, Math.floor(WINDOW_BYTES / messages.maxBytes))
    this.#window = window === Infinity ? Infinity : Math.min(window, windowOfBytes)
    this.unreceivedOf = new Uint32Array(workers)
    this.#schedule =
      ratePerSecond === undefined ? undefined : new Schedule({ startUs, durationMs, ratePerSecond, thread, threads })
    this.#turns = new Turns(startUs, thread, threads)
    this.#unanswered = new DueRing(this.#schedule === undefined ? workers : MAX_UNANSWERED)
    this.#chunks = new ChunkPool(messages.maxBytes)
  }

  /**
   * Resolves when every message is sent and answered. Rejects when Redis refuses a message, does not answer, or closes
   * the connection.
   */
  run(): Promise<StepResult> {
    const { line, clock } = this.#options
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
      this.#watch = setInterval(() => this.#checkSilence(), SILENCE_MS / 10)
      this.#pause(this.#startUs - clock.now())
      line.listen(this)
    })
  }

  onReply(receivers: number): void {
    this.#freshReplies++
    const worker = this.#answered++ % this.#options.workers
    if (receivers > 0) return
    this.#unreceived++
    this.unreceivedOf[worker]!++
  }

  onRead(): void {
    const nowUs = this.#options.clock.now()
    this.#silentSinceMs = performance.now()
    for (let i = 0; i < this.#freshReplies; i++) this.#reply.record(Math.max(0, nowUs - this.#unanswered.shift()))
    this.#freshReplies = 0
    if (this.#schedule === undefined || this.#allIsSent(nowUs)) this.#turn()
  }

  onError(message: string): void {
    this.#fail(new Error(`Redis refuses a message: ${message}`))
  }

  onEnd(problem: Error): void {
    this.#fail(new Error(`${problem.message}: what was measured so far is void`, { cause: problem }))
  }

  readonly #turn = (): void => {
    if (this.#settle === undefined) return
    const { clock, tallies, thread } = this.#options
    const nowUs = clock.now()
    const due = this.#due(nowUs)
    if (due > 0) this.#send(due, nowUs)
    tallies.report(thread, this.#sent, this.#unreceived)
    if (this.#allIsSent(nowUs)) this.#end()
    else if (this.#schedule !== undefined) this.#pause(this.#schedule.dueUs(this.#sent) - clock.now())
    else if (this.#unanswered.room > 0) this.#turnIn(WINDOW_RETRY_MS)
  }

  #allIsSent(nowUs: number): boolean {
    if (this.#options.tallies.stopped) return true
    return this.#schedule === undefined ? nowUs >= this.#endUs : this.#sent === this.#schedule.count
  }

  /** How many messages to send now. */
  #due(nowUs: number): number {
    const { tallies } = this.#options
    if (tallies.stopped) return 0
    const { room } = this.#unanswered
    if (this.#schedule !== undefined) return Math.min(this.#schedule.dueBy(nowUs) - this.#sent, room)
    return nowUs < this.#endUs ? Math.min(room, this.#window - tallies.ahead, this.#turns.room(nowUs)) : 0
  }

  #send(due: number, nowUs: number): void {
    const { messages, workers, line, clock } = this.#options
    const schedule = this.#schedule
    const firstUs = schedule === undefined ? this.#turns.begin(nowUs, due) : 0
    const stepUs = this.#options.threads
    if (this.#unanswered.size === 0) this.#silentSinceMs = performance.now()
    for (let done = 0; done < due; ) {
      const chunk = this.#chunks.take()
      if (chunk === undefined) return
      const before = done
      let at = 0
      while (done < due && at + messages.maxBytes <= chunk.length) {
        const dueUs = schedule === undefined ? firstUs + done * stepUs : schedule.dueUs(this.#sent)
        // Workers send in turns, and Redis replies in the order of the messages.
        at = messages.write(chunk, at, this.#sent % workers, dueUs)
        this.#unanswered.push(dueUs)
        this.#lastDueUs = dueUs
        this.#sent++
        done++
      }
      line.write(chunk.subarray(0, at), () => this.#chunks.give(chunk))
      const handedAtUs = clock.now()
      this.#lastSentUs = handedAtUs
      this.#unanswered.forLast(done - before, (dueUs) => this.#lateness.record(Math.max(0, handedAtUs - dueUs)))
    }
  }

  #pause(us: number): void {
    if (us > TIMER_SLACK_US) {
      this.#turnIn(Math.min((us - TIMER_SLACK_US) / 1000, LONGEST_SLEEP_MS))
      return
    }
    const { leastPauseUs = 0 } = this.#options
    // A due message that was not sent waits for Redis or for the socket.
    const pauseUs = Math.max(leastPauseUs, us > 0 ? Math.min(us, PAUSE_US) : PAUSE_US)
    Atomics.wait(this.#pauseCell, 0, 0, pauseUs / 1000)
    setImmediate(this.#turn)
  }

  #turnIn(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#turn, ms)
  }

  #end(): void {
    if (this.#unanswered.size > 0) return
    const { thread, tallies } = this.#options
    tallies.report(thread, this.#sent, this.#unreceived)
    this.#settle?.resolve({
      messages: this.#sent,
      unreceived: this.#unreceived,
      lateness: countsOf(this.#lateness),
      reply: countsOf(this.#reply),
      endUs: this.#sent === 0 ? this.#startUs : this.#lastDueUs + 1,
      lastSentUs: this.#lastSentUs,
    })
    this.#done()
  }

  #checkSilence(): void {
    const silentMs = performance.now() - this.#silentSinceMs
    const waits = this.#unanswered.size
    if (waits > 0 && silentMs > SILENCE_MS) this.#fail(new Error(`Redis has not answered ${waits} messages for 10 s`))
  }

  #fail(error: Error): void {
    this.#settle?.reject(error)
    this.#done()
  }

  #done(): void {
    this.#settle = undefined
    clearTimeout(this.#timer)
    clearInterval(this.#watch)
  }
}
