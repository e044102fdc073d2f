import { performance } from 'node:perf_hooks'
import type { LatestReading, LiveChannel } from '../broker/broker.ts'
import { blankHeader, type MessageHeader } from '../codec/codec.ts'
import { LatestEncoder } from '../codec/latest-encoder.ts'
import type { Sample } from '../sample/sample.ts'
import type { Series } from '../sample/series.ts'
import type { Clock } from '../time/clock.ts'
import { isNews, keepLatest } from './latest.ts'

export interface LiveAnnouncerOptions {
  readonly channel: LiveChannel
  /** The run id in each message's header. */
  readonly run: string
  readonly clock: Clock
  /** How often changes are published, ms. */
  readonly intervalMs?: number
  /** How old the saved value of a series may get while the series changes, ms. */
  readonly saveIntervalMs?: number
  /** Monotonic time, ms. */
  readonly monotonicMs?: () => number
}

/** Counts since the start. */
export interface AnnouncerStats {
  messages: number
  /** Samples that were not announced, because they are older than what is: from an outbox, a stream or a replay. */
  old: number
}

/**
 * The fewest series of one save, if so many wait: they cost less than a millisecond, and the last ones do not wait
 * long.
 */
const MIN_SAVED_AT_ONCE = 64
/**
 * The most series that are saved a second. Each costs 7 µs here, and Redis as much: without the bound, 55,000 series that
 * change each second took a tenth of a core. With more than 10,000 series a round takes longer than `saveIntervalMs`.
 */
const MOST_SAVED_PER_SECOND = 2_000
/** How long Redis may take to say that nobody listens, ms: what was saved meanwhile is announced to who comes then. */
const ANSWERED_WITHIN_MS = 10_000

/**
 * A series is new for so long, µs. The broker keeps what is saved for a day. A source that makes 2,000 new series a
 * second would fill it with 170 million, so new ones are saved only up to a number, and one more at each interval.
 */
const NEW_FOR_US = 30e6
const MAX_NEWCOMERS = 50_000

/**
 * The sending end of the live feed. The pipeline gives it each sample. Every interval it publishes the newest values of
 * each series that changed, once, however many samples there were.
 *
 * It also saves the latest values for APIs that start later. One series takes a message of its own and a write to the
 * broker's hash: 6 µs and 340 bytes for ten fields, and the work of Redis. Saving at each change would take a quarter
 * of a core for 10,000 series. So the changed series wait, and each interval saves a part of them: a round takes
 * `saveIntervalMs`, and costs 1 % of a core at its default of 5 s.
 *
 * While nobody listens, each interval publishes an empty message, whose answer says when somebody does: with 5,000
 * agents, making the others took a tenth of a core. Who subscribes then reads what is saved, and the first message has
 * all that was not saved before.
 */
export class LiveAnnouncer {
  readonly stats: AnnouncerStats = { messages: 0, old: 0 }

  readonly #channel: LiveChannel
  readonly #clock: Clock
  readonly #monotonicMs: () => number
  readonly #encoder: LatestEncoder
  readonly #intervalMs: number
  readonly #intervalsPerSave: number
  /** Each series at most once: `series.changed` is set while it is in this list. */
  readonly #changed: Series[] = []
  readonly #unsaved = new Set<Series>()
  /** What each of the last intervals saved. */
  readonly #saved: Series[][] = []
  readonly #savedIntervals: number
  readonly #mostSaved: number
  #wasHeard = true
  readonly #header: MessageHeader
  /** How many more series may be saved that are new. */
  #newcomers = MAX_NEWCOMERS
  #timer: NodeJS.Timeout | undefined
  /** The arrival of the newest message, by the clock of this machine and by its timer, µs. */
  #receivedAt = Number.NaN
  #monotonicUs = 0

  constructor(options: LiveAnnouncerOptions) {
    this.#channel = options.channel
    this.#clock = options.clock
    this.#monotonicMs = options.monotonicMs ?? (() => performance.now())
    this.#encoder = new LatestEncoder(options.run)
    this.#intervalMs = options.intervalMs ?? 250
    this.#intervalsPerSave = Math.max(1, Math.round((options.saveIntervalMs ?? 5_000) / this.#intervalMs))
    this.#savedIntervals = Math.ceil(ANSWERED_WITHIN_MS / this.#intervalMs)
    this.#mostSaved = Math.ceil((MOST_SAVED_PER_SECOND * this.#intervalMs) / 1000)
    this.#header = { ...blankHeader(), run: options.run, seq: 0 }
  }

