import { DEFAULT_WriteOptions, HttpError, type WriteApi } from '@influxdata/influxdb-client'
import { Ties } from '../../internal/codec/ties.ts'
import { LatencyRecorder } from '../../internal/observe/latency.ts'
import type { LogThrottle } from '../../internal/observe/log-throttle.ts'
import type { Sample } from '../../internal/sample/sample.ts'
import { seriesApart } from '../../internal/sample/series.ts'
import type { Clock } from '../../internal/time/clock.ts'
import { pointOf, readMessage, sentAtOf } from './message.ts'
import { PlainLedger } from './plain-ledger.ts'
import { type InfluxPlace, openWriteApi } from './write-api.ts'

export interface BaselineOptions {
  readonly influx: InfluxPlace
  readonly clock: Clock
  readonly throttle: LogThrottle
}

/**
 * The plain pipeline that ours is compared with. An able engineer who does not think of allocation would write it so:
 * JSON.parse, a new object and a Point of the client library for each message; batches, retries and transport by the
 * library's WriteApi. On purpose it does less than ours: it has no input checks, dead letters, loss counts, live
 * values, spool or bounds.
 *
 * Both pipelines use our clock, histograms, ledger and Ties (which keeps samples of one microsecond apart). These cost
 * both the same, so they do not bias the comparison.
 */
export class Baseline {
  readonly ledger = new PlainLedger()
  readonly latency = { internal: new LatencyRecorder(), e2e: new LatencyRecorder(), durable: new LatencyRecorder() }
  readonly #clock: Clock
  readonly #throttle: LogThrottle
  readonly #ties = new Ties()
  /** Reused for each message. Only `at` and `tie` are used; the series is a placeholder. */
  readonly #place: Sample = { series: seriesApart('', []), values: [], at: 0, tie: 0 }
  readonly #writeApi: WriteApi
  #finishing: (() => void) | undefined

  constructor({ influx, clock, throttle }: BaselineOptions) {
    this.#clock = clock
    this.#throttle = throttle
    this.#writeApi = openWriteApi(influx, throttle, {
      writeSuccess: (lines) => this.#written(lines),
      writeFailed: (error, lines, attempt, expires) => this.#failed(error, lines, attempt, expires),
      writeRetrySkipped: ({ lines }) => this.#dropped(lines, 'too many lines wait for a retry'),
    })
  }

  /** Takes a message. A message that makes no point counts as rejected. */
  take(payload: Buffer): void {
    const receivedAt = this.#clock.now()
    this.ledger.messages++
    let sentAt: number
    try {
      const message = readMessage(payload)
      sentAt = sentAtOf(message)
      this.#ties.place(this.#place, sentAt > 0 ? sentAt : receivedAt)
      this.#writeApi.writePoint(pointOf(message, this.#place.at, this.#place.tie))
    } catch (err) {
      this.ledger.rejected++
      this.#throttle.warn('message', { err }, 'a message was rejected')
      return
    }
    const inBatchAt = this.#clock.now()
    this.latency.internal.record(inBatchAt - receivedAt)
    if (sentAt > 0) this.latency.e2e.record(inBatchAt - sentAt)
  }

  /**
   * Writes the rest, and tries once more the batches that wait for a retry. If the signal fires first, the rest stays
   * `held` in the ledger.
   */
  async finish(signal: AbortSignal): Promise<void> {
    const settled = new Promise<void>((resolve) => {
      this.#finishing = resolve
    })
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    // `close` alone would drop the batches that wait for a retry, and would wait only for the last request in flight.
    const flushed = this.#writeApi.flush(true).then(() => this.#writeApi.close())
    this.#tellWhenSettled()
    await Promise.race([Promise.all([flushed, settled]), aborted])
  }

  #written(lines: readonly string[]): void {
    this.ledger.written += lines.length
    const storedAt = this.#clock.now()
    for (const line of lines) this.latency.durable.record(storedAt - timeOfLine(line))
    this.#tellWhenSettled()
  }

  /**
   * @returns undefined: the client retries the lines. A promise: the client gives the lines up, and they are counted
   *   here
   */
  #failed(error: Error, lines: readonly string[], attempt: number, expires: number): Promise<void> | undefined {
    const isRefused = error instanceof HttpError && error.statusCode < 429
    if (isRefused) {
      // Perhaps only one line of the thousand was refused, and InfluxDB stored the others. The client does not tell
      // which.
      this.ledger.rejected += lines.length
      this.#throttle.error('refused', { err: error, lines: lines.length }, 'the store refused a batch')
      this.#tellWhenSettled()
    } else if (attempt > DEFAULT_WriteOptions.maxRetries || expires <= Date.now() || this.#finishing !== undefined) {
      this.#dropped(lines, error.message)
    } else return undefined
    return Promise.resolve()
  }

  #dropped(lines: readonly string[], problem: string): void {
    this.ledger.dropped += lines.length
    this.#throttle.error('dropped', { dropped: this.ledger.dropped, problem }, 'samples dropped')
    this.#tellWhenSettled()
  }

  #tellWhenSettled(): void {
    if (this.ledger.held === 0) this.#finishing?.()
  }
}

/**
 * The time of a point, µs. It is the send time of its message, which every message of the load generator has. It is
 * read from the line, because WriteApi returns nothing else: 16 digits, without allocation.
 */
function timeOfLine(line: string): number {
  const end = line.length - 3
  let us = 0
  for (let i = line.lastIndexOf(' ') + 1; i < end; i++) us = us * 10 + line.charCodeAt(i) - 0x30
  return us
}
