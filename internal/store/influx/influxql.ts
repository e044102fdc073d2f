import { errorText } from '../../text/error-text.ts'
import { StoreError, tooManyPoints } from '../store.ts'
import { readError, shorten } from './answer.ts'
import { bucketName, databaseOf } from './bucket.ts'
import { parseExactly } from './exact-json.ts'
import { type InfluxAnswer, TransportError } from './exchange.ts'
import { influxError, isWrongAddress, NOT_SET_UP, rightAdvice, WRONG_ADDRESS } from './problem.ts'
import { isNotSetUp } from './set-up.ts'
import type { InfluxTransport } from './transport.ts'

const MAX_ANSWER_BYTES = 32 * 1024 * 1024
/** An answer in chunks is never silently cut off at `max-row-limit`, and reading an endless one stops early. */
const CHUNK_ROWS = 10_000

/** A bound parameter of a statement. An integer is a bigint because nanoseconds exceed a double. */
export type Param =
  | string
  | { readonly identifier: string }
  | { readonly duration: string }
  | { readonly integer: bigint }

/** Rows of one measurement and tag set. */
export interface Rows {
  readonly tags: Readonly<Record<string, string>>
  /** The names of the values, `time` first. */
  readonly columns: readonly string[]
  /**
   * Each row has the time in µs and the values, in the order of the statement's columns. An integer that no number holds exactly is
   * an array of one text, its digits.
   */
  readonly values: unknown[][]
}

interface StatementResult {
  readonly error?: string
  readonly series?: ReadonlyArray<{
    readonly name: string
    readonly tags?: Rows['tags']
    readonly columns: Rows['columns']
    readonly values: Rows['values']
  }>
}

/**
 * A value of the answer is infinite, as the mean of two values of 1.7e308 is. JSON has no infinity, so InfluxDB gives
 * this error in place of the rows: 1.x as plain text, 2.x as JSON.
 */
export class NotFiniteError extends StoreError {}

export interface InfluxQlOptions {
  readonly transport: InfluxTransport
  /** The bucket, by name or id; on InfluxDB 1.x the database, or `database/policy`. 2.x shows every bucket as a database of its name. */
  readonly bucket: string
  /** Named in the error about an answer that is too large. */
  readonly maxPoints: number
}

/** Runs InfluxQL statements. Names and values are always bound as parameters, never pasted into the text. */
export class InfluxQl {
  readonly #options: InfluxQlOptions
  /** The name of the bucket, from the first query until one fails: an id may not have been found then, and a bucket may get another name. */
  #name: string | undefined

  constructor(options: InfluxQlOptions) {
    this.#options = options
  }

  /**
   * The rows of some statements. An aggregate that does not support the kind of its field gives no rows.
   *
   * @throws StoreError, `too_much` when there are more than `maxRows`; NotFiniteError
   */
  async select(
    statements: string,
    params: Readonly<Record<string, Param>>,
    signal: AbortSignal,
    maxRows = Infinity,
  ): Promise<Rows[]> {
    const answer = await this.#query(statements, params, signal)
    const { status } = answer
    if (status !== 200) {
      this.#name = undefined
      const kind = status >= 500 || status === 429 || status === 408 ? 'away' : 'refused'
      const message = shorten(readError(answer).message)
      const advice = await this.#advice(status, message, signal)
      throw this.#error(kind, `answers ${status} ${message}${advice}`)
    }
    if (answer.cut) throw tooManyPoints(this.#options.maxPoints)
    return this.#readChunks(answer.body, maxRows)
  }

  async #advice(status: number, message: string, signal: AbortSignal): Promise<string> {
    const { bucket, transport } = this.#options
    if (status === 401)
      return `: ${(await isNotSetUp(transport, signal)) ? NOT_SET_UP : `check ${transport.credentials}`}`
    if (status === 404 && isWrongAddress(message)) return `: ${WRONG_ADDRESS}`
    return status === 403 ? `: ${rightAdvice('read', bucket, transport.credentials)}` : ''
  }

