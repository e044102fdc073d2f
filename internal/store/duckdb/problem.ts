import { errorText } from '../../text/error-text.ts'
import { StoreError, type WriteResult } from '../store.ts'

const RETRY_AFTER_MS = 1000

const LOCK_HOLDER = /lock is held in (?:(\S+) )?\(PID (\d+)\)/i
const NOT_READABLE =
  /not a valid DuckDB|corrupt|checksum|Could not read enough bytes|Serialization Error|newer version|storage version|replaying WAL/i

/** Why a file could not be opened or read, and what to do. */
export function openError(path: string, cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause
  const reason = firstLine(cause)
  const holder = LOCK_HOLDER.exec(reason)
  if (holder !== null || /could not set lock/i.test(reason)) {
    const who = holder === null ? 'another process' : `process ${holder[2]}${holder[1] ? ` (${holder[1]})` : ''}`
    const advice = 'stop that process, or give this one a file of its own'
    return new StoreError('away', `${path} is in use by ${who}, and only one process can open it: ${advice}`, { cause })
  }
  if (NOT_READABLE.test(reason)) {
    const advice = `move it away, with ${path}.wal, to start with an empty one, or put a backup in its place`
    return new StoreError('refused', `${path} is damaged or no database of this version (${reason}): ${advice}`, {
      cause,
    })
  }
  return new StoreError('refused', `${path} cannot be opened: ${reason}`, { cause })
}

/** The file is open already, by the same process, which DuckDB's lock does not prevent. */
export function openTwice(path: string): StoreError {
  return new StoreError('refused', `${path} is already open in this process`)
}

export function unknownSchema(found: unknown, known: number): StoreError {
  return new StoreError('refused', `the file has schema ${found}, this program knows ${known}: move the file away`)
}

/**
 * What to do after a failed transaction. The file has nothing of it, or all of it; in the second case the rows of the next attempt are
 * merged with it.
 */
export function writeFailure(error: unknown): Exclude<WriteResult, { next: 'ack' }> {
  const reason = firstLine(error)
  const failure = { afterMs: RETRY_AFTER_MS, cause: error }
  // DuckDB gives up the whole database until it is opened again.
  if (/^FATAL|invalidated/i.test(reason)) return { ...failure, next: 'wait', problem: `restart the program: ${reason}` }
  return { ...failure, next: 'retry', problem: reason }
}

export function diskFull(problem: string): WriteResult {
  return { next: 'wait', problem, afterMs: RETRY_AFTER_MS }
}

export function queryFailed(cause: unknown): StoreError {
  return new StoreError('refused', `the query failed: ${firstLine(cause)}`, { cause })
}

export function tooManyQueries(waiting: number): StoreError {
  return new StoreError('away', `${waiting} queries are waiting already`)
}

/** The caller's signal ended the query. */
export function queryAborted(): StoreError {
  return new StoreError('away', 'stopped: the caller no longer waits for the answer')
}

/** DuckDB adds advice and stack traces after the first line. */
function firstLine(error: unknown): string {
  return errorText(error).split('\n', 1)[0]!.trim()
}
