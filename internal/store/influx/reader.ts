import { errorText } from '../../text/error-text.ts'
import {
  type Aggregate,
  bySeries,
  type HistoryQuery,
  type HistorySeries,
  type KnownHost,
  MAX_HISTORY_POINTS,
  StoreError,
  type StoreReader,
  tooManyPoints,
} from '../store.ts'
import { readError, shorten } from './outcome.ts'
import { type InfluxTransport, TransportError } from './transport.ts'

const MAX_ANSWER_BYTES = 32 * 1024 * 1024
/** Asked for in chunks, an answer is never silently cut off at `max-row-limit`, and an endless one is given up early. */
const CHUNK_ROWS = 10_000
const MEASUREMENTS_A_REQUEST = 50

export interface InfluxReaderOptions {
  /** Belongs to the reader: closed with it. */
  readonly transport: InfluxTransport
  /** The bucket; on InfluxDB 1.x the database. 2.x shows every bucket as a database of its name. */
  readonly bucket: string
  /** The most points that one `history` gives; a query that finds more is refused. Default 100,000. */
  readonly maxPoints?: number
}

/** What InfluxQL can take as a bound parameter. Times travel as digits, because their nanoseconds exceed a double. */
type Param = string | { readonly identifier: string } | { readonly duration: string } | { readonly integer: bigint }

interface Row {
  readonly tags: Readonly<Record<string, string>>
  /** The time in µs and the values, in the order of the statement's columns. */
  readonly values: unknown[][]
}

/** The expression of each aggregate. `::field` tells a field from a tag of the same name. */
const EXPRESSIONS: Readonly<Record<Aggregate, string>> = {
  mean: 'mean($field::field)',
  min: 'min($field::field)',
  max: 'max($field::field)',
  last: 'last($field::field)',
  p50: 'percentile($field::field, 50)',
  p90: 'percentile($field::field, 90)',
  p99: 'percentile($field::field, 99)',
}

/** Reads by InfluxQL, the one language that InfluxDB 1, 2 and 3 answer. Names and values are always bound, never pasted. */
export class InfluxReader implements StoreReader {
  #transport: InfluxTransport
  #bucket: string
  #maxPoints: number

  constructor(options: InfluxReaderOptions) {
    this.#transport = options.transport
    this.#bucket = options.bucket
    this.#maxPoints = options.maxPoints ?? MAX_HISTORY_POINTS
  }

  /** Asks by these from now on; what was asked before is answered by the server that it went to. */
  reconfigure(options: InfluxReaderOptions): void {
    this.#transport.retire()
    this.#transport = options.transport
    this.#bucket = options.bucket
    this.#maxPoints = options.maxPoints ?? MAX_HISTORY_POINTS
  }

  /**
   * The newest row of each measurement and host. Every field is asked for, because a sample may have any of them, and each measurement by itself,
   * because over several InfluxQL sees a field only in those where it has the same type. Measured on 1.6 with 100 hosts of 17 series: 0.15 s.
   */
  async hosts(sinceUs: number, signal: AbortSignal): Promise<KnownHost[]> {
    const found = await this.#select('SHOW MEASUREMENTS', {}, Infinity, signal)
    const measurements = found.flatMap(({ values }) => values.map(([name]) => String(name)))
    const newest = new Map<string, number>()
    for (let from = 0; from < measurements.length; from += MEASUREMENTS_A_REQUEST) {
      const some = measurements.slice(from, from + MEASUREMENTS_A_REQUEST)
      for (const { tags, values } of await this.#newestRows(some, sinceUs, signal)) {
        const host = tags.host ?? ''
        const atUs = Number(values[0]?.[0])
        if (host !== '' && atUs > (newest.get(host) ?? -Infinity)) newest.set(host, atUs)
      }
    }
    const hosts = [...newest].map(([host, lastSeenAt]) => ({ host, lastSeenAt }))
    return hosts.sort((a, b) => (a.host < b.host ? -1 : 1))
  }

