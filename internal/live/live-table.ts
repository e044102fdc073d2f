import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import type { LiveChannel } from '../broker/broker.ts'
import type { Arrival, Codec, Decoder } from '../codec/codec.ts'
import { LogThrottle } from '../observe/log-throttle.ts'
import type { Sample } from '../sample/sample.ts'
import { type Series, SeriesTable } from '../sample/series.ts'
import type { Clock } from '../time/clock.ts'
import { ChangeList } from './change-list.ts'
import { Freshness } from './freshness.ts'
import { keepLatest } from './latest.ts'
import { LiveSeries } from './live-series.ts'
import { SeriesByHost } from './series-by-host.ts'

export interface LiveTableOptions {
  readonly channel: LiveChannel
  readonly codec: Codec
  readonly clock: Clock
  readonly logger: Logger
  /** 1,000,000 by default, at 0.9 KB each, and 1.3 once a client asked for it (`scripts/series-memory.mjs`). Those of a full table that have no room are not shown. */
  readonly maxSeries?: number
  /** How long a series may be silent before it is stale, ms. Asked at each use. */
  readonly staleAfterMs?: () => number
  /** Monotonic time, ms. */
  readonly monotonicMs?: () => number
}

/** Is told of the series of a table. */
export interface SeriesWatcher {
  added(live: LiveSeries): void
  removed(live: LiveSeries): void
}

/** Counts since the start. */
export interface LiveTableStats {
  readings: number
  /** Messages that could not be read. */
  refused: number
  /**
   * Messages that never arrived, by the gaps in the numbers of their run. The next change of each series makes up for
   * them.
   */
  missed: number
}

/**
 * Up to so many series, none is given up. Of more, those that were in use only briefly make room, as each container has
 * an interface of its own.
 */
const KEEP_ALL_UP_TO = 20_000
/** How long a series may be silent that was in use for half of that, µs: as long as the broker keeps its latest reading. */
const KEPT_US = 24 * 3_600e6

/** How often series are looked for that have become stale, ms. */
const SWEEP_EVERY_MS = 1000

/** Runs whose numbering is remembered. Each start of a server is a new one. */
const MAX_RUNS = 1_000

/**
 * The receiving end of the live feed: the latest reading of every series. Each reading has just arrived at a server, so
 * the newest arrival counts, whatever its time. A series that is silent for too long becomes stale, which is a change too. `generation` grows with each message, and a
 * series remembers the one of its newest change. Views and the feed ask for what changed since the generation that they
 * have seen.
 */
export class LiveTable {
  /** The id of this table. Generations of two tables cannot be compared. */
  readonly start = randomBytes(6).toString('hex')
  readonly stats: LiveTableStats = { readings: 0, refused: 0, missed: 0 }

  readonly #channel: LiveChannel
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #refusals: LogThrottle
  readonly #table: SeriesTable
  readonly #decoder: Decoder
  readonly #arrival: Arrival & { receivedAt: number } = { receivedAt: 0, tie: 0 }
  readonly #series = new Map<Series, LiveSeries>()
  readonly #byHost = new SeriesByHost()
  readonly #changes = new ChangeList()
  readonly #freshness: Freshness
  readonly #monotonicMs: () => number
  readonly #nextSeq = new Map<string, number>()
  readonly #watchers: SeriesWatcher[] = []
  #sweeper: NodeJS.Timeout | undefined
  /** How old the reading is that is being taken, ms; undefined while it has just arrived. */
  #recalledAgeMs: number | undefined
  /** The arrival of the message that is being read, by the monotonic timer. */
  #nowMs = 0
  #generation = 0
  #adopted = 0
  #unsubscribe: (() => Promise<void>) | undefined
  #closed = false

