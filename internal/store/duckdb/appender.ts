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

/** DuckDB's own; a chunk never has more. */
const MAX_CHUNK_ROWS = 2048

/**
 * After so many cells, some 3 ms of work, the event loop has its turn. A very wide table gets shorter chunks for its
 * sake; fewer cells cost more: appending 2,048 rows at a time takes a fifth more CPU than 8,192.
 */
const CELLS_PER_TURN = 32_768

/**
 * Appends to one table, again and again: what DuckDB takes for it (an appender and a chunk, 100 KiB with four fields) is
 * freed by the garbage collector only, which cannot see it; made anew for each batch it doubled the process's memory.
 */
export class TableAppender {
  /** The table's, after `time_ns` and `series`; when it gets another, it needs another appender. */
  readonly columns: readonly Field[]
  readonly #appender: DuckDBAppender
  readonly #chunk: DuckDBDataChunk
  #times!: DuckDBVector
  #series!: DuckDBVector
  /** By field id. */
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
   * Appends a group's rows in the transaction that is open, giving the event loop its turn between the chunks. After a
   * failure only `discard` may be called.
   *
   * @returns whether a series may now have a time twice in the table
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

  /** Forgets what is not flushed: closing would append it to whatever transaction is open then. */
  discard(): void {
    try {
      this.#appender.clear()
      this.#appender.closeSync()
    } catch {
      // It had failed before, and the transaction is rolled back.
    }
  }

  /** Vectors are made for a number of rows. Columns that the group has no value for are emptied once. */
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

  #fillRow(place: number, rows: Rows, row: number): void {
    const at = rows.at(row)
    const tie = rows.tie(row)
    const series = rows.series(row)
    if (at > series.lastAt || (at === series.lastAt && tie > series.lastTie)) {
      series.lastAt = at
      series.lastTie = tie
    } else this.#mayRepeat = true
    this.#times.setItem(place, nanoseconds(at, tie))
    this.#series.setItem(place, series.id)
    for (let i = rows.firstValue(row); i < rows.firstValue(row + 1); i++) {
      this.#vectors[rows.field(i).id]!.setItem(place, rows.value(i))
    }
  }
}

/** Empties every row of a vector. */
function empty(vector: DuckDBVector): DuckDBVector {
  for (let i = 0; i < vector.itemCount; i++) vector.setItem(i, null)
  return vector
}

const WORD = 2 ** 32
const words = new Int32Array(2)
const long = new BigInt64Array(words.buffer)

/** `at · 1000 + tie` by halves: three times as quick as with BigInt, and right before 1970 too. */
function nanoseconds(at: number, tie: number): bigint {
  const high = Math.floor(at / WORD)
  const low = (at - high * WORD) * 1000 + tie
  const carry = Math.floor(low / WORD)
  words[0] = low - carry * WORD
  words[1] = high * 1000 + carry
  return long[0]!
}
