import type { Batch, StoreWriter, WriteLimits, WriteResult } from '../store.ts'
import { Attempt, type AttemptFailure } from './attempt.ts'
import { BatchPool, LineBatch } from './batch.ts'
import { BatchSize } from './batch-size.ts'
import { whollyRefused } from './blame.ts'
import type { Outcome } from './outcome.ts'
import { writeProblem } from './problem.ts'
import { WriteApi, type WriteApiOptions } from './write-api.ts'

const MAX_SAMPLES = 5_000
const MAX_BYTES = 1024 * 1024
const IN_FLIGHT = 2
/** At most: each is a batch of up to 1 MiB in memory. `ReplayWindow` finds out how many a store takes; a near one takes one or two. */
const REPLAYS = 4

/** The transport belongs to the writer, which closes it. */
export interface InfluxWriterOptions extends WriteApiOptions {
  readonly limits?: Partial<WriteLimits>
}

/** Writes batches as line protocol with times in nanoseconds. */
export class InfluxWriter implements StoreWriter {
  readonly #pool = new BatchPool()
  #options: InfluxWriterOptions
  #api: WriteApi
  #size: BatchSize
  #limits: WriteLimits
  /** Bodies with lines that a server has accepted. */
  #accepted = 0

  constructor(options: InfluxWriterOptions) {
    this.#options = options
    this.#api = new WriteApi(options)
    this.#limits = limitsOf(options)
    this.#size = new BatchSize(this.#limits.maxBytes)
  }

  /** Applies new settings to later requests and batches. Requests in flight end at the old server. */
  reconfigure(options: InfluxWriterOptions): void {
    this.#options.transport.retire()
    this.#options = options
    this.#api = new WriteApi(options)
    this.#limits = limitsOf(options)
    this.#size = new BatchSize(this.#limits.maxBytes)
  }

  /** `maxBytes` shrinks when the server (or a proxy before it) answers 413, and grows back by an eighth a minute. */
  get limits(): WriteLimits {
    return this.#limits
  }

  openBatch(): LineBatch {
    const { maxSamples, maxBytes } = this.#limits
    return this.#pool.open({ maxSamples, maxBytes, maxLineBytes: Math.max(MAX_BYTES, maxBytes) })
  }

  batchOf(record: Buffer): LineBatch {
    return LineBatch.from(record)
  }

  async write(batch: Batch, signal: AbortSignal): Promise<WriteResult> {
    if (!(batch instanceof LineBatch)) throw new TypeError('a batch of another store')
    const api = this.#api
    const result = await this.#attempt(batch, signal)
    // A failure at the old server says nothing about the new one.
    const isOutdated = result.next !== 'ack' && this.#api !== api && !signal.aborted
    return isOutdated ? this.write(batch, signal) : result
  }

  async check(signal: AbortSignal): Promise<string> {
    const fault = await this.#api.findFault(signal)
    return fault === undefined ? '' : writeProblem(fault, this.#options)
  }

  async close(): Promise<void> {
    this.#options.transport.close()
  }

  async #attempt(batch: LineBatch, signal: AbortSignal): Promise<WriteResult> {
    const result = await new Attempt(batch, {
      send: (body) => this.#send(body, signal),
      findFault: () => this.#api.findFault(signal),
      tooLarge: (bytes) => {
        this.#size.shrink(bytes)
        this.#applySize()
      },
      accepted: () => this.#accepted,
    }).run()
    if (!Array.isArray(result)) return this.#undecided(result)
    const refusedMeasurements = result.length === 0 ? [] : whollyRefused(batch, result)
    return { next: 'ack', rejected: result, ...(refusedMeasurements.length > 0 ? { refusedMeasurements } : {}) }
  }

  async #send(body: Buffer, signal: AbortSignal): Promise<Outcome> {
    const outcome = await this.#api.send(body, signal)
    if (outcome.action === 'accept') {
      this.#accepted++
      this.#size.grow()
      this.#applySize()
    }
    return outcome
  }

  #applySize(): void {
    const { maxBytes } = this.#size
    if (maxBytes !== this.#limits.maxBytes) this.#limits = { ...this.#limits, maxBytes }
  }

  #undecided(failure: AttemptFailure): Exclude<WriteResult, { next: 'ack' }> {
    const { action, onlyThisBatch, afterMs, cause } = failure
    return {
      next: onlyThisBatch ? 'postpone' : action,
      problem: writeProblem(failure, this.#options),
      ...(afterMs === undefined ? {} : { afterMs }),
      ...(cause === undefined ? {} : { cause }),
    }
  }
}

function limitsOf({ limits }: InfluxWriterOptions): WriteLimits {
  return { maxSamples: MAX_SAMPLES, maxBytes: MAX_BYTES, inFlight: IN_FLIGHT, replays: REPLAYS, ...limits }
}