  constructor(options: LiveTableOptions) {
    this.#channel = options.channel
    this.#clock = options.clock
    this.#logger = options.logger
    this.#refusals = new LogThrottle(options.logger)
    const { maxSeries = 1_000_000 } = options
    this.#table = new SeriesTable({
      maxSeries,
      keepAllUpTo: KEEP_ALL_UP_TO,
      idleUs: KEPT_US,
      onEvict: (series) => this.#forget(series),
    })
    this.#decoder = options.codec.decoder(this.#table)
    this.#freshness = new Freshness(options.staleAfterMs ?? (() => 10_000))
    this.#monotonicMs = options.monotonicMs ?? (() => performance.now())
  }

  get generation(): number {
    return this.#generation
  }

  get size(): number {
    return this.#series.size
  }

  /** Whether the live channel is subscribed. */
  get opened(): boolean {
    return this.#unsubscribe !== undefined
  }

  /**
   * Subscribes, then takes the readings that the broker kept. This order misses no reading. It waits until the
   * broker is there, and rejects when subscribing fails. A failed warm start is only logged: the table then fills
   * within seconds.
   */
  async open(): Promise<void> {
    const unsubscribe = await this.#channel.subscribe((payload) => this.apply(payload))
    if (this.#closed) return unsubscribe()
    this.#unsubscribe = unsubscribe
    this.#sweeper = setInterval(() => this.sweep(), SWEEP_EVERY_MS).unref()
    try {
      for (const { payload, ageMs } of await this.#channel.recall()) {
        this.#recalledAgeMs = ageMs
        this.#decode(payload)
      }
    } catch (err) {
      this.#logger.warn({ err }, 'the kept readings cannot be read: hosts appear when they publish next')
    } finally {
      this.#recalledAgeMs = undefined
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#sweeper)
    const unsubscribe = this.#unsubscribe
    this.#unsubscribe = undefined
    await unsubscribe?.()
    this.#refusals.flush()
  }

  /** Takes one message of the live channel. */
  apply(payload: Buffer): void {
    if (this.#decode(payload)) this.#countMissed()
  }

  /** Its series by their host. */
  get byHost(): Pick<SeriesByHost, 'get' | 'all' | 'version'> {
    return this.#byHost
  }

  /** Tells of every series that is there, and from now on of those that come and go. */
  watch(watcher: SeriesWatcher): void {
    this.#watchers.push(watcher)
    for (const live of this.#series.values()) watcher.added(live)
  }

  /** Every series, in the order in which they came. */
  all(): Iterable<LiveSeries> {
    return this.#series.values()
  }

  /** Every series that changed after a generation, in the order in which the series came. 0 gives all. */
  changedSince(generation: number): LiveSeries[] {
    if (generation === 0) return [...this.#series.values()]
    return this.#changes.since(generation).sort(byNumber)
  }

  /** Whether nothing of a series has arrived for too long. */
  isStale(live: LiveSeries): boolean {
    return this.#freshness.isStale(live, this.#monotonicMs())
  }

  /** How long ago the latest reading of a series arrived, ms. */
  ageMs(live: LiveSeries): number {
    return this.#monotonicMs() - live.arrivedMs
  }

  /** Marks the series that have become stale: their readings change by that, and clients get them again. */
  sweep(): void {
    const nowMs = this.#monotonicMs()
    const generation = this.#generation + 1
    for (const live of this.#series.values()) {
      if (live.isStale || !this.#freshness.isStale(live, nowMs)) continue
      live.isStale = true
      this.#generation = live.generation = generation
      this.#changes.moveToFront(live)
    }
  }

  #decode(payload: Buffer): boolean {
    this.#arrival.receivedAt = this.#clock.now()
    this.#nowMs = this.#monotonicMs()
    this.#generation++
    const refusal = this.#decoder.decode(payload, this.#arrival, this.#take)
    if (refusal === undefined) return true
    this.stats.refused++
    this.#refusals.warn(refusal.reason, refusal, 'a live message cannot be read')
    return false
  }

  readonly #take = (sample: Sample): void => {
    // The table has no room for it.
    if (sample.series.evicted) return
    const ageMs = this.#recalledAgeMs
    const known = this.#series.get(sample.series)
    // What has come since the subscription is newer than what was kept.
    if (ageMs !== undefined && known !== undefined) return
    const nowMs = this.#nowMs
    const { receivedAt } = this.#arrival
    keepLatest(sample, true, nowMs * 1000)
    this.stats.readings++
    const live = known ?? this.#adopt(sample.series)
    const { sentAt } = this.#decoder.header
    live.aheadUs = sentAt === 0 ? Number.NaN : sample.at - sentAt
    this.#freshness.learn(live)
    if (live.generation === this.#generation) return
    if (ageMs === undefined) live.arrive(nowMs, receivedAt)
    else {
      live.recall(nowMs - ageMs, receivedAt - Math.round(ageMs * 1000))
      sample.series.trust(KEPT_US / 2)
    }
    live.generation = this.#generation
    this.#changes.moveToFront(live)
  }

  #adopt(series: Series): LiveSeries {
    const live = new LiveSeries(series, ++this.#adopted)
    this.#series.set(series, live)
    this.#byHost.add(live)
    for (const watcher of this.#watchers) watcher.added(live)
    return live
  }

  /** Drops a series that the table of series gave up because it is idle. */
  #forget(series: Series): void {
    const live = this.#series.get(series)
    if (live === undefined) return
    this.#series.delete(series)
    this.#changes.remove(live)
    this.#byHost.remove(live)
    this.#freshness.forget(live)
    for (const watcher of this.#watchers) watcher.removed(live)
  }

  #countMissed(): void {
    const { run, seq } = this.#decoder.header
    if (seq < 0) return
    const expected = this.#nextSeq.get(run)
    if (expected !== undefined && seq > expected) this.stats.missed += seq - expected
    if (expected === undefined && this.#nextSeq.size >= MAX_RUNS) this.#nextSeq.clear()
    this.#nextSeq.set(run, seq + 1)
  }
}

function byNumber(a: LiveSeries, b: LiveSeries): number {
  return a.number - b.number
}
