import type { Logger } from 'pino'
import { SNAPSHOTS_KEPT_MS, type Snapshots } from '../../broker/broker.ts'
import type { GenerationHead } from '../../fabric/generation.ts'
import { LatencyRecorder } from '../../observe/latency.ts'
import { LogThrottle } from '../../observe/log-throttle.ts'
import type { Clock } from '../../time/clock.ts'
import type { FabricGeneration } from './fabric-generation.ts'
import { nextGeneration, UnshownGeneration } from './next-generation.ts'
import { Rooms } from './rooms.ts'
import { Slices } from './slices.ts'

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
  /** How often this publisher comes, ms: as it says, or since the one before, where its rows are pushed. */
  readonly intervalMs: number
}

/** How fresh the rows of a target are. */
export interface TargetState {
  readonly publisher: string
  readonly head: GenerationHead
  readonly target: GenerationHead['targets'][number]
  /** How long ago the target was known to have these values, ms. */
  readonly ageMs: number
  readonly stale: boolean
  /** How often it is asked, ms; where its rows are pushed, the time between the last two pushes. */
  readonly intervalMs: number
  /** Others have newer rows of all that it has: nothing of it is shown. */
  readonly isCovered: boolean
}

const STALE_INTERVALS = 3
/** Who pushes less often does so by hand. */
const MOST_INTERVAL_MS = 600_000
/** An announcement may overtake another one by a moment. One that is much older comes from a clock that was set back. */
const OVERTAKEN_US = 10_000_000

/** One fabric, with the generation that is shown. */
class ShownFabric {
  shown: FabricGeneration | undefined
  /** Those before that somebody still read when another one took their place. */
  #replaced: FabricGeneration[] = []
  readonly rooms = new Rooms()
  /** By publisher: the newest head. */
  readonly heard = new Map<string, Heard>()
  /** By publisher: the head that is shown. */
  readonly parts = new Map<string, GenerationHead>()
  /** By publisher: the head that could not be shown, so that it is counted once. */
  readonly failed = new Map<string, string>()
  preparing = false
  isBehind = false

  swap(next: FabricGeneration): void {
    if (this.shown?.isRead) this.#replaced.push(this.shown)
    this.shown = next
  }

  /** The memory that somebody may read. */
  memory(): Set<ArrayBufferLike> {
    this.#replaced = this.#replaced.filter(({ isRead }) => isRead)
    const live = this.shown === undefined ? this.#replaced : [this.shown, ...this.#replaced]
    return new Set(live.flatMap(({ targets }) => targets.flatMap(({ memory }) => memory)))
  }
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
    const leave = await this.#options.snapshots.subscribe((head, isKept) => this.#hear(head, isKept))
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

  /** Whether generations of a fabric were announced, and none is shown yet. */
  isAwaited(fabric: string): boolean {
    const known = this.#fabrics.get(fabric)
    return known !== undefined && known.shown === undefined
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
    const { heard, shown } = this.#fabrics.get(fabric) ?? {}
    const covered = [...(shown?.covered ?? [])]
    return [...(heard?.values() ?? [])].flatMap((one) =>
      one.head.targets.map((target): TargetState => {
        const sinceHeardMs = this.#monotonicMs() - one.atMs
        // While a target answers, its values are those of the last time that it was asked.
        const silentMs = target.up ? 0 : Math.max(0, (one.head.checkedAtUs - target.takenAtUs) / 1000)
        const ageMs = one.ageMs + silentMs + sinceHeardMs
        const limitMs = Math.max(this.#options.staleAfterMs(), STALE_INTERVALS * one.intervalMs)
        const { publisher } = one.head
        const isCovered = covered.some((rows) => rows.publisher === publisher && rows.head.target === target.target)
        const { head, intervalMs } = one
        return { publisher, head, target, ageMs, stale: ageMs > limitMs, intervalMs, isCovered }
      }),
    )
  }

  #hear(head: GenerationHead, isKept: boolean): void {
    if (this.#closed) return
    const { clock } = this.#options
    const fabric = this.#fabrics.get(head.fabric) ?? new ShownFabric()
    this.#fabrics.set(head.fabric, fabric)
    const known = fabric.heard.get(head.publisher)
    const laterByUs = head.checkedAtUs - (known?.head.checkedAtUs ?? Number.NEGATIVE_INFINITY)
    if (laterByUs < 0 && laterByUs > -OVERTAKEN_US) return
    // One that was kept may have waited for this process. Others come at once, whatever the clocks say.
    const ageMs = isKept ? Math.max(0, (clock.now() - head.checkedAtUs) / 1000) : 0
    const pushedMs = known === undefined ? 0 : Math.min(laterByUs / 1000, MOST_INTERVAL_MS)
    const intervalMs = head.intervalMs > 0 ? head.intervalMs : Math.max(0, Math.round(pushedMs))
    if (laterByUs !== 0) fabric.heard.set(head.publisher, { head, ageMs, atMs: this.#monotonicMs(), intervalMs })
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
    const heads = [...parts.values()].filter(hasTargets).sort((a, b) => (a.publisher < b.publisher ? -1 : 1))
    if (heads.length === 0) {
      fabric.parts.set(head.publisher, head)
      this.#hide(head.fabric, fabric)
      return
    }
    const { snapshots } = this.#options
    const { shown, rooms } = fabric
    rooms.begin(fabric.memory())
    const roomFor = (bytes: number): Buffer => rooms.take(bytes)
    try {
      const next = await nextGeneration(heads, shown, (snapshot, bytes) => snapshots.read(snapshot, bytes, roomFor))
      fabric.parts.set(head.publisher, head)
      fabric.swap(next)
      this.#version++
      this.stats.swaps++
      this.swapLatency.record(Math.round((this.#monotonicMs() - heardAtMs) * 1000))
      if (shown === undefined) await rooms.touch(new Slices())
    } catch (error) {
      this.#failed(fabric, head, error)
    }
  }

  /** The last of its publishers has no targets any more. */
  #hide(name: string, fabric: ShownFabric): void {
    if (fabric.shown !== undefined) this.#version++
    fabric.shown = undefined
    const isLeft = Array.from(fabric.heard.values(), ({ head }) => head).every((head) => !hasTargets(head))
    if (isLeft && this.#fabrics.get(name) === fabric) this.#fabrics.delete(name)
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

function hasTargets({ targets }: GenerationHead): boolean {
  return targets.length > 0
}
