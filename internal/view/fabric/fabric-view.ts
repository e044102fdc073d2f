import type { Logger } from 'pino'
import { SNAPSHOTS_KEPT_MS, type Snapshots } from '../../broker/broker.ts'
import type { GenerationHead } from '../../fabric/generation.ts'
import { LatencyRecorder } from '../../observe/latency.ts'
import { LogThrottle } from '../../observe/log-throttle.ts'
import type { Clock } from '../../time/clock.ts'
import type { FabricGeneration } from './fabric-generation.ts'
import { nextGeneration, UnshownGeneration } from './next-generation.ts'

export interface FabricViewOptions {
  readonly snapshots: Snapshots
  readonly clock: Clock
  readonly logger: Logger
  /** A target is stale when it has been silent for so long, or for three intervals where that is longer, ms. */
  readonly staleAfterMs: () => number
  /** Monotonic time, ms. */
  readonly monotonicMs?: () => number
}

/** Counts since the start. */
export interface FabricViewStats {
  /** Generations that were shown. */
  swaps: number
  /** Generations that were not shown, because the broker did not have all of them, or could not be read. */
  missing: number
  undecodable: number
}

/** What a publisher of a fabric announced last. */
interface Heard {
  readonly head: GenerationHead
  /** How old it was when it was heard, ms. */
  readonly ageMs: number
  /** By the monotonic timer. */
  readonly atMs: number
}

/** How fresh the rows of a target are. */
export interface TargetState {
  readonly publisher: string
  readonly head: GenerationHead
  readonly target: GenerationHead['targets'][number]
  /** How long ago the target was known to have these values, ms. */
  readonly ageMs: number
  readonly stale: boolean
}

const STALE_INTERVALS = 3
/** An announcement may overtake another one by a moment. One that is much older comes from a clock that was set back. */
const OVERTAKEN_US = 10_000_000

/** One fabric, with the generation that is shown. */
class ShownFabric {
  shown: FabricGeneration | undefined
  /** By publisher: the newest head. */
  readonly heard = new Map<string, Heard>()
  /** By publisher: the head that is shown. */
  readonly parts = new Map<string, GenerationHead>()
  /** By publisher: the head that could not be shown, so that it is counted once. */
  readonly failed = new Map<string, string>()
  preparing = false
  isBehind = false
}

/**
 * The current values of all fabrics. A generation that is announced is read and prepared aside, a few milliseconds at a
 * time; then one reference is swapped. Readers never wait, and see whole generations.
 */
export class FabricView {
  readonly stats: FabricViewStats = { swaps: 0, missing: 0, undecodable: 0 }
  /** From the announcement to the swap. */
  readonly swapLatency = new LatencyRecorder()
  readonly #options: FabricViewOptions
  readonly #monotonicMs: () => number
  readonly #throttle: LogThrottle
  readonly #fabrics = new Map<string, ShownFabric>()
  #version = 0
  #leave: (() => Promise<void>) | undefined
  #closed = false

  constructor(options: FabricViewOptions) {
    this.#options = options
    this.#monotonicMs = options.monotonicMs ?? (() => performance.now())
    this.#throttle = new LogThrottle(options.logger)
  }

