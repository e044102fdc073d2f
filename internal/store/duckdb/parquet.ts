import { BIGINT, type DuckDBConnection } from '@duckdb/node-api'
import { countText } from '../../text/count.ts'
import { type ParquetQuery, StoreError } from '../store.ts'
import type { Catalogue, StoredSeries } from './catalogue.ts'
import { daysOf, matching, ofSeries, selectFrom } from './day-sql.ts'
import type { Lane } from './lane.ts'
import { queryAborted, queryFailed } from './problem.ts'

/** More are a file of several GB, which may fill the disk. */
const MAX_ROWS = 50_000_000
const INTERRUPT_EVERY_MS = 50

export interface ParquetOptions {
  readonly catalogue: Catalogue
  /** A connection of its own: a file may take minutes. */
  readonly connection: DuckDBConnection
  /** That of what drops tables: their blocks may be used again while a file is written from them. */
  readonly lane: Lane
}

/** Writes samples to files in Apache Parquet, which DuckDB does itself. */
export class ParquetWriter {
  readonly #options: ParquetOptions

  constructor(options: ParquetOptions) {
    this.#options = options
  }

  /** @throws StoreError `too_much` for more than 50 million samples */
  write(query: ParquetQuery, path: string, signal: AbortSignal): Promise<void> {
    const { connection, lane } = this.#options
    return lane.run(async () => {
      if (signal.aborted) throw queryAborted()
      const interrupting = setInterval(() => signal.aborted && connection.interrupt(), INTERRUPT_EVERY_MS)
      try {
        await this.#write(query, path)
      } catch (cause) {
        if (signal.aborted) throw queryAborted()
        throw cause instanceof StoreError ? cause : queryFailed(cause)
      } finally {
        clearInterval(interrupting)
        await connection.run('ROLLBACK').catch(() => undefined)
      }
      if (signal.aborted) throw queryAborted()
    })
  }

  async #write(query: ParquetQuery, path: string): Promise<void> {
    const { connection } = this.#options
    const range = [query.startUs, query.endUs].map((us) => BigInt(us) * 1000n)
    const types = [BIGINT, BIGINT]
    await connection.run('BEGIN')
    const rows = await this.#rowsOf(query)
    const [[count] = []] = (await connection.runAndReadAll(`SELECT count(*) FROM (${rows})`, range, types)).getRows()
    if (Number(count) > MAX_ROWS)
      throw new StoreError('too_much', `more than ${countText(MAX_ROWS)} samples: ask for a shorter range`)
    await connection.run(`COPY (${rows}) TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd)`, range, types)
  }

  /** The columns have the names of tags and fields, each once: letters count alike in upper and lower case. */
  async #rowsOf({ measurement: name, fields: asked, tags, ...range }: ParquetQuery): Promise<string> {
    const measurement = this.#options.catalogue.measurements.get(name)
    const all = [...(measurement?.fields.values() ?? [])].filter((field) => asked?.includes(field.name) ?? true)
    const series = measurement === undefined ? new Map() : matching(measurement, Object.entries(tags))
    const days = measurement === undefined ? [] : daysOf(measurement, all, range)
    const nothing = `SELECT CAST(NULL AS TIMESTAMP_NS) AS "time" WHERE $1 > $2`
    if (measurement === undefined || series.size === 0 || days.length === 0) return nothing
    const keys = await this.#putTags([...series.values()])
    const names = new Set<string>()
    const as = (of: string): string => identifier(unused(of, names))
    const columns = [`make_timestamp_ns(time_ns) AS ${as('time')}`, ...keys.map((key, n) => `t${n} AS ${as(key)}`)]
    columns.push(...all.map(({ name: field, column }) => `${column} AS ${as(field)}`))
    const where = `time_ns >= $1 AND time_ns < $2${series.size < measurement.series.size ? ofSeries(series) : ''}`
    const rows = days.map(({ table }) => `(${selectFrom(table, all, where)})`).join(' UNION ALL ')
    const isThere = all.map(({ column }) => `${column} IS NOT NULL`).join(' OR ')
    return `SELECT ${columns.join(', ')} FROM (${rows}) JOIN exported_tags USING (series) WHERE ${isThere}`
  }

  /** @returns the keys of their tags, in the order of the columns */
  async #putTags(series: readonly StoredSeries[]): Promise<string[]> {
    const { connection } = this.#options
    const keys = [...new Set(series.flatMap(({ tags }) => tags.map(([key]) => key)))].sort()
    const columns = keys.map((_key, n) => `, t${n} VARCHAR`).join('')
    await connection.run(`CREATE TEMP TABLE exported_tags (series INTEGER${columns})`)
    const appender = await connection.createAppender('exported_tags', null, 'temp')
    for (const { id, tags } of series) {
      const values = new Map(tags)
      appender.appendInteger(id)
      for (const key of keys) {
        const value = values.get(key)
        if (value === undefined) appender.appendNull()
        else appender.appendVarchar(value)
      }
      appender.endRow()
    }
    appender.closeSync()
    return keys
  }
}

/** The name, with a number behind it where it is taken already. */
function unused(name: string, taken: Set<string>): string {
  let own = name
  for (let n = 1; taken.has(own.toLowerCase()); n++) own = `${name}_${n}`
  taken.add(own.toLowerCase())
  return own
}

/** A name that is stored, as SQL has it. There is no other way to say it than in the statement. */
function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
