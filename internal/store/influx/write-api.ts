import { promisify } from 'node:util'
import { gzip as gzipCallback } from 'node:zlib'
import { readError } from './answer.ts'
import { databaseOf } from './bucket.ts'
import type { InfluxAnswer } from './exchange.ts'
import { type Outcome, outcomeOf, outcomeOfFailure, type Undecided } from './outcome.ts'
import { NOT_SET_UP } from './problem.ts'
import { isNotSetUp } from './set-up.ts'
import type { InfluxTransport, RepeatedPost } from './transport.ts'

const gzip = promisify(gzipCallback)

export interface WriteApiOptions {
  readonly transport: InfluxTransport
  /** For InfluxDB 2 and 3: the name or the id. */
  readonly org: string
  /** The bucket, by name or id; on InfluxDB 1.x the database, or `database/policy`. */
  readonly bucket: string
  /** `v1` is `/write?db=`, `v2` is `/api/v2/write`; `auto` (the default) asks `/ping`. */
  readonly writePath?: 'auto' | 'v1' | 'v2'
  /** Creates the database of InfluxDB 1.x if it is missing. Default true. */
  readonly createDatabase?: boolean
  /** Spends CPU to save network. Default false. */
  readonly gzip?: boolean
}

/** The write requests of one InfluxDB, in the version's own dialect. */
export class WriteApi {
  readonly #options: WriteApiOptions
  /** Determined before the first write, and again after a `wait`: another server may have taken the address. */
  #dialect: 'v1' | 'v2' | undefined
  readonly #posts: { v1?: RepeatedPost; v2?: RepeatedPost } = {}

  constructor(options: WriteApiOptions) {
    this.#options = options
  }

  /** Sends lines. Creates a missing database of InfluxDB 1.x on the way. Never rejects. */
  async send(body: Buffer, signal: AbortSignal): Promise<Outcome> {
    try {
      this.#dialect ??= await this.#findDialect(signal)
      let outcome = outcomeOf(await this.#post(this.#dialect, body, signal))
      if (this.#isDatabaseMissing(outcome)) {
        const failure = await this.#createDatabase(signal)
        outcome = failure ?? outcomeOf(await this.#post('v1', body, signal))
      }
      if (outcome.action === 'wait') this.#dialect = undefined
      if (outcome.action === 'wait' && outcome.status === 401) return await this.#explain(outcome, signal)
      return outcome
    } catch (error) {
      return outcomeOfFailure(error)
    }
  }

  /**
   * What is wrong with every write, regardless of its lines; undefined when writes work. Writes nothing: every server
   * accepts an empty body after it has checked token, organisation and bucket.
   */
  async findFault(signal: AbortSignal): Promise<Undecided | undefined> {
    const outcome = await this.send(Buffer.alloc(0), signal)
    switch (outcome.action) {
      case 'accept':
        return undefined
      case 'wait':
      case 'retry':
        return outcome
      case 'reject':
        // InfluxDB 3 has found the bucket by then, and only complains that there are no lines.
        return /\bempty\b/i.test(outcome.message) ? undefined : { ...outcome, action: 'wait' }
      case 'split':
        return { ...outcome, action: 'wait' }
    }
  }

  async #explain(refusal: Undecided, signal: AbortSignal): Promise<Undecided> {
    return (await isNotSetUp(this.#options.transport, signal)) ? { ...refusal, advice: NOT_SET_UP } : refusal
  }

  async #post(dialect: 'v1' | 'v2', body: Buffer, signal: AbortSignal): Promise<InfluxAnswer> {
    this.#posts[dialect] ??= postOf(dialect, this.#options)
    return this.#options.transport.post(this.#posts[dialect], this.#options.gzip ? await gzip(body) : body, signal)
  }

  /** VictoriaMetrics 1.79 names no version, and takes `/api/v2/write`. */
  async #findDialect(signal: AbortSignal): Promise<'v1' | 'v2'> {
    const { writePath = 'auto', transport } = this.#options
    if (writePath !== 'auto') return writePath
    const answer = await transport.send({ method: 'GET', path: '/ping' }, signal)
    return isVersion1(answer) ? 'v1' : 'v2'
  }

  #isDatabaseMissing(outcome: Outcome): boolean {
    const { createDatabase = true } = this.#options
    return createDatabase && outcome.action === 'wait' && /^database not found/.test(outcome.message)
  }

  /** @returns undefined when the database exists now */
  async #createDatabase(signal: AbortSignal): Promise<Undecided | undefined> {
    const name = databaseOf(this.#options.bucket).db.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')
    const body = new URLSearchParams({ q: `CREATE DATABASE "${name}"` }).toString()
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await this.#options.transport.send({ method: 'POST', path: '/query', headers, body }, signal)
    if (answer.status === 200 && !answer.body.includes('"error"')) return undefined
    const message = `the database is missing and cannot be created: ${readError(answer).message.trim()}`
    const advice = 'have an administrator of InfluxDB create it, or correct INFLUX_BUCKET'
    return { action: answer.status >= 500 ? 'retry' : 'wait', status: answer.status, message, advice }
  }
}

function postOf(dialect: 'v1' | 'v2', { org, bucket, gzip }: WriteApiOptions): RepeatedPost {
  const query = new URLSearchParams(dialect === 'v1' ? { ...databaseOf(bucket) } : { org, bucket })
  const path = `${dialect === 'v1' ? '/write' : '/api/v2/write'}?${query}&precision=ns`
  const headers = { 'content-type': 'text/plain; charset=utf-8', ...(gzip ? { 'content-encoding': 'gzip' } : {}) }
  return { path, headers }
}

/** InfluxDB 1.x and its relatives. 2.7 answers `dev` or `v2.7.12`. */
function isVersion1(answer: InfluxAnswer): boolean {
  return /^v?1\./.test(String(answer.headers['x-influxdb-version'] ?? ''))
}
