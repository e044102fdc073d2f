import { generationId, type TargetHead } from '../../fabric/generation.ts'
import { encodeSnapshot } from '../../fabric/encode-snapshot.ts'
import { type Table, TableError, TableReader, type TableReaderOptions } from '../../fabric/table-reader.ts'
import { errorText } from '../../text/error-text.ts'
import type { Clock } from '../../time/clock.ts'
import type { Target } from '../target.ts'
import { TARGET_PROBLEMS, TargetError, type TargetProblem } from '../target-error.ts'
import type { NewSnapshot, SnapshotOwner } from './generations.ts'

/** What a target gave that is new: valid until it is read again. */
export interface Reading extends NewSnapshot {
  readonly table: Table
  readonly takenAtUs: number
  readonly fetchMs: number
  readonly parseMs: number
}

/** A target with its newest good snapshot. */
export class FabricTarget implements SnapshotOwner {
  readonly target: Target
  readonly reader: TableReader
  /** Times that it had nothing new. */
  nothingNew = 0
  /** Rows taken. */
  rows = 0
  readonly failures = new Map<TargetProblem, number>(TARGET_PROBLEMS.map((problem) => [problem, 0]))
  #head: Omit<TargetHead, 'target' | 'up' | 'error'> | undefined
  /** The table of that snapshot, until the next one is read into its arrays. */
  #table: Table | undefined

  constructor(target: Target, options: TableReaderOptions) {
    this.target = target
    this.reader = new TableReader(options)
  }

  get name(): string {
    return this.target.name
  }

  get head(): TargetHead | undefined {
    const { name, up, error } = this.target
    if (this.#head === undefined) return undefined
    return { ...this.#head, target: name, up, ...(error === undefined ? {} : { error: error.message }) }
  }

  /** What an earlier process had of it is its newest snapshot, until it gives another one. */
  takeOver({ snapshot, bytes, takenAtUs, rows, badRows }: TargetHead): void {
    this.#head ??= { snapshot, bytes, takenAtUs, rows, badRows }
  }

  /** Asks it, unless it rests after a failure. Never rejects. @returns undefined where there is nothing new and good */
  async read(clock: Clock, signal: AbortSignal): Promise<Reading | undefined> {
    const { target } = this
    if (!target.isDue) return undefined
    const startMs = performance.now()
    try {
      const body = await target.ask(signal)
      if (body === undefined) this.nothingNew++
      return body && (await this.#take(body, clock.now(), performance.now() - startMs))
    } catch (error) {
      if (signal.aborted) return undefined
      const { problem } = error instanceof TargetError ? error : this.target.failed(unforeseen(error))
      this.failures.set(problem, this.failures.get(problem)! + 1)
      return undefined
    }
  }

  /** Undefined where the arrays of the newest snapshot have another one. */
  encodeAgain(): Buffer | undefined {
    return this.#table && encodeSnapshot(this.#table.snapshot)
  }

  forget(): void {
    this.#head = undefined
  }

  async #take(body: Buffer, takenAtUs: number, fetchMs: number): Promise<Reading> {
    const startMs = performance.now()
    this.#table = undefined
    const table = await this.#parse(body, takenAtUs)
    // Over the body, which nobody needs any more: another 27 MB for 100,000 ports would be garbage in each cycle.
    const bytes = encodeSnapshot(table.snapshot, body)
    this.target.taken()
    this.#table = table
    const { rows } = table.snapshot
    this.rows += rows
    const snapshot = generationId(takenAtUs)
    this.#head = { snapshot, bytes: bytes.length, takenAtUs, rows, badRows: table.badRows }
    return { owner: this, table, snapshot, bytes, takenAtUs, fetchMs, parseMs: performance.now() - startMs }
  }

  async #parse(body: Buffer, nowUs: number): Promise<Table> {
    try {
      return await this.reader.read(body, nowUs)
    } catch (error) {
      if (error instanceof TableError)
        throw this.target.failed(new TargetError(error.problem, error.message, { cause: error }))
      throw error
    }
  }
}

/** Such as a table for which there is no memory: it must not hide the other targets. */
function unforeseen(cause: unknown): TargetError {
  return new TargetError('unreachable', `it cannot be read: ${errorText(cause)}`, { cause })
}