  /** Resolves when the newest generations are known, and each later one will be. Stays pending while the broker is away. */
  async open(): Promise<void> {
    const leave = await this.#options.snapshots.subscribe((head) => this.#hear(head))
    if (this.#closed) await leave()
    else this.#leave = leave
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#throttle.flush()
    await this.#leave?.()
  }

  /** Grows with each generation that is shown, of any fabric. */
  get version(): number {
    return this.#version
  }

  /** The names of the fabrics that are shown, in order. */
  get names(): string[] {
    return [...this.#fabrics].flatMap(([name, { shown }]) => (shown === undefined ? [] : [name])).sort()
  }

  /** What is shown of a fabric now. */
  shown(fabric: string): FabricGeneration | undefined {
    return this.#fabrics.get(fabric)?.shown
  }

  /** What is shown, where there is one fabric alone. */
  get only(): FabricGeneration | undefined {
    let only: FabricGeneration | undefined
    for (const { shown } of this.#fabrics.values()) {
      if (shown === undefined) continue
      if (only !== undefined) return undefined
      only = shown
    }
    return only
  }

  /** The targets of a fabric with their ages, also those that are not shown yet. */
  states(fabric: string): TargetState[] {
    const heard = [...(this.#fabrics.get(fabric)?.heard.values() ?? [])]
    return heard.flatMap((one) =>
      one.head.targets.map((target): TargetState => {
        const sinceHeardMs = this.#monotonicMs() - one.atMs
        // While a target answers, its values are those of the last time that it was asked.
        const silentMs = target.up ? 0 : Math.max(0, (one.head.checkedAtUs - target.takenAtUs) / 1000)
        const ageMs = one.ageMs + silentMs + sinceHeardMs
        const limitMs = Math.max(this.#options.staleAfterMs(), STALE_INTERVALS * one.head.intervalMs)
        return { publisher: one.head.publisher, head: one.head, target, ageMs, stale: ageMs > limitMs }
      }),
    )
  }

  #hear(head: GenerationHead): void {
    if (this.#closed) return
    const { clock } = this.#options
    const fabric = this.#fabrics.get(head.fabric) ?? new ShownFabric()
    this.#fabrics.set(head.fabric, fabric)
    const known = fabric.heard.get(head.publisher)
    const laterByUs = head.checkedAtUs - (known?.head.checkedAtUs ?? Number.NEGATIVE_INFINITY)
    if (laterByUs < 0 && laterByUs > -OVERTAKEN_US) return
    // The first head may have waited for this process. Later ones come at once, whatever the clocks say.
    const ageMs = known === undefined ? Math.max(0, (clock.now() - head.checkedAtUs) / 1000) : 0
    if (laterByUs !== 0) fabric.heard.set(head.publisher, { head, ageMs, atMs: this.#monotonicMs() })
    this.#forgetOld(fabric)
    if (fabric.parts.get(head.publisher)?.id === head.id) return
    fabric.isBehind = true
    if (!fabric.preparing) this.#prepare(fabric)
  }

  /** Shows the newest heads, and then those that came meanwhile. */
  async #prepare(fabric: ShownFabric): Promise<void> {
    fabric.preparing = true
    while (fabric.isBehind && !this.#closed) {
      fabric.isBehind = false
      for (const { head, atMs } of [...fabric.heard.values()])
        if (fabric.parts.get(head.publisher)?.id !== head.id) await this.#show(fabric, head, atMs)
    }
    fabric.preparing = false
  }

  async #show(fabric: ShownFabric, head: GenerationHead, heardAtMs: number): Promise<void> {
    const parts = new Map(fabric.parts).set(head.publisher, head)
    const heads = [...parts.values()].sort((a, b) => (a.publisher < b.publisher ? -1 : 1))
    const { snapshots } = this.#options
    try {
      const next = await nextGeneration(heads, fabric.shown, (snapshot, bytes) => snapshots.read(snapshot, bytes))
      fabric.parts.set(head.publisher, head)
      fabric.shown = next
      this.#version++
      this.stats.swaps++
      this.swapLatency.record(Math.round((this.#monotonicMs() - heardAtMs) * 1000))
    } catch (error) {
      this.#failed(fabric, head, error)
    }
  }

  #failed(fabric: ShownFabric, { fabric: name, publisher, id }: GenerationHead, err: unknown): void {
    const fields = { fabric: name, publisher, generation: id, err }
    if (!(err instanceof UnshownGeneration)) {
      // The broker is away: when it is back, it tells the newest generation again.
      this.#throttle.warn('unread', fields, `a generation of the fabric ${name} could not be read from the broker`)
      return
    }
    if (fabric.failed.get(publisher) === id) return
    fabric.failed.set(publisher, id)
    this.stats[err.reason]++
    this.#throttle.warn(err.reason, fields, `a generation of the fabric ${name} is not shown: ${err.message}`)
  }

  /** Publishers that have been silent for as long as the broker keeps their rows. Those of the last one stay, stale. */
  #forgetOld(fabric: ShownFabric): void {
    for (const [publisher, { ageMs, atMs }] of fabric.heard) {
      if (ageMs + this.#monotonicMs() - atMs <= SNAPSHOTS_KEPT_MS) continue
      fabric.heard.delete(publisher)
      fabric.parts.delete(publisher)
      fabric.failed.delete(publisher)
    }
  }
}
