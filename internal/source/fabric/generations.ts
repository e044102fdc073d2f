import { type GenerationHead, generationId, type SnapshotSink, type TargetHead } from '../../fabric/generation.ts'
import type { LogThrottle } from '../../observe/log-throttle.ts'
import type { Clock } from '../../time/clock.ts'

/** A target with its newest good snapshot. */
export interface SnapshotOwner {
  readonly name: string
  /** What an announcement says of it; undefined before there is a snapshot. */
  readonly head: TargetHead | undefined
  /** The newest snapshot once more; undefined where it is not there any more. */
  encodeAgain(): Buffer | undefined
  /** The broker has lost the snapshot, and nobody has it any more. */
  forget(): void
}

/** A snapshot that is to be put: its bytes need only stay until it is announced. */
export interface NewSnapshot {
  readonly owner: SnapshotOwner
  readonly snapshot: string
  readonly bytes: Buffer
}

export interface GenerationsOptions {
  readonly fabric: string
  /** Names who announces among those that announce the fabric. */
  readonly publisher: string
  readonly targets: readonly SnapshotOwner[]
  readonly snapshots: SnapshotSink
  readonly clock: Clock
  readonly throttle: LogThrottle
}

/**
 * The generations that one publisher announces of a fabric: each has the newest good snapshot of every target. What the
 * broker has lost is put again.
 *
 * The caller promises to announce one after the other.
 */
export class Generations {
  readonly #options: GenerationsOptions
  /** Whether the next announcement has other snapshots than the last one. */
  #isNew = false
  /** Of the newest generation; '' before there is one. */
  #id = ''
  #atUs = 0

  constructor(options: GenerationsOptions) {
    this.#options = options
  }

  /** The next announcement makes another generation, also where nothing is put. */
  renew(): void {
    this.#isNew = true
  }

  /**
   * Puts the snapshots that are new, and announces the generation. What fails is logged: the next call tries again.
   *
   * @param intervalMs how often the targets are asked
   * @returns how long that took, ms
   */
  async announce(
    fresh: readonly NewSnapshot[],
    { fetchMs, parseMs }: Omit<GenerationHead['cycle'], 'publishMs'>,
    intervalMs: number,
  ): Promise<number> {
    const { fabric, targets, throttle } = this.#options
    const startMs = performance.now()
    if (fresh.length > 0 || this.#isNew) this.#begin()
    if (targets.every(({ head }) => head === undefined)) return 0
    try {
      for (const { owner, snapshot, bytes } of fresh) await this.#put(owner.name, snapshot, bytes)
      const cycle = { fetchMs, parseMs, publishMs: tenths(performance.now() - startMs) }
      const missing = await this.#send(cycle, intervalMs)
      if (missing.length > 0) {
        // A broker that was emptied, or was away when they were put.
        for (const { target: name, snapshot } of missing) {
          const owner = targets.find((one) => one.name === name)!
          const bytes = owner.encodeAgain()
          if (bytes === undefined) owner.forget()
          else await this.#put(name, snapshot, bytes)
        }
        await this.#send(cycle, intervalMs)
      }
    } catch (err) {
      const words = 'the generation could not be announced: the next cycle tries again'
      throttle.warn(`fabric ${fabric}`, { err, fabric }, words)
    }
    return tenths(performance.now() - startMs)
  }

  /** Announces that it has no snapshots any more: an API shows none of its rows from then on. */
  async leave(): Promise<void> {
    const { fabric, targets, throttle } = this.#options
    for (const target of targets) target.forget()
    this.#begin()
    try {
      await this.#send({ fetchMs: 0, parseMs: 0, publishMs: 0 }, 0)
    } catch (err) {
      const words = 'it could not be announced that rows are gone: they stay for a day, and look stale'
      throttle.warn(`fabric ${fabric} left`, { err, fabric }, words)
    }
  }

  /** Never that of an earlier generation, also where the clock was set back. */
  #begin(): void {
    this.#atUs = Math.max(this.#options.clock.now(), this.#atUs + 1)
    this.#id = generationId(this.#atUs)
    this.#isNew = false
  }

  #send(cycle: GenerationHead['cycle'], intervalMs: number): Promise<readonly TargetHead[]> {
    const { snapshots, clock, fabric, publisher, targets } = this.#options
    const heads = targets.flatMap(({ head }) => (head === undefined ? [] : [head]))
    return snapshots.announce({
      ...{ fabric, publisher, id: this.#id, atUs: this.#atUs, checkedAtUs: clock.now(), intervalMs, cycle },
      targets: heads,
    })
  }

  async #put(target: string, snapshot: string, bytes: Buffer): Promise<void> {
    const { snapshots, fabric, publisher } = this.#options
    await snapshots.put({ fabric, publisher, target, snapshot }, bytes)
  }
}

/** A time to show: ms, with one digit behind the point. */
export function tenths(ms: number): number {
  return Math.round(ms * 10) / 10
}
