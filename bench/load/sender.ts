import { type Counts, countsOf } from '../../internal/observe/debug-metrics.ts'
import { Histogram } from '../../internal/observe/histogram.ts'
import type { Clock } from '../../internal/time/clock.ts'
import { ChunkPool } from './chunk-pool.ts'
import { DueRing } from './due-ring.ts'
import { Schedule, Turns } from './due-times.ts'
import type { MessageWriter } from './messages.ts'
import type { LineListener, RedisLine } from './redis-line.ts'
import type { Tallies } from './tallies.ts'

/** A window that is shut is looked at again after this. */
const WINDOW_RETRY_MS = 1
/** What a server has not read yet waits in Redis, which cuts it off for good where that is over 8 MiB for a minute. */
const WINDOW_BYTES = 7 * 1024 * 1024
/** Open loop: replies that a thread waits for at most. Beyond, it sends nothing, and what was due meanwhile counts as late. */
const MAX_UNANSWERED = 2 ** 17
/**
 * How long a turn of an open loop rests at most, blocking its thread. On a busy machine it ends 0.08 ms late at the median, where `setTimeout` is
 * 0.88 ms late and turning without a rest takes three times the CPU. Shorter rests cost more, here and in Redis; longer ones make a reply, which
 * is read between two of them, look late.
 */
const REST_US = 250
/** What is further away than this may be waited for by timers, late as they are. */
const TIMER_SLACK_US = 2000
/** However far the next message is, so often a sender looks whether it shall stop. */
const LONGEST_SLEEP_MS = 100
/** Without a reply for so long, Redis is given up. */
const SILENCE_MS = 10_000

/** What is to be sent, and when. */
export interface Step {
  readonly startUs: number
  readonly durationMs: number
  /** Of all threads together; undefined is a closed loop. */
  readonly ratePerSecond: number | undefined
  /** Closed loop: how many messages all threads together may be ahead of the servers; Infinity where nobody says how far those are. */
  readonly window: number
}

/** What one thread, or all of them, made of a step. */
export interface StepResult {
  readonly messages: number
  readonly unreceived: number
  /** µs, as in `LoadResult`. */
  readonly lateness: Counts
  readonly reply: Counts
  /** Just after the last due time. */
  readonly endUs: number
  /** When the last message was handed to the socket. */
  readonly lastSentUs: number
}

export interface SenderOptions {
  readonly line: RedisLine
  readonly clock: Clock
  readonly messages: MessageWriter
  /** Of this thread, as are those of `messages`. */
  readonly workers: number
  readonly thread: number
  readonly threads: number
  readonly tallies: Tallies
}

/** Sends one thread's messages of a step when they are due, and notes when each was handed over and answered. */
export class Sender implements LineListener {
  /** Messages of each worker that nobody was subscribed to. */
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
  readonly #resting = new Int32Array(new SharedArrayBuffer(4))
  #sent = 0
  #answered = 0
  #unreceived = 0
  #lastDueUs = 0
  #lastSentUs = 0
  /** Replies of the reading that is under way. */
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

  /** Resolves when all is sent and answered; rejects when Redis refuses a message, falls silent or goes away. */
  run(): Promise<StepResult> {
    const { line, clock } = this.#options
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
      this.#watch = setInterval(() => this.#lookForReplies(), SILENCE_MS / 10)
      this.#rest(this.#startUs - clock.now())
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
    else if (this.#schedule !== undefined) this.#rest(this.#schedule.dueUs(this.#sent) - clock.now())
    else if (this.#unanswered.room > 0) this.#wakeIn(WINDOW_RETRY_MS)
  }

  #allIsSent(nowUs: number): boolean {
    if (this.#options.tallies.stopped) return true
    return this.#schedule === undefined ? nowUs >= this.#endUs : this.#sent === this.#schedule.count
  }

  /** Messages that shall leave now. */
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
        // Workers take turns: their replies come in the order of their messages.
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

  #rest(us: number): void {
    if (us > TIMER_SLACK_US) {
      this.#wakeIn(Math.min((us - TIMER_SLACK_US) / 1000, LONGEST_SLEEP_MS))
      return
    }
    // What is due already could not be sent: it waits for Redis or for the socket.
    Atomics.wait(this.#resting, 0, 0, (us > 0 ? Math.min(us, REST_US) : REST_US) / 1000)
    setImmediate(this.#turn)
  }

  #wakeIn(ms: number): void {
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

  #lookForReplies(): void {
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