  /**
   * For each sample, on the hot path: no allocation. A sample that is no news changes nothing, so every reading of the
   * live feed has just arrived.
   *
   * @param receivedAt when its message arrived, by the clock, µs
   */
  record(sample: Sample, receivedAt: number): void {
    if (receivedAt !== this.#receivedAt) {
      this.#receivedAt = receivedAt
      this.#monotonicUs = this.#monotonicMs() * 1000
    }
    const series = sample.series
    // The table has no room for it, or its values travel as snapshots: 100,000 ports would be as many series in each API.
    if (series.evicted || !series.shape.isLive) return
    if (!isNews(series, sample.at, receivedAt, this.#monotonicUs)) {
      this.stats.old++
      return
    }
    keepLatest(sample, !series.changed, this.#monotonicUs)
    if (series.changed) return
    series.changed = true
    this.#changed.push(series)
  }

  start(): void {
    this.#timer ??= setInterval(() => this.announce(), this.#intervalMs).unref()
  }

  /** Publishes and saves what is left. */
  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#collect()
    this.#announce(this.#unsaved.size)
  }

  /** Publishes what changed since the last call. */
  announce(): void {
    this.#collect()
    const share = Math.ceil(this.#unsaved.size / this.#intervalsPerSave)
    this.#announce(Math.max(MIN_SAVED_AT_ONCE, Math.min(share, this.#mostSaved)))
  }

  /** Adds the changed series to the open message, if anybody hears it. */
  #collect(): void {
    const { isHeard } = this.#channel
    this.#newcomers = Math.min(MAX_NEWCOMERS, this.#newcomers + 1)
    for (const series of this.#changed) {
      series.changed = false
      if (this.#maySave(series)) this.#unsaved.add(series)
    }
    if (isHeard) for (const series of this.#wasHeard ? this.#changed : this.#unheard()) this.#addToMessage(series)
    this.#wasHeard = isHeard
    this.#changed.length = 0
  }

  /** Everything that who has just subscribed may not have found saved. */
  #unheard(): Set<Series> {
    return new Set([...this.#saved.flat(), ...this.#unsaved])
  }

  #addToMessage(series: Series): void {
    if (this.#encoder.add(series)) return
    this.#publish(this.#finish(), [])
    this.#encoder.add(series)
  }

  #announce(maxSaved: number): void {
    const hasNews = this.#unsaved.size > 0 || this.#encoder.count > 0
    if (hasNews) this.#publish(this.#finish(), this.#save(maxSaved))
    else this.#noteSaved([])
  }

  #maySave(series: Series): boolean {
    if (this.#clock.now() - series.madeAt > NEW_FOR_US || this.#unsaved.has(series)) return true
    if (this.#newcomers === 0) return false
    this.#newcomers--
    return true
  }

  #finish(): Buffer {
    const header = this.#header
    const readings = this.#encoder.count
    header.sentAt = this.#clock.now()
    header.heldFrom = header.seq
    header.heldFirstSample = header.firstSample
    const payload = this.#encoder.finish(header)
    header.seq++
    header.firstSample += readings
    return payload
  }

  /** Takes out the series that have waited longest, at most `count`. @returns a message for each */
  #save(count: number): LatestReading[] {
    const nowUs = this.#monotonicMs() * 1000
    const latest: LatestReading[] = []
    const saved: Series[] = []
    for (const series of this.#unsaved) {
      if (latest.length >= count) break
      this.#unsaved.delete(series)
      saved.push(series)
      this.#encoder.add(series)
      const ageMs = (nowUs - series.arrivedUs) / 1000
      latest.push({ key: series.key, payload: this.#encoder.finish(this.#header), ageMs })
    }
    this.#noteSaved(saved)
    return latest
  }

  #noteSaved(saved: Series[]): void {
    this.#saved.push(saved)
    if (this.#saved.length > this.#savedIntervals) this.#saved.shift()
  }

  #publish(payload: Buffer, latest: readonly LatestReading[]): void {
    this.stats.messages++
    this.#channel.publish(payload, latest)
  }
}
