import type { LiveChannel } from '../broker/broker.ts'
import { blankHeader, type Codec, type Encoder, type MessageHeader } from '../codec/codec.ts'
import type { Sample } from '../sample/sample.ts'
import { Series } from '../sample/series.ts'
import type { Clock } from '../time/clock.ts'
import { keepLatest } from './latest.ts'

export interface LiveAnnouncerOptions {
  readonly channel: LiveChannel
  readonly codec: Codec
  /** Stands in each message's header. */
  readonly source: string
  readonly clock: Clock
  /** How often changes are published, ms. */
  readonly intervalMs?: number
  /** How old the kept latest value of a series may get while it goes on changing, ms. */
  readonly saveIntervalMs?: number
}

/** Counts since the start. */
export interface AnnouncerStats {
  messages: number
  bytes: number
  /** Readings published: one a changed series and interval. */
  readings: number
  /** Latest values handed over to be kept. */
  saved: number
}

/** Fewer than these are saved in one go: it costs less than a millisecond, and lets the last ones not wait for long. */
const MIN_SAVED_AT_ONCE = 64

/**
 * The sending end of the live feed. The pipeline gives it each sample; every interval it publishes the newest values of each
 * series that changed, once, however many samples there were.
 *
 * Keeping a series' latest value for a warm start takes a message of its own and a write to the broker's hash (6 µs and 340
 * bytes for ten fields, Redis' own work beside). At each change that would be a quarter of a core for 10,000 series. So the
 * changed series wait in line, and each interval saves a part of the line: a round takes `saveIntervalMs`, costs 1 % of a core
 * at its default of 5 s, and no interval has all the work.
 */
export class LiveAnnouncer {
  readonly stats: AnnouncerStats = { messages: 0, bytes: 0, readings: 0, saved: 0 }

  readonly #channel: LiveChannel
  readonly #clock: Clock
  readonly #encoder: Encoder
  readonly #intervalMs: number
  readonly #intervalsPerSave: number
  /** Bounded by the table of series: each stands here at most once, which `series.changed` tells. */
  readonly #changed: Series[] = []
  readonly #unsaved = new Set<Series>()
  readonly #header: MessageHeader
  /** Reused; the series in it is only there to begin with. */
  readonly #reading: Sample = { series: new Series('', '', []), values: [], at: 0, tie: 0 }
  #timer: NodeJS.Timeout | undefined

  constructor(options: LiveAnnouncerOptions) {
    this.#channel = options.channel
    this.#clock = options.clock
    this.#encoder = options.codec.encoder()
    this.#intervalMs = options.intervalMs ?? 250
    this.#intervalsPerSave = Math.max(1, Math.round((options.saveIntervalMs ?? 5_000) / this.#intervalMs))
    this.#header = { ...blankHeader(), run: options.source, seq: 0 }
  }

  /** For each sample, on the hot path: no allocation. A sample older than the series' latest changes nothing. */
  record(sample: Sample): void {
    const series = sample.series
    if (keepLatest(sample, !series.changed) && !series.changed) {
      series.changed = true
      this.#changed.push(series)
    }
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
    this.#announce(Math.max(MIN_SAVED_AT_ONCE, Math.ceil(this.#unsaved.size / this.#intervalsPerSave)))
  }

  /** Brings the changed series into the message that is being made. */
  #collect(): void {
    for (const series of this.#changed) {
      series.changed = false
      this.#unsaved.add(series)
      if (!this.#add(series)) {
        this.#publish(this.#finish(), [])
        this.#add(series)
      }
    }
    this.#changed.length = 0
  }

  #announce(maxSaved: number): void {
    if (this.#unsaved.size > 0) this.#publish(this.#finish(), this.#save(maxSaved))
  }

  #add(series: Series): boolean {
    const reading = this.#reading
    reading.series = series
    reading.values = series.latest
    reading.at = series.latestAt
    return this.#encoder.add(reading)
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
    this.stats.readings += readings
    return payload
  }

  /** The messages of those that have waited longest, at most `count`. */
  #save(count: number): Array<[key: string, payload: Buffer]> {
    const latest: Array<[string, Buffer]> = []
    for (const series of this.#unsaved) {
      if (latest.length >= count) break
      this.#unsaved.delete(series)
      this.#add(series)
      latest.push([series.key, this.#encoder.finish(this.#header)])
    }
    this.stats.saved += latest.length
    return latest
  }

  #publish(payload: Buffer, latest: ReadonlyArray<readonly [key: string, payload: Buffer]>): void {
    this.stats.messages++
    this.stats.bytes += payload.length
    this.#channel.publish(payload, latest)
  }
}
