import { encodeLine } from '../../format/line/encode.ts'
import { isBadLine, parseLines } from '../../format/line/parse.ts'
import { type Lines, writeLineRecord } from '../../format/line/record.ts'
import { parsedSample } from '../../format/parsed-sample.ts'
import { isRefusal, type Refusal } from '../../sample/border.ts'
import type { Sample } from '../../sample/sample.ts'
import { type Series, type SeriesTable, seriesApart } from '../../sample/series.ts'
import type { Batch, Rejected } from '../store.ts'
import type { StoredSeries } from './catalogue.ts'
import type { Rows } from './rows.ts'

/** The part of a batch that takes the samples of a record. */
interface Target extends Pick<Batch, 'add'> {
  reject(line: string, refusal: Refusal): unknown
}

/** A record of rows and rejected samples as line protocol, in the order in which they were added. */
export function recordOf(rows: Rows, rejected: readonly Rejected[]): Buffer {
  const ends = new Uint32Array(rows.count + rejected.length)
  const lines: Buffer[] = []
  const seriesOf = new Map<StoredSeries, Series>()
  let row = 0
  let next = 0
  let end = 0
  for (let index = 0; index < ends.length; index++) {
    const line =
      rejected[next]?.index === index
        ? Buffer.from(`${rejected[next++]!.line}\n`)
        : encodeLine(sampleOf(rows, row++, seriesOf))
    lines.push(line)
    end += line.length
    ends[index] = end
  }
  return writeLineRecord({ body: Buffer.concat(lines, end), ends })
}

function sampleOf(rows: Rows, row: number, seriesOf: Map<StoredSeries, Series>): Sample {
  const stored = rows.series(row)
  let series = seriesOf.get(stored)
  if (series === undefined) {
    series = seriesApart(stored.measurement.name, stored.tags)
    seriesOf.set(stored, series)
  }
  const sample: Sample = { series, values: [], at: rows.at(row), tie: rows.tie(row) }
  for (let i = rows.firstValue(row); i < rows.firstValue(row + 1); i++) {
    const { name, kind } = rows.field(i)
    const index = series.field(name, kind)
    if (typeof index === 'number') sample.values[index] = rows.value(i)
  }
  return sample
}

/** Adds the lines of a record to a batch without size limits. A line that is not a valid sample is rejected. */
export function addLines(batch: Target, { body, ends }: Lines, table: SeriesTable): void {
  let start = 0
  for (const end of ends) {
    const text = body.subarray(start, end - 1)
    const refusal = addLine(batch, text, table)
    if (refusal !== undefined) batch.reject(text.toString('utf8'), refusal)
    start = end
  }
}

function addLine(batch: Target, text: Buffer, table: SeriesTable): Refusal | undefined {
  const [line] = parseLines(text)
  if (line === undefined) return { reason: 'line_syntax', detail: 'an empty line' }
  if (isBadLine(line)) return { reason: 'line_syntax', detail: line.reason }
  const sample = parsedSample(line, table)
  if (isRefusal(sample)) return sample.reason === 'field_type' ? { ...sample, reason: 'store_refused' } : sample
  const answer = batch.add(sample)
  return answer === 'full' ? { reason: 'too_large', detail: 'a sample larger than a batch may be' } : answer
}
