import { promisify } from 'node:util'
import { gzip as gzipCallback } from 'node:zlib'
import type { Batch, StoreWriter, WriteLimits, WriteResult } from '../store.ts'
import { Attempt, type Undecided } from './attempt.ts'
import { BatchPool, LineBatch } from './batch.ts'
import { type Outcome, outcomeOf, outcomeOfFailure, shorten } from './outcome.ts'
import { type InfluxAnswer, type InfluxTransport, TransportError } from './transport.ts'

const gzip = promisify(gzipCallback)

const MAX_SAMPLES = 5_000
const MAX_BYTES = 1024 * 1024
/** A 413 halves the size of later batches, but not below this: smaller ones would cost more requests than they save. */
const MIN_BYTES = 16 * 1024
/** How often they grow again by an eighth, until one is too large once more: a proxy's bound may have been lifted. */
const GROW_EVERY_MS = 60_000
export interface InfluxWriterOptions {
  /** Belongs to the writer: closed with it. */
  readonly transport: InfluxTransport
  /** Of InfluxDB 2 and 3. */
  readonly org: string
  /** The bucket; on InfluxDB 1.x the database. */
  readonly bucket: string
  /** `v1` is `/write?db=`, `v2` is `/api/v2/write`; `auto` (the default) asks `/ping`. */
  readonly writePath?: 'auto' | 'v1' | 'v2'
  /** Makes the database of InfluxDB 1.x where it is missing. Default true. */
  readonly createDatabase?: boolean
  /** Spends CPU to save network. Default false. */
  readonly gzip?: boolean
  readonly limits?: Partial<WriteLimits>
}

/** Writes batches as line protocol with times in nanoseconds. */
export class InfluxWriter implements StoreWriter {
  #options: InfluxWriterOptions
  readonly #pool = new BatchPool()
  #limits: WriteLimits
  /** Found out at the first request, and again after one that went to the wrong place: the server may have been replaced. */
  #dialect: 'v1' | 'v2' | undefined
  /** Bodies with lines in them that the server has taken. */
  #taken = 0
  #sizedAtMs = 0

  constructor(options: InfluxWriterOptions) {
    this.#options = options
    this.#limits = limitsOf(options)
  }

  /** Writes by these from now on, and opens batches within these limits; what a server is being asked meanwhile it may still answer. */
  reconfigure(options: InfluxWriterOptions): void {
    this.#options.transport.retire()
    this.#options = options
    this.#limits = limitsOf(options)
    this.#dialect = undefined
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
    const options = this.#options
    const result = await this.#write(batch, signal)
    // That a server which has been replaced meanwhile did not take it says nothing of the new one.
    const isOutdated = result.next !== 'ack' && this.#options !== options && !signal.aborted
    return isOutdated ? this.write(batch, signal) : result
  }

