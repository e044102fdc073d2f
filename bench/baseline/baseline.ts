import { DEFAULT_WriteOptions, HttpError, type WriteApi } from '@influxdata/influxdb-client'
import { Ties } from '../../internal/codec/ties.ts'
import { LatencyRecorder } from '../../internal/observe/latency.ts'
import type { LogThrottle } from '../../internal/observe/log-throttle.ts'
import type { Sample } from '../../internal/sample/sample.ts'
import { Series } from '../../internal/sample/series.ts'
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
 * What our pipeline is compared with: the way of an able engineer who does not think of allocation. JSON.parse, a new object and a
 * Point of the client library for each message, and its WriteApi for batches, retries and transport. It does less than ours, on purpose: no
 * checks of what comes in, no dead letters, no count of what was lost on the wire, no live values, no spool, no bound.
 *
 * What does not belong to the plain way is ours on both sides, and costs both the same, so that it tilts nothing: the clock, the histograms, the
 * ledger, and the times of samples that share a microsecond (Ties).
 */
export class Baseline {
  readonly ledger = new PlainLedger()
  readonly latency = { internal: new LatencyRecorder(), e2e: new LatencyRecorder(), durable: new LatencyRecorder() }
  readonly #clock: Clock
  readonly #throttle: LogThrottle
  readonly #ties = new Ties()
  /** Reused for its two times; the series in it is only there to begin with. */
  readonly #place: Sample = { series: new Series('', '', []), values: [], at: 0, tie: 0 }
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

  /** Takes a message; one that makes no point is counted as rejected. */
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

  /** Writes what is left, once more what waits for a retry too. When the signal fires first, that stays `held` in the ledger. */
  async finish(signal: AbortSignal): Promise<void> {
    const settled = new Promise<void>((resolve) => {
      this.#finishing = resolve
    })
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    // `close` alone would drop what waits for a retry, and waits only for the last of the requests that are under way.
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

  /** @returns undefined to leave the lines to the client's retries; where it would give up without a word, this counts them first */
  #failed(error: Error, lines: readonly string[], attempt: number, expires: number): Promise<void> | undefined {
    const isRefused = error instanceof HttpError && error.statusCode < 429
    if (isRefused) {
      // At worst it is one line of the thousand: the client does not tell which, and InfluxDB has the others.
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
 * The time of a point, µs: it is the send time of its message, as the load generator's messages all have one. Read from the line
 * itself, because WriteApi gives back nothing else; 16 digits, and nothing allocated.
 */
function timeOfLine(line: string): number {
  const end = line.length - 3
  let us = 0
  for (let i = line.lastIndexOf(' ') + 1; i < end; i++) us = us * 10 + line.charCodeAt(i) - 0x30
  return us
}
