import type { Logger } from 'pino'
import type { BatchSpool, SpooledBatch } from './batch-spool.ts'
import type { StoreGate } from './circuit-breaker.ts'
import type { SettledBatch } from './settled.ts'

export interface ReplayOptions {
  readonly logger: Logger
  readonly spool: BatchSpool
  readonly gate: StoreGate
  readonly bytesPerSecond: number
  readonly on: {
    settled(batch: SettledBatch): void
    /** A write has ended, or a rest: a slot may be free. */
    free(): void
  }
}

/** How long a batch rests that the store alone does not take. */
const POSTPONED_MS = 1000
/** Until it is looked again whether there is something to read: what was there was damaged. */
const NOTHING_MS = 1000

/**
 * Writes what waits in a spool, the oldest first and one batch at a time, no faster than it is told to: what is fresh goes before it. While
 * the store is away it is the probe, where nothing fresh is.
 */
export class Replay {
  readonly #options: ReplayOptions
  readonly #gate: StoreGate
  /** The batch that is next, or being written. */
  #oldest: SpooledBatch | undefined
  #busy = false
  #rest: NodeJS.Timeout | undefined
  #stopped = false
  #postponed = false
  /** Samples settled since the start. */
  samples = 0
  /** May be set while it runs. */
  bytesPerSecond: number

  constructor(options: ReplayOptions) {
    this.#options = options
    this.#gate = options.gate
    this.bytesPerSecond = options.bytesPerSecond
  }

  /** The store does not take the oldest batch, though nothing else seems wrong with it: it should be asked with another. */
  get isPostponed(): boolean {
    return this.#postponed
  }

  /** Begins a write if there is something to write, a slot, and time. */
  advance(): void {
    const { spool } = this.#options
    if (this.#busy || this.#stopped || this.#rest !== undefined || !this.#gate.hasSlot || spool.samples === 0) return
    this.#busy = true
    void this.#writeOldest()
  }

  /** No write begins any more. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#rest)
  }

  async #writeOldest(): Promise<void> {
    const { spool, on, logger } = this.#options
    this.#oldest ??= await spool.takeOldest()
    const oldest = this.#oldest
    // While it was read, something fresh may have taken the slot.
    if (oldest !== undefined && this.#gate.hasSlot && !this.#stopped) {
      const startedAtMs = performance.now()
      const result = await this.#gate.write(oldest.batch)
      if (this.#gate.isClosed) return
      this.#postponed = result.next === 'postpone'
      if (result.next === 'ack') {
        this.#oldest = undefined
        spool.done()
        const { batch, sentAt, sources } = oldest
        this.samples += batch.samples
        on.settled({ result, samples: batch.samples, sentAt, messages: sentAt.length, sources })
        batch.release()
        if (spool.samples === 0) logger.info({ replayed: this.samples }, 'the spool is empty: the store has caught up')
        this.#restFor((oldest.bytes / this.bytesPerSecond) * 1000 - (performance.now() - startedAtMs))
      } else if (this.#postponed) this.#restFor(POSTPONED_MS)
    } else if (oldest === undefined) this.#restFor(NOTHING_MS)
    this.#busy = false
    on.free()
  }

  #restFor(ms: number): void {
    if (ms <= 0 || this.#stopped) return
    this.#rest = setTimeout(() => {
      this.#rest = undefined
      this.#options.on.free()
    }, ms)
  }
}