  async #write(batch: LineBatch, signal: AbortSignal): Promise<WriteResult> {
    const writer = this
    const result = await new Attempt(batch, {
      send: (body) => this.#send(body, signal),
      faultOfRequest: () => this.#faultOfRequest(signal),
      tooLarge: (bytes) => this.#rememberTooLarge(bytes),
      get taken() {
        return writer.#taken
      },
    }).run()
    return Array.isArray(result) ? { next: 'ack', rejected: result } : this.#undecided(result)
  }

  /** Writes nothing: all servers take an empty body, after they have looked at token, organisation and bucket. */
  async check(signal: AbortSignal): Promise<string> {
    const fault = await this.#faultOfRequest(signal)
    return fault === undefined ? '' : this.#describe(fault)
  }

  async close(): Promise<void> {
    this.#options.transport.close()
  }

  /** What is wrong with every write, whatever its lines; undefined when nothing is. */
  async #faultOfRequest(signal: AbortSignal): Promise<Undecided | undefined> {
    const outcome = await this.#send(Buffer.alloc(0), signal)
    switch (outcome.action) {
      case 'accept':
        return undefined
      case 'wait':
      case 'retry':
        return outcome
      case 'reject':
        // InfluxDB 3 knows the bucket by then, and only misses the lines.
        return /\bempty\b/i.test(outcome.words) ? undefined : { ...outcome, action: 'wait' }
      case 'split':
        return { ...outcome, action: 'wait' }
    }
  }

  async #send(body: Buffer, signal: AbortSignal): Promise<Outcome> {
    try {
      const options = this.#options
      const dialect = this.#dialect ?? (await this.#findDialect(signal))
      if (this.#options === options) this.#dialect = dialect
      let outcome = outcomeOf(await this.#post(dialect, body, signal))
      if (this.#misses(outcome)) {
        const creation = await this.#createDatabase(signal)
        outcome = creation ?? outcomeOf(await this.#post('v1', body, signal))
      }
      if (outcome.action === 'wait') this.#dialect = undefined
      if (outcome.action === 'accept' && body.length > 0) {
        this.#taken++
        this.#growBack()
      }
      return outcome
    } catch (error) {
      return outcomeOfFailure(error)
    }
  }

  async #post(dialect: 'v1' | 'v2', body: Buffer, signal: AbortSignal): Promise<InfluxAnswer> {
    const { org, bucket } = this.#options
    const query = new URLSearchParams(dialect === 'v1' ? { db: bucket } : { org, bucket })
    const path = `${dialect === 'v1' ? '/write' : '/api/v2/write'}?${query}&precision=ns`
    const headers: Record<string, string> = { 'content-type': 'text/plain; charset=utf-8' }
    if (!this.#options.gzip) return this.#options.transport.send({ method: 'POST', path, headers, body }, signal)
    headers['content-encoding'] = 'gzip'
    return this.#options.transport.send({ method: 'POST', path, headers, body: await gzip(body) }, signal)
  }

  /** Only InfluxDB 1.x and its kin say so; VictoriaMetrics 1.79 says nothing and takes `/api/v2/write`. */
  async #findDialect(signal: AbortSignal): Promise<'v1' | 'v2'> {
    const { writePath = 'auto' } = this.#options
    if (writePath !== 'auto') return writePath
    const answer = await this.#options.transport.send({ method: 'GET', path: '/ping' }, signal)
    return isVersion1(answer) ? 'v1' : 'v2'
  }

  #misses(outcome: Outcome): boolean {
    const { createDatabase = true } = this.#options
    return createDatabase && outcome.action === 'wait' && /^database not found/.test(outcome.words)
  }

  /** @returns undefined when it is there now */
  async #createDatabase(signal: AbortSignal): Promise<Outcome | undefined> {
    const name = this.#options.bucket.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')
    const body = new URLSearchParams({ q: `CREATE DATABASE "${name}"` }).toString()
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await this.#options.transport.send({ method: 'POST', path: '/query', headers, body }, signal)
    if (answer.status === 200 && !answer.body.includes('"error"')) return undefined
    const words = `the database is missing and cannot be made: ${answer.body.trim()}`
    return { action: answer.status >= 500 ? 'retry' : 'wait', status: answer.status, words }
  }

  #rememberTooLarge(bytes: number): void {
    this.#sizedAtMs = performance.now()
    const maxBytes = Math.max(MIN_BYTES, bytes >> 1)
    if (maxBytes < this.#limits.maxBytes) this.#limits = { ...this.#limits, maxBytes }
  }

  #growBack(): void {
    const whole = limitsOf(this.#options).maxBytes
    const { maxBytes } = this.#limits
    if (maxBytes >= whole || performance.now() - this.#sizedAtMs < GROW_EVERY_MS) return
    this.#sizedAtMs = performance.now()
    this.#limits = { ...this.#limits, maxBytes: Math.min(whole, maxBytes + Math.ceil(maxBytes / 8)) }
  }

  #undecided(outcome: Undecided): Exclude<WriteResult, { next: 'ack' }> {
    const { action, alone, afterMs, cause } = outcome
    return {
      next: alone ? 'postpone' : action,
      problem: this.#describe(outcome),
      ...(afterMs === undefined ? {} : { afterMs }),
      ...(cause === undefined ? {} : { cause }),
    }
  }

  /** What, where, and what to do next. */
  #describe({ action, status, words, cause }: Undecided): string {
    const { org, bucket, transport } = this.#options
    const server = `InfluxDB at ${transport.url}`
    const said = shorten(words)
    if (cause instanceof TransportError && (cause.code === 'ABORTED' || cause.code === 'NO_TOKEN')) {
      return `${server}: ${said}`
    }
    if (status === 0) return `${server} cannot be reached: ${said}; is it running, and is INFLUX_URL right?`
    const answer = `${server} answers ${`${status} ${said}`.trimEnd()}`
    if (status === 401) return `${answer}: check ${transport.credentials}`
    if (status === 403) return `${answer}: give the token the right to write to bucket "${bucket}"`
    if (status === 404 && said.includes('database')) return `${answer}: create it, or correct INFLUX_BUCKET`
    if (status === 404) {
      return `${answer}: create bucket "${bucket}" in organisation "${org}", or correct INFLUX_BUCKET and INFLUX_ORG`
    }
    if (action === 'retry') return answer
    return `${answer}: check INFLUX_URL, INFLUX_ORG and INFLUX_BUCKET`
  }
}

function limitsOf({ limits }: InfluxWriterOptions): WriteLimits {
  return { maxSamples: MAX_SAMPLES, maxBytes: MAX_BYTES, inFlight: 2, ...limits }
}

/** Whether an answer comes from InfluxDB 1.x. 2.7 says `dev` or `v2.7.12`. */
function isVersion1(answer: InfluxAnswer): boolean {
  return /^v?1\./.test(String(answer.headers['x-influxdb-version'] ?? ''))
}
