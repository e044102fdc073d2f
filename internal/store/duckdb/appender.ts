import { setImmediate } from 'node:timers/promises'
import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  type DuckDBAppender,
  type DuckDBConnection,
  DuckDBDataChunk,
  type DuckDBType,
  type DuckDBVector,
  INTEGER,
  UBIGINT,
  VARCHAR,
} from '@duckdb/node-api'
import type { FieldKind } from '../../sample/value.ts'
import type { Group } from './batch.ts'
import type { Field } from './catalogue.ts'
import type { Rows } from './rows.ts'

const TYPES: Readonly<Record<FieldKind, DuckDBType>> = {
  float: DOUBLE,
  int: BIGINT,
  uint: UBIGINT,
  bool: BOOLEAN,
  string: VARCHAR,
}

/** DuckDB's own limit. */
const MAX_CHUNK_ROWS = 2048

/** The most appenders that are kept, of the tables written last: a host has about twenty measurements. */
const MAX_APPENDERS = 64

/**
 * After this many cells, about 3 ms of work, the appender yields to the event loop. A very wide table therefore gets
 * shorter chunks. Fewer cells cost more: 2,048 rows at a time take a fifth more CPU than 8,192.
 */
const CELLS_PER_TURN = 32_768

/**
 * Appends to one table, for many batches. Only the garbage collector frees DuckDB's memory for it (an appender and a
 * chunk: 100 KiB with four fields), and it does not know the size. With a new appender for each batch, the process took
 * twice the memory.
 */
export class TableAppender {
  /** The table's columns after `time_ns` and `series`. A table that gets another column needs another appender. */
  readonly columns: readonly Field[]
  readonly #appender: DuckDBAppender
  readonly #chunk: DuckDBDataChunk
  #times!: DuckDBVector
  #series!: DuckDBVector
  /** Index: field id. */
  readonly #vectors: DuckDBVector[] = []
  #mayRepeat = false

  private constructor(appender: DuckDBAppender, columns: readonly Field[]) {
    this.#appender = appender
    this.columns = columns
    this.#chunk = DuckDBDataChunk.create([BIGINT, INTEGER, ...columns.map(({ kind }) => TYPES[kind])], 0)
  }

  static async open(connection: DuckDBConnection, table: string, columns: readonly Field[]): Promise<TableAppender> {
    return new TableAppender(await connection.createAppender(table), columns)
  }

  /**
   * Appends the rows of a group in the open transaction, and yields to the event loop between chunks. After a rejection only `discard` may
   * be called.
   *
   * @returns whether the table may now have two rows of one series and time
   */
  async append(rows: Rows, group: Group, signal: AbortSignal): Promise<boolean> {
    const width = this.columns.length + 2
    const size = Math.min(MAX_CHUNK_ROWS, Math.ceil(CELLS_PER_TURN / width))
    let cells = 0
    this.#mayRepeat = false
    this.#chunk.reset()
    for (let from = 0; from < group.rows.length; from += size) {
      const to = Math.min(from + size, group.rows.length)
      if (this.#chunk.rowCount !== to - from) this.#resize(to - from, group)
      this.#fill(rows, group, from, to)
      this.#appender.appendDataChunk(this.#chunk)
      cells += (to - from) * width
      if (cells < CELLS_PER_TURN) continue
      cells = 0
      this.#appender.flushSync()
      await setImmediate()
      signal.throwIfAborted()
    }
    this.#appender.flushSync()
    return this.#mayRepeat
  }

  /** Drops the rows that are not flushed. Closing alone would append them to the next transaction. */
  discard(): void {
    try {
      this.#appender.clear()
      this.#appender.closeSync()
    } catch {
      // The appender has failed before, and the transaction is rolled back.
    }
  }

  /** Makes vectors for a number of rows, and empties the columns for which the group has no value. */
  #resize(count: number, group: Group): void {
    this.#chunk.rowCount = count
    this.#times = this.#chunk.getColumnVector(0)
    this.#series = this.#chunk.getColumnVector(1)
    this.columns.forEach((field, i) => {
      const vector = this.#chunk.getColumnVector(i + 2)
      this.#vectors[field.id] = vector
      if (!group.counts.has(field)) empty(vector).flush()
    })
  }

  #fill(rows: Rows, group: Group, from: number, to: number): void {
    for (const [field, count] of group.counts) {
      if (count < group.rows.length) empty(this.#vectors[field.id]!)
    }
    for (let i = from; i < to; i++) this.#fillRow(i - from, rows, group.rows[i]!)
    this.#times.flush()
    this.#series.flush()
    for (const field of group.counts.keys()) this.#vectors[field.id]!.flush()
  }

  #fillRow(index: number, rows: Rows, row: number): void {
    const at = rows.at(row)
    const tie = rows.tie(row)
    const series = rows.series(row)
    if (at > series.lastAt || (at === series.lastAt && tie > series.lastTie)) {
      series.lastAt = at
      series.lastTie = tie
    } else this.#mayRepeat = true
    this.#times.setItem(index, nanoseconds(at, tie))
    this.#series.setItem(index, series.id)
    for (let i = rows.firstValue(row); i < rows.firstValue(row + 1); i++) {
      this.#vectors[rows.field(i).id]!.setItem(index, rows.value(i))
    }
  }
}

/** The appenders of the tables written last. */
export class Appenders {
  readonly #connection: DuckDBConnection
  /** Key: table name. The most recently used is last. */
  readonly #byTable = new Map<string, TableAppender>()

  constructor(connection: DuckDBConnection) {
    this.#connection = connection
  }

  /** The appender of a table that has these columns now. */
  async open(table: string, columns: readonly Field[]): Promise<TableAppender> {
    let appender = this.#byTable.get(table)
    this.#byTable.delete(table)
    if (appender !== undefined && appender.columns !== columns) {
      appender.discard()
      appender = undefined
    }
    appender ??= await TableAppender.open(this.#connection, table, columns)
    this.#byTable.set(table, appender)
    const [oldest] = this.#byTable
    if (oldest !== undefined && this.#byTable.size > MAX_APPENDERS) {
      this.#byTable.delete(oldest[0])
      oldest[1].discard()
    }
    return appender
  }

  discardAll(): void {
    for (const appender of this.#byTable.values()) appender.discard()
    this.#byTable.clear()
  }
}

/** Sets every row of a vector to null. */
function empty(vector: DuckDBVector): DuckDBVector {
  for (let i = 0; i < vector.itemCount; i++) vector.setItem(i, null)
  return vector
}

const WORD = 2 ** 32
const words = new Int32Array(2)
const long = new BigInt64Array(words.buffer)

/** `at · 1000 + tie`, computed in two halves: three times as fast as with BigInt, and correct before 1970 too. */
function nanoseconds(at: number, tie: number): bigint {
  const high = Math.floor(at / WORD)
  const low = (at - high * WORD) * 1000 + tie
  const carry = Math.floor(low / WORD)
  words[0] = low - carry * WORD
  words[1] = high * 1000 + carry
  return long[0]!
}