  #newestRows(measurements: readonly string[], sinceUs: number, signal: AbortSignal): Promise<Row[]> {
    const params: Record<string, Param> = { since: nanoseconds(sinceUs) }
    const statements = measurements.map((measurement, n) => {
      params[`m${n}`] = { identifier: measurement }
      return `SELECT *::field FROM $m${n} WHERE time >= $since GROUP BY host ORDER BY time DESC LIMIT 1`
    })
    return this.#select(statements.join('; '), params, Infinity, signal)
  }

  /** Each field is a request of its own: an error (a mean of strings) would keep the statements after it from being executed. */
  async history(query: HistoryQuery, signal: AbortSignal): Promise<HistorySeries[]> {
    const found = await Promise.all(query.fields.map((field) => this.#fieldHistory(field, query, signal)))
    const series = found.flat()
    const points = series.reduce((sum, one) => sum + one.points.length, 0)
    if (points > this.#maxPoints) throw tooManyPoints(this.#maxPoints)
    return series
  }

  async close(): Promise<void> {
    this.#transport.close()
  }

  async #fieldHistory(field: string, query: HistoryQuery, signal: AbortSignal): Promise<HistorySeries[]> {
    if (field === '' || query.measurement === '') return []
    const params: Record<string, Param> = {
      field: { identifier: field },
      measurement: { identifier: query.measurement },
      start: nanoseconds(query.startUs),
      end: nanoseconds(query.endUs),
      every: { duration: `${query.everyUs}u` },
    }
    const conditions = ['time >= $start', 'time < $end']
    for (const [n, [key, value]] of Object.entries(query.tags).entries()) {
      params[`key${n}`] = { identifier: key }
      params[`value${n}`] = value
      conditions.push(`$key${n}::tag = $value${n}`)
    }
    const rows = await this.#select(
      `SELECT ${EXPRESSIONS[query.aggregate]} FROM $measurement WHERE ${conditions.join(' AND ')} GROUP BY time($every), * fill(none)`,
      params,
      this.#maxPoints,
      signal,
    )
    const series = rows.map(({ tags, values }) => ({ tags: withoutEmpty(tags), field, points: numbersOf(values) }))
    return series.filter(({ points }) => points.length > 0).sort(bySeries)
  }

  /** What some statements give, the values of one measurement and tag set together. */
  async #select(
    statements: string,
    params: Readonly<Record<string, Param>>,
    maxPoints: number,
    signal: AbortSignal,
  ): Promise<Row[]> {
    const form = new URLSearchParams({ db: this.#bucket, q: statements, params: paramsJson(params), epoch: 'u' })
    form.set('chunked', 'true')
    form.set('chunk_size', String(CHUNK_ROWS))
    const request = {
      method: 'POST',
      path: '/query',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: form.toString(),
      maxAnswerBytes: MAX_ANSWER_BYTES,
    } as const
    let answer: Awaited<ReturnType<InfluxTransport['send']>>
    try {
      answer = await this.#transport.send(request, signal)
    } catch (error) {
      const kind = error instanceof TransportError && error.code === 'NO_TOKEN' ? 'refused' : 'away'
      throw this.#error(kind, `cannot be asked: ${errorText(error)}`, error)
    }
    const { status } = answer
    if (status !== 200) {
      const kind = status >= 500 || status === 429 || status === 408 ? 'away' : 'refused'
      const advice = status === 401 ? `: check ${this.#transport.credentials}` : ''
      throw this.#error(kind, `answers ${status} ${shorten(readError(answer).words)}${advice}`)
    }
    if (answer.cut) throw tooManyPoints(this.#maxPoints)
    return this.#readChunks(answer.body, maxPoints)
  }

  /** One JSON document a line; a series that goes on in the next document has its tags there again. */
  #readChunks(body: string, maxPoints: number): Row[] {
    const rows: Row[] = []
    let points = 0
    let open = ''
    for (const line of body.split('\n')) {
      if (line === '') continue
      for (const { error, series = [] } of this.#parseChunk(line)) {
        if (error !== undefined) {
          if (isOfAnotherKind(error)) return []
          throw this.#error(isTemporary(error) ? 'away' : 'refused', `answers: ${shorten(error)}`)
        }
        for (const { name, tags = {}, values } of series) {
          points += values.length
          if (points > maxPoints) throw tooManyPoints(this.#maxPoints)
          const key = JSON.stringify([name, tags])
          if (key === open) rows.at(-1)!.values.push(...values)
          else rows.push({ tags, values })
          open = key
        }
      }
    }
    return rows
  }

  #parseChunk(line: string): ChunkResult[] {
    try {
      const chunk: { results?: ChunkResult[]; error?: string } = JSON.parse(line)
      return chunk.results ?? [{ error: chunk.error ?? 'no results' }]
    } catch (error) {
      throw this.#error('away', `answers what is not JSON: ${shorten(line)}`, error)
    }
  }

  #error(kind: StoreError['kind'], words: string, cause?: unknown): StoreError {
    return new StoreError(kind, `InfluxDB at ${this.#transport.url} ${words}`, { cause })
  }
}

interface ChunkResult {
  readonly error?: string
  readonly series?: ReadonlyArray<{
    readonly name: string
    readonly tags?: Row['tags']
    readonly values: Row['values']
  }>
}

/** Strings have no minimum and booleans no mean: to the caller, the field has no points. */
function isOfAnotherKind(error: string): boolean {
  return /^unsupported \w+ iterator type/.test(error)
}

function isTemporary(error: string): boolean {
  return /timeout|interrupted|max-concurrent-queries/.test(error)
}

function numbersOf(values: Row['values']): Array<[number, number]> {
  const points: Array<[number, number]> = []
  for (const [atUs, value] of values) {
    if (typeof value === 'number') points.push([Number(atUs), value])
    else if (typeof value === 'boolean') points.push([Number(atUs), value ? 1 : 0])
  }
  return points
}

/** InfluxDB gives a series every tag key of its measurement, with '' for those it does not have. */
function withoutEmpty(tags: Row['tags']): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).filter(([, value]) => value !== ''))
}

function nanoseconds(us: number): { integer: bigint } {
  return { integer: BigInt(us) * 1000n }
}

/** JSON whose integers have all their digits. */
function paramsJson(params: Readonly<Record<string, Param>>): string {
  const entries = Object.entries(params).map(([name, value]) => {
    const text =
      typeof value === 'object' && 'integer' in value ? `{"integer":${value.integer}}` : JSON.stringify(value)
    return `${JSON.stringify(name)}:${text}`
  })
  return `{${entries.join(',')}}`
}
