import type { LineBatch } from './batch.ts'
import type { NamedLine, Refused } from './outcome.ts'

/** What follows from one refusal. Every line of the group that was sent is in exactly one place. */
export interface Verdict {
  readonly refused: ReadonlyArray<{ readonly index: number; readonly reason: string }>
  /** Groups to be sent again, one after the other. */
  readonly again: ReadonlyArray<readonly number[]>
}

/**
 * Decides which lines a server refused. Believed is only what is certain: lines that it names and that were sent, a group of which it
 * says that all were dropped, a line that was sent alone. All else it says (a field's name, a count) only chooses how the group is
 * divided for the next attempt, so a wrong guess costs a request and never a sample. Lines that are stored already are sent
 * again in passing, which changes nothing; it is also how a second fault in the same body comes to light, of which 1.x says nothing.
 *
 * @param lines the places in the batch of the lines that were sent, ascending
 */
export function blame(batch: LineBatch, lines: readonly number[], refusal: Refused): Verdict {
  const named = namedLines(batch, lines, refusal.named)
  if (named.size > 0) {
    const rest = lines.filter((index) => !named.has(index))
    const refused = [...named].map(([index, reason]) => ({ index, reason }))
    return { refused, again: rest.length > 0 ? [rest] : [] }
  }
  if (refusal.dropped === lines.length || lines.length === 1) {
    return { refused: lines.map((index) => ({ index, reason: refusal.words })), again: [] }
  }
  const suspects = suspectLines(batch, lines, refusal)
  if (suspects.size === 0 || suspects.size === lines.length) return { refused: [], again: halves(lines) }
  const rest = lines.filter((index) => !suspects.has(index))
  return { refused: [], again: [rest, lines.filter((index) => suspects.has(index))] }
}

export function halves(lines: readonly number[]): Array<readonly number[]> {
  const middle = lines.length >> 1
  return [lines.slice(0, middle), lines.slice(middle)]
}

/** The reason for each line that the server names, by its place in the batch. */
function namedLines(batch: LineBatch, lines: readonly number[], named: readonly NamedLine[]): Map<number, string> {
  const reasons = new Map<number, string>()
  if (named.length === 0) return reasons
  const places = new Map<string, number[]>()
  for (const index of lines) {
    const text = batch.line(index)
    const twins = places.get(text)
    if (twins === undefined) places.set(text, [index])
    else twins.push(index)
  }
  for (const { text, number, reason } of named) {
    const numbered = lines[number - 1]
    const found =
      numbered !== undefined && batch.line(numbered).startsWith(text) ? [numbered] : (places.get(text) ?? [])
    for (const index of found) reasons.set(index, reason)
  }
  return reasons
}

function suspectLines(batch: LineBatch, lines: readonly number[], refusal: Refused): Set<number> {
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

/** How a value of each type is written, up to where the next field or the time begins. */
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

/** Nanoseconds. Every line of ours ends in its time. */
function lineTime(line: string): bigint {
  return BigInt(line.slice(line.lastIndexOf(' ') + 1))
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}
