import type { CheckpointStore } from '../../broker/broker.ts'
import type { LogThrottle } from '../../observe/log-throttle.ts'
import type { LossTracker } from './loss.ts'

export interface CheckpointsOptions {
  readonly store: CheckpointStore
  readonly loss: LossTracker
  readonly throttle: LogThrottle
  /** How often checkpoints are made, ms; a second by default. */
  readonly intervalMs?: number
  /** ms since the epoch. */
  readonly now?: () => number
}

/**
 * The first checkpoints are made this soon after the start. The time doubles with each, up to `intervalMs`. A process
 * killed before its first checkpoints leaves the old ones, and the next process counts the same losses again. In a
 * restart loop of a second that reported 140 times the real loss.
 */
const FIRST_AFTER_MS = 50
/** The most forgotten runs that wait to be removed. If there are more, the oldest stay stored until they expire. */
const MAX_FORGOTTEN = 20_000
/** The checkpoint of a run that was quiet for this long is removed. */
const KEPT_MS = 24 * 3_600_000

/** What is to be saved: checkpoints by run id, and the runs to forget. */
interface Changes {
  readonly checkpoints: ReadonlyMap<string, string>
  readonly forgotten: readonly string[]
}

const NONE: Changes = { checkpoints: new Map(), forgotten: [] }

/**
 * Lets the next process go on counting losses. Once a second it makes a checkpoint of each run that was heard, and
 * saves them once all that was taken in until then is settled. So a checkpoint never says that something arrived which
 * then ended with the process.
 *
 * The last checkpoints of a process that stops in order are exact, and say so. It never holds up the pipeline. A failed
 * save is tried again.
 */
export class Checkpoints {
  readonly #options: CheckpointsOptions
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined
  #isStopped = false
  #delivered = 0
  #acked = 0
  /** Changes that may be saved once the deliveries up to this one are settled. */
  #unsettled: { readonly delivery: number; readonly changes: Changes } | undefined
  #saving: Promise<void> | undefined
  /** Changes that the store did not take. */
  #unsaved = NONE

  constructor(options: CheckpointsOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  /**
   * Goes on from the checkpoints of the process before. Call it and wait for it before anything is consumed; it stays
   * pending while the broker is away.
   */
  async start(): Promise<void> {
    const { store, loss, throttle } = this.#options
    try {
      const leftOut = loss.restore(await store.load(), this.#now() - KEPT_MS)
      // From now on they belong to a process that may be killed.
      await this.#save({ checkpoints: loss.checkpoints('all', false, this.#now()), forgotten: leftOut })
    } catch (err) {
      throttle.warn('checkpoints read', { err }, 'the checkpoints cannot be read: losses are counted from here on')
    }
    if (this.#isStopped) return
    this.#makeAfter(FIRST_AFTER_MS)
  }

  /** The tracker has observed a message, and its samples are in a batch or rejected. */
  delivered(id: number): void {
    this.#delivered = id
  }

  /** All messages up to this one are settled. */
  acked(upTo: number): void {
    this.#acked = upTo
    if (this.#unsettled !== undefined) this.#saveSettled()
  }

  /**
   * Saves the last checkpoints of all runs. A stop that ran out of time leaves something that is not settled: then the
   * checkpoints before stay, and the next process counts from there. Gives up at the signal.
   */
  async stop(signal: AbortSignal): Promise<void> {
    this.#isStopped = true
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    if (!signal.aborted && this.#acked >= this.#delivered) await Promise.race([this.#saveLast(), aborted])
  }

  async #saveLast(): Promise<void> {
    const { loss } = this.#options
    const forgotten = [...(this.#unsettled?.changes ?? NONE).forgotten, ...loss.takeForgotten()]
    this.#unsettled = undefined
    await this.#saving
    await this.#save({
      checkpoints: loss.checkpoints('all', true, this.#now()),
      forgotten: [...this.#unsaved.forgotten, ...forgotten],
    })
  }

  #makeAfter(ms: number): void {
    const { intervalMs = 1000 } = this.#options
    const waitMs = Math.min(ms, intervalMs)
    this.#timer = setTimeout(() => {
      this.#make()
      this.#makeAfter(waitMs * 2)
    }, waitMs)
  }

  #make(): void {
    if (this.#unsettled !== undefined || this.#saving !== undefined) return
    const { loss } = this.#options
    const forgotten = [...this.#unsaved.forgotten, ...loss.takeForgotten()].slice(-MAX_FORGOTTEN)
    const checkpoints = new Map(this.#unsaved.checkpoints)
    for (const run of forgotten) checkpoints.delete(run)
    for (const [run, checkpoint] of loss.checkpoints('heard', false, this.#now())) checkpoints.set(run, checkpoint)
    this.#unsaved = NONE
    if (checkpoints.size === 0 && forgotten.length === 0) return
    this.#unsettled = { delivery: this.#delivered, changes: { checkpoints, forgotten } }
    this.#saveSettled()
  }

  #saveSettled(): void {
    const unsettled = this.#unsettled
    if (unsettled === undefined || this.#acked < unsettled.delivery) return
    this.#unsettled = undefined
    this.#saving = this.#save(unsettled.changes).finally(() => {
      this.#saving = undefined
    })
  }

  async #save(changes: Changes): Promise<void> {
    try {
      const { checkpoints, forgotten } = changes
      const gone = forgotten.filter((run) => !checkpoints.has(run))
      await this.#options.store.save(checkpoints, gone)
    } catch (err) {
      this.#unsaved = changes
      this.#options.throttle.warn('checkpoints saved', { err }, 'the checkpoints cannot be saved: it is tried again')
    }
  }
}
