import type { Logger } from 'pino'
import type { SnapshotSink } from '../../fabric/generation.ts'
import type { ColumnKind } from '../../fabric/snapshot.ts'
import type { BadRow } from '../../fabric/table-reader.ts'
import type { LogThrottle } from '../../observe/log-throttle.ts'
import type { Clock } from '../../time/clock.ts'
import type { Target } from '../target.ts'
import type { TargetProblem } from '../target-error.ts'
import { earlierSnapshots } from './earlier-snapshots.ts'
import { FabricTarget, type Reading } from './fabric-target.ts'
import { Generations, tenths } from './generations.ts'
import { SampleSender, type SendFrame } from './sample-sender.ts'

export const CYCLE_PARTS = ['fetch', 'parse', 'swap', 'publish'] as const
/** What the parts of a cycle took, ms. */
export type CycleTimes = { readonly [Part in (typeof CYCLE_PARTS)[number] as `${Part}Ms`]: number }

export interface FabricSourceOptions {
  readonly fabric: string
  /** Whether series have the tag `fabric`: there are several. */
  readonly isTagged: boolean
  /** Names this agent among those that announce the fabric. */
  readonly publisher: string
  readonly targets: readonly Target[]
  readonly intervalMs: number
  readonly snapshots: SnapshotSink
  readonly send: SendFrame
  /** Told of rows that are left out of a table of a target. */
  readonly onBadRow?: (target: string, row: BadRow) => void
  /** Called after each cycle in which something was new. */
  readonly onCycle?: (times: CycleTimes) => void
  readonly clock: Clock
  readonly logger: Logger
  readonly throttle: LogThrottle
}

/**
 * The targets of one fabric, asked in cycles:
 *
 *   fetch → parse → put the snapshots, announce their generation → send the samples
 *
 * What the view shows goes first, as a whole, and never waits for the store. A target that fails keeps its newest good
 * snapshot in the generations that follow, with its age. It is no `Source`: its rows leave as frames, without an object
 * for each.
 *
 * The caller promises that no cycle begins while another one runs.
 */
export class FabricSource {
  readonly targets: readonly FabricTarget[]
  readonly #options: FabricSourceOptions
  readonly #samples: SampleSender
  readonly #generations: Generations
  readonly #stop = new AbortController()
  readonly #hurry = new AbortController()
  /** What keeps each target from being taken, as the log has said it. */
  readonly #saidProblems = new Map<string, TargetProblem | undefined>()
  /** Kinds of columns, by name: all targets of the fabric share them. */
  readonly #kinds = new Map<string, ColumnKind>()
  /** Whether the broker has said what an earlier process announced. */
  #isTakenOver = false

  constructor(options: FabricSourceOptions) {
    const { fabric, isTagged, targets, send, onBadRow } = options
    this.#options = options
    this.#samples = new SampleSender(send)
    const kinds = this.#kinds
    const tag = isTagged ? fabric : undefined
    const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
    this.targets = targets.map((target) => {
      const tell = onBadRow && ((row: BadRow): void => onBadRow(target.name, row))
      return new FabricTarget(target, { fabric: tag, kinds, pause, onBadRow: tell })
    })
    this.#generations = new Generations({ ...options, targets: this.targets })
  }

  /** Asks each target once, and resolves when all that is new has been sent. */
  async cycle(): Promise<void> {
    const { clock, logger, fabric, intervalMs } = this.#options
    if (!this.#isTakenOver) await this.#takeOver()
    const asked = await Promise.all(this.targets.map((target) => target.read(clock, this.#stop.signal)))
    const fresh = asked.filter((reading) => reading !== undefined)
    // What was taken before the stop is still sent.
    if (this.#stop.signal.aborted && fresh.length === 0) return
    for (const target of this.targets) this.#sayState(target)
    const times = {
      fetchMs: longest(fresh, ({ fetchMs }) => fetchMs),
      parseMs: longest(fresh, ({ parseMs }) => parseMs),
    }
    const swapMs = await this.#generations.announce(fresh, times, intervalMs)
    const startMs = performance.now()
    let leftOut = 0
    for (const { table, takenAtUs } of fresh)
      leftOut += await this.#samples.sendAll(table, takenAtUs, this.#hurry.signal)
    const publishMs = tenths(performance.now() - startMs)
    const rows = fresh.reduce((sum, { table }) => sum + table.snapshot.rows, 0)
    const bad = {
      badRows: fresh.reduce((sum, { table }) => sum + table.badRows, 0),
      badCells: fresh.reduce((sum, { table }) => sum + table.badCells, 0),
    }
    const down = this.targets.filter(({ target }) => !target.up).length
    logger.info({ fabric, rows, ...bad, ...(down > 0 ? { down } : {}), ...times, swapMs, publishMs }, 'fabric cycle')
    if (fresh.length > 0) this.#options.onCycle?.({ ...times, swapMs, publishMs })
    if (leftOut > 0)
      logger.warn(
        { fabric, rows: leftOut },
        'rows of the last cycle were not sent, because the time for the stop is over',
      )
  }

  /**
   * Asks nothing more. A cycle that has rows to send goes on until the signal.
   */
  stop(signal: AbortSignal): void {
    this.#stop.abort(new Error('the source is stopped'))
    const hurry = (): void => this.#hurry.abort()
    if (signal.aborted) hurry()
    else signal.addEventListener('abort', hurry, { once: true })
    for (const { target } of this.targets) target.close()
  }

  /**
   * Goes on from what an earlier process of this agent announced: so a target that is down keeps its last values over a
   * restart, and a column its kind.
   */
  async #takeOver(): Promise<void> {
    const { snapshots, fabric, publisher, throttle } = this.#options
    try {
      for await (const { head, snapshot } of earlierSnapshots(snapshots, fabric, publisher)) {
        const target = this.targets.find(({ name }) => name === head.target)
        if (target === undefined) continue
        for (const { name, kind } of snapshot.parts.columns) if (!this.#kinds.has(name)) this.#kinds.set(name, kind)
        target.takeOver(head)
        this.#generations.renew()
      }
      this.#isTakenOver = true
    } catch (err) {
      const words = 'what was announced before the start could not be read: the next cycle tries again'
      throttle.warn(`fabric ${fabric} before`, { err, fabric }, words)
    }
  }

  /** Says once that a target is not taken, and why, and once that it is taken again. */
  #sayState({ target }: FabricTarget): void {
    const { logger, fabric } = this.#options
    const { name, error } = target
    const before = this.#saidProblems.get(name)
    if (error?.problem === before) return
    this.#saidProblems.set(name, error?.problem)
    if (error === undefined) logger.info({ fabric, target: name }, 'target is taken again')
    else logger.warn({ fabric, target: name, problem: error.problem }, `target is not taken: ${error.message}`)
  }
}

function longest(readings: readonly Reading[], of: (reading: Reading) => number): number {
  return tenths(Math.max(0, ...readings.map(of)))
}
