import type { CheckpointStore } from '../../broker/broker.ts'
import type { LogThrottle } from '../../observe/log-throttle.ts'
import type { LossTracker } from './loss.ts'

export interface CheckpointsOptions {
  readonly store: CheckpointStore
  readonly loss: LossTracker
  readonly throttle: LogThrottle
  /** How often what was heard is saved, ms; a second unless told otherwise. */
  readonly intervalMs?: number
  /** ms since the epoch. */
  readonly now?: () => number
}

/**
 * The first note follows the start so soon, and each next one after twice the time, up to `intervalMs`: a process that is killed before its first
 * mark leaves the old one, and what is missing since then is counted once more by the next. In a restart loop of a second that was 140 times
 * what was lost.
 */
const FIRST_NOTE_MS = 50
/** Forgotten sources that wait to be taken out of the store; others leave it when the whole grows old. */
const MAX_FORGOTTEN = 20_000
/** A source of which nothing was heard for so long is not waited for. */
const KEPT_MS = 24 * 3_600_000

/** What is to be saved: marks, and sources to forget. */
interface Unsaved {
  readonly marks: ReadonlyMap<string, string>
  readonly forgotten: readonly string[]
}

const NONE: Unsaved = { marks: new Map(), forgotten: [] }

/**
 * Lets the counting of losses go on in the next process: once a second it notes how far each source has got, and saves the note once
 * all that was taken in until then is settled. So a mark never says that something came which then died with the process.
 *
 * The last marks of a process that stops in order are exact, and say so. Nothing here holds the pipeline up; what cannot be saved
 * is tried again.
 */
export class Checkpoints {
  readonly #options: CheckpointsOptions
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  #delivered = 0
  #acked = 0
  /** A note that waits until the deliveries up to this one are settled. */
  #noted: { readonly delivery: number; readonly unsaved: Unsaved } | undefined
  #saving: Promise<void> | undefined
  /** What could not be saved. */
  #unsaved = NONE

  constructor(options: CheckpointsOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  /** Goes on from the marks of the process before. Stays pending while the broker is away; to be waited for before anything is consumed. */
  async start(): Promise<void> {
    const { store, loss, throttle } = this.#options
    try {
      const useless = loss.restore(await store.load(), this.#now() - KEPT_MS)
      // From now on they are of a process that may be killed.
      await this.#save({ marks: loss.marks('all', false, this.#now()), forgotten: useless })
    } catch (err) {
      throttle.warn(
        'marks read',
        { err },
        'how far each source had got cannot be read: losses are counted from here on',
      )
    }
    if (this.#stopped) return
    this.#noteAfter(FIRST_NOTE_MS)
  }

  /** A message is through: observed by the tracker, and in a batch or rejected. */
  delivered(id: number): void {
    this.#delivered = id
  }

  /** All messages up to this one are settled. */
  acked(upTo: number): void {
    this.#acked = upTo
    if (this.#noted !== undefined) this.#saveSettled()
  }

  /**
   * Saves the last word on all sources: all that was taken in is settled, and nothing more comes. Where that is not so (a stop that ran out of time),
   * the last mark stays, and the next process counts from there. Gives up at the signal.
   */
  async stop(signal: AbortSignal): Promise<void> {
    this.#stopped = true
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    if (!signal.aborted && this.#acked >= this.#delivered) await Promise.race([this.#saveLast(), aborted])
  }

  async #saveLast(): Promise<void> {
    const { loss } = this.#options
    const forgotten = [...(this.#noted?.unsaved ?? NONE).forgotten, ...loss.takeForgotten()]
    this.#noted = undefined
    await this.#saving
    await this.#save({
      marks: loss.marks('all', true, this.#now()),
      forgotten: [...this.#unsaved.forgotten, ...forgotten],
    })
  }

  #noteAfter(ms: number): void {
    const { intervalMs = 1000 } = this.#options
    const waitMs = Math.min(ms, intervalMs)
    this.#timer = setTimeout(() => {
      this.#note()
      this.#noteAfter(waitMs * 2)
    }, waitMs)
  }

  #note(): void {
    if (this.#noted !== undefined || this.#saving !== undefined) return
    const { loss } = this.#options
    const forgotten = [...this.#unsaved.forgotten, ...loss.takeForgotten()].slice(-MAX_FORGOTTEN)
    const marks = new Map(this.#unsaved.marks)
    for (const source of forgotten) marks.delete(source)
    for (const [source, mark] of loss.marks('heard', false, this.#now())) marks.set(source, mark)
    this.#unsaved = NONE
    if (marks.size === 0 && forgotten.length === 0) return
    this.#noted = { delivery: this.#delivered, unsaved: { marks, forgotten } }
    this.#saveSettled()
  }

  #saveSettled(): void {
    const noted = this.#noted
    if (noted === undefined || this.#acked < noted.delivery) return
    this.#noted = undefined
    this.#saving = this.#save(noted.unsaved).finally(() => {
      this.#saving = undefined
    })
  }

  async #save(unsaved: Unsaved): Promise<void> {
    try {
      const { marks, forgotten } = unsaved
      const gone = forgotten.filter((source) => !marks.has(source))
      await this.#options.store.save(marks, gone)
    } catch (err) {
      this.#unsaved = unsaved
      this.#options.throttle.warn(
        'marks saved',
        { err },
        'how far each source has got cannot be saved: it is tried again',
      )
    }
  }
}
