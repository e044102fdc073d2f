import type { Rejected } from '../store.ts'
import type { NamedLine } from './answer.ts'
import type { LineBatch } from './batch.ts'
import type { Refused } from './outcome.ts'

/** What follows from one refusal. Every line that was sent is in exactly one of the two. */
export interface Verdict {
  readonly refused: ReadonlyArray<{ readonly index: number; readonly reason: string }>
  /** Groups to send again, one after the other. */
  readonly again: ReadonlyArray<readonly number[]>
}

/**
 * Decides which lines a server refused. Three things are certain: lines that it names and that were sent, a group that it dropped
 * as a whole, and a line that was sent alone. Everything else it says (a field's name, a count) only decides how to divide the group for
 * the next attempt, so a wrong guess costs a request and never a sample. Stored lines may be sent again, which changes nothing. It
 * also reveals a second fault in the same body, which 1.x does not report.
 *
 * @param lines indexes in the batch of the lines that were sent, ascending
 */
export function blame(batch: LineBatch, lines: readonly number[], refusal: Refused): Verdict {
  const named = namedLines(batch, lines, refusal.named)
  if (named.size > 0) {
    const rest = lines.filter((index) => !named.has(index))
    const refused = [...named].map(([index, reason]) => ({ index, reason }))
    return { refused, again: rest.length > 0 ? [rest] : [] }
  }
  if (refusal.dropped === lines.length || lines.length === 1) {
    return { refused: lines.map((index) => ({ index, reason: refusal.message })), again: [] }
  }
  const candidates = candidateLines(batch, lines, refusal)
  if (candidates.size === 0 || candidates.size === lines.length) return { refused: [], again: halves(lines) }
  const rest = lines.filter((index) => !candidates.has(index))
  return { refused: [], again: [rest, lines.filter((index) => candidates.has(index))] }
}

/** The measurements of which every line of the batch was rejected. */
export function whollyRefused(batch: LineBatch, rejected: readonly Rejected[]): string[] {
  const refused = new Set(rejected.map(({ index }) => index))
  const measurements = new Set<string>()
  for (const index of refused) if (index >= 0) measurements.add(measurementOf(batch.line(index)))
  for (let index = 0; index < batch.samples && measurements.size > 0; index++) {
    if (!refused.has(index)) measurements.delete(measurementOf(batch.line(index)))
  }
  return [...measurements]
}

function measurementOf(line: string): string {
  const [name = ''] = /^(?:\\[, ]|[^, ])*/.exec(line) ?? []
  return name.replace(/\\([, ])/g, '$1')
}

export function halves(lines: readonly number[]): Array<readonly number[]> {
  const middle = lines.length >> 1
  return [lines.slice(0, middle), lines.slice(middle)]
}

/** The reason for each line that the server names, by the line's index in the batch. */
function namedLines(batch: LineBatch, lines: readonly number[], named: readonly NamedLine[]): Map<number, string> {
  const reasons = new Map<number, string>()
  if (named.length === 0) return reasons
  const indexes = new Map<string, number[]>()
  for (const index of lines) {
    const text = batch.line(index)
    const twins = indexes.get(text)
    if (twins === undefined) indexes.set(text, [index])
    else twins.push(index)
  }
  for (const { text, number, reason } of named) {
    const numbered = lines[number - 1]
    const found =
      numbered !== undefined && batch.line(numbered).startsWith(text) ? [numbered] : (indexes.get(text) ?? [])
    for (const index of found) reasons.set(index, reason)
  }
  return reasons
}

/** Lines that the refusal may mean; empty when it gives no hint. */
function candidateLines(batch: LineBatch, lines: readonly number[], refusal: Refused): Set<number> {
  if (refusal.conflict !== undefined) {
    const pattern = conflictPattern(refusal.conflict)
    return new Set(lines.filter((index) => pattern.test(batch.line(index))))
  }
  if (refusal.beyondRetention && refusal.dropped !== undefined) {
    const byAge = lines.map((index) => ({ index, ns: lineTime(batch.line(index)) }))
    byAge.sort((a, b) => (a.ns < b.ns ? -1 : a.ns > b.ns ? 1 : 0))
    return new Set(byAge.slice(0, refusal.dropped).map(({ index }) => index))
  }
  return new Set()
}

/** A value of each type in line protocol, up to the next field or the time. */
const VALUE_PATTERNS: Readonly<Record<string, string>> = {
  float: '[-+.0-9][-+.0-9eE]*[, ]',
  integer: '-?[0-9]+i[, ]',
  unsigned: '[0-9]+u[, ]',
  boolean: '[tTfF]',
  string: '"',
}

function conflictPattern(conflict: NonNullable<Refused['conflict']>): RegExp {
  const measurement = escapeRegExp(conflict.measurement.replace(/[, ]/g, '\\$&'))
  const field = escapeRegExp(conflict.field.replace(/[,= ]/g, '\\$&'))
  return new RegExp(`^${measurement}[, ](?:.*[, ])?${field}=${VALUE_PATTERNS[conflict.type] ?? ''}`, 's')
}

/** The time in nanoseconds, which ends every line that we write. */
function lineTime(line: string): bigint {
  return BigInt(line.slice(line.lastIndexOf(' ') + 1))
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}
