import type { Logger } from 'pino'
import type { BatchSpool, SpooledBatch } from './batch-spool.ts'
import type { EventOf, Modes } from './modes.ts'
import { ReplayWindow } from './replay-window.ts'
import type { Timers } from './timers.ts'

/** How long the replay rests where the next record could not be read, or the store does not take the oldest batch. */
const REST_MS = 1000
/** A rest that is shorter than a timer can be kept is made up for by a later one. */
const SHORTEST_REST_MS = 1
const SAY_EVERY_MS = 10_000

export interface ReplayOptions {
  readonly spool: BatchSpool
  readonly modes: Modes
  readonly timers: Pick<Timers<'replay'>, 'start'>
  readonly logger: Logger
  readonly bytesPerSecond: () => number
  /** Bound of the writes that may be under way. */
  readonly most: () => number
  /** Whether the store has a place for one more, beside what is fresh. */
  readonly hasSlot: () => boolean
  readonly write: (spooled: SpooledBatch) => void
  /** Called when something may begin that could not before. */
  readonly advance: () => void
}

/**
 * The way back from the spool to the store: takes the oldest batches out, and has them written as the window and the
 * bound of bytes a second allow. The next one is read while others are written, so the store does not wait for the disk.
 * WriteQueue owns it, and says when.
 */
export class Replay {
  readonly #options: ReplayOptions
  readonly #window = new ReplayWindow()
  #underWay = 0
  #restUntilMs = 0
  #isPostponed = false
  #samples = 0
  /** When the log last said how far it is, and what was replayed then; undefined while the spool is empty. */
  #said: { readonly atMs: number; readonly samples: number } | undefined

  constructor(options: ReplayOptions) {
    this.#options = options
  }

  /** Samples of the spool that are settled since the start. */
  get samples(): number {
    return this.#samples
  }

  /** The store has not taken a batch of the spool, though nothing else seems wrong with it. */
  get isPostponed(): boolean {
    return this.#isPostponed
  }

  /** Begins what may begin now. */
  start(): void {
    const { spool, modes } = this.#options
    if (modes.replay !== 'idle' || modes.life !== 'running' || spool.samples === 0) return
    let waiting = 0
    for (const spooled of spool.taken()) {
      if (spooled.state !== 'waiting') continue
      if (this.#rests()) return
      if (this.#mayWrite) this.#write(spooled)
      else waiting++
    }
    const mayRead = waiting === 0 && spool.untaken > 0 && modes.store !== 'paused'
    if (mayRead && !this.#rests()) void this.#readNext()
  }

  /** Something fresh has to wait for the store. */
  yield(): void {
    if (this.#underWay > 0) this.#window.congested(performance.now())
  }

  /** The store answered for good. */
  stored(spooled: SpooledBatch, writeMs: number): void {
    this.#end(spooled, 'store')
    this.#isPostponed = false
    this.#options.spool.forgetSettled()
    this.#window.stored(writeMs, this.#options.most())
    this.#restFrom(performance.now() - writeMs, (spooled.bytes / this.#options.bytesPerSecond()) * 1000)
    this.#samples += spooled.batch.samples
    spooled.batch.release()
    this.#sayHowFar()
  }

  /** The store did not take it: the oldest goes first again. */
  failed(spooled: SpooledBatch, event: 'retry' | 'postpone'): void {
    this.#end(spooled, event)
    this.#window.congested(performance.now())
    this.#isPostponed = event === 'postpone'
    if (this.#isPostponed) this.#restFrom(performance.now(), REST_MS)
  }

  get #mayWrite(): boolean {
    const { most, hasSlot } = this.#options
    return this.#underWay < Math.min(this.#window.size, most()) && hasSlot()
  }

  #write(spooled: SpooledBatch): void {
    this.#move(spooled, 'write')
    this.#underWay++
    this.#options.write(spooled)
  }

  #end(spooled: SpooledBatch, event: EventOf<'taken'>): void {
    this.#move(spooled, event)
    this.#underWay--
  }

  #move(spooled: SpooledBatch, event: EventOf<'taken'>): void {
    spooled.state = this.#options.modes.after('taken', spooled.state, event)
  }

  async #readNext(): Promise<void> {
    const { spool, modes, advance } = this.#options
    modes.change('replay', 'read')
    const next = await spool.takeNext()
    modes.change('replay', 'end')
    if (modes.life === 'closed') return
    if (next === undefined) this.#restFrom(performance.now(), REST_MS)
    advance()
  }

  /** The rests of writes side by side add up: each pays for its bytes. */
  #restFrom(fromMs: number, ms: number): void {
    this.#restUntilMs = Math.max(fromMs, this.#restUntilMs) + ms
  }

  /** @returns whether nothing may begin for a while */
  #rests(): boolean {
    const { modes, timers, advance } = this.#options
    const ms = this.#restUntilMs - performance.now()
    if (ms < SHORTEST_REST_MS) return false
    modes.change('replay', 'rest')
    timers.start('replay', ms, () => {
      modes.change('replay', 'end')
      advance()
    })
    return true
  }

  #sayHowFar(): void {
    const { spool, logger } = this.#options
    if (spool.samples === 0) {
      this.#said = undefined
      logger.info({ replayed: this.#samples }, 'the spool is empty: the store has caught up')
      return
    }
    const now = { atMs: performance.now(), samples: this.#samples }
    this.#said ??= now
    const ms = now.atMs - this.#said.atMs
    if (ms < SAY_EVERY_MS) return
    const samplesPerSecond = Math.round(((now.samples - this.#said.samples) / ms) * 1000)
    const [left, bytes] = [spool.samples, spool.bytes]
    const secondsLeft = Math.ceil(left / samplesPerSecond)
    logger.info(
      { left, bytes, samplesPerSecond, secondsLeft, writes: this.#window.size },
      'the spool is written to the store',
    )
    this.#said = now
  }
}
