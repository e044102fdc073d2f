import type { Clock } from '../time/clock.ts'
import { Ticker } from '../time/ticker.ts'
import type { Profile } from './profile.ts'
import { type Snapshot, SnapshotWriter } from './snapshot.ts'

export interface SnapshotsOptions {
  readonly profile: Profile
  /** How long a snapshot lives. */
  readonly intervalMs: number
  readonly clock: Clock
  /** Gets each snapshot, the first too. */
  readonly onSnapshot?: (snapshot: Snapshot) => void
  readonly onError: (error: unknown) => void
}

/** The snapshot of now. The next takes its place when all of it is made. */
export class Snapshots {
  readonly #writer: SnapshotWriter
  readonly #options: SnapshotsOptions
  readonly #ticker: Ticker
  #startUs = 0
  #current: Snapshot | undefined

  /** How long the newest took to make, ms. */
  tookMs = 0

  constructor(options: SnapshotsOptions) {
    this.#options = options
    this.#writer = new SnapshotWriter(options.profile)
    this.#ticker = new Ticker({
      intervalMs: options.intervalMs,
      // Intervals count from the start, so that the first snapshot lives as long as the others.
      clock: { now: () => options.clock.now() - this.#startUs },
      onTick: (sinceStartUs) => this.#make(this.#startUs + sinceStartUs),
      onError: options.onError,
    })
  }

  /** The newest. Not to be read before `start` has ended. */
  get current(): Snapshot {
    return this.#current!
  }

  /** Intervals that had none, because the one before was still being made or the process stood still. */
  get missed(): number {
    return this.#ticker.missed
  }

  /** Makes the first, then another each interval. */
  async start(): Promise<void> {
    this.#startUs = this.#options.clock.now()
    await this.#make(this.#startUs)
    this.#ticker.start()
  }

  stop(): Promise<void> {
    return this.#ticker.stop()
  }

  async #make(atUs: number): Promise<void> {
    const beginMs = performance.now()
    this.#current = await this.#writer.write(atUs)
    this.tookMs = performance.now() - beginMs
    this.#options.onSnapshot?.(this.#current)
  }
}