  /** 2.x says the same of a bucket that is not there and of one that the token may not read. */
  #hint(error: string): string {
    const { bucket, transport } = this.#options
    if (!/^(database|retention policy) not found/.test(error)) return ''
    const hint = `: create bucket "${bucket}", correct INFLUX_BUCKET, or ${rightAdvice('read', bucket, transport.credentials)}`
    transport.doubtToken()
    return hint
  }

  async #query(
    statements: string,
    params: Readonly<Record<string, Param>>,
    signal: AbortSignal,
  ): Promise<InfluxAnswer> {
    const { transport, bucket } = this.#options
    const form = new URLSearchParams({ q: statements, params: paramsJson(params), epoch: 'u' })
    form.set('chunked', 'true')
    form.set('chunk_size', String(CHUNK_ROWS))
    try {
      this.#name ??= await bucketName(transport, bucket, signal)
      for (const [key, value] of Object.entries(databaseOf(this.#name))) form.set(key, value)
      const request = {
        method: 'POST',
        path: '/query',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: form.toString(),
        maxAnswerBytes: MAX_ANSWER_BYTES,
      } as const
      return await transport.send(request, signal)
    } catch (error) {
      const kind = error instanceof TransportError && error.code === 'NO_TOKEN' ? 'refused' : 'away'
      throw this.#error(kind, `cannot be asked: ${errorText(error)}`, error)
    }
  }

  /** Reads one JSON document per line. A series that continues in the next document repeats its tags there. */
  #readChunks(body: string, maxRows: number): Rows[] {
    const found: Rows[] = []
    let rows = 0
    let openSeries = ''
    for (const line of body.split('\n')) {
      if (line === '') continue
      for (const { error, series = [] } of this.#parseChunk(line)) {
        if (error !== undefined) {
          if (isUnsupportedKind(error)) return []
          if (isNotFinite(error)) throw new NotFiniteError('refused', error)
          this.#name = undefined
          if (isLimit(error))
            throw new StoreError('too_much', `${error}: ask for a shorter range, or for larger buckets`)
          throw this.#error(isTemporary(error) ? 'away' : 'refused', `answers: ${shorten(error)}${this.#hint(error)}`)
        }
        for (const { name, tags = {}, columns, values } of series) {
          rows += values.length
          if (rows > maxRows) throw tooManyPoints(this.#options.maxPoints)
          const key = JSON.stringify([name, tags])
          if (key === openSeries) found.at(-1)!.values.push(...values)
          else found.push({ tags, columns, values })
          openSeries = key
        }
      }
    }
    return found
  }

  #parseChunk(line: string): StatementResult[] {
    try {
      const chunk = parseExactly(line) as { results?: StatementResult[]; error?: string }
      return chunk.results ?? [{ error: chunk.error ?? 'no results' }]
    } catch (error) {
      if (isNotFinite(line)) return [{ error: line }]
      throw this.#error('away', `does not answer with JSON: ${shorten(line)}`, error)
    }
  }

  #error(kind: StoreError['kind'], message: string, cause?: unknown): StoreError {
    return influxError(kind, this.#options.transport.url, message, cause)
  }
}

/** The error about, for example, the minimum of a string or the mean of a boolean. */
function isUnsupportedKind(error: string): boolean {
  return /^unsupported \w+ iterator type/.test(error)
}

function isNotFinite(error: string): boolean {
  return /^json: .*unsupported value: /.test(error)
}

/** A limit of the server's own settings for one query (`max-select-buckets` of 1.x); another query is answered. */
function isLimit(error: string): boolean {
  return /^max-select-\w+ limit exceed/.test(error)
}

function isTemporary(error: string): boolean {
  return /timeout|interrupted|max-concurrent-queries/.test(error)
}

/** JSON in which integers keep all their digits. */
function paramsJson(params: Readonly<Record<string, Param>>): string {
  const entries = Object.entries(params).map(([name, value]) => {
    const text =
      typeof value === 'object' && 'integer' in value ? `{"integer":${value.integer}}` : JSON.stringify(value)
    return `${JSON.stringify(name)}:${text}`
  })
  return `{${entries.join(',')}}`
}
