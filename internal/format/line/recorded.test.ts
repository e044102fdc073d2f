import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { isRefusal, type RejectReason } from '../../sample/border.ts'
import { SeriesTable } from '../../sample/series.ts'
import { type BadLine, isBadLine, type ParsedLine, parseLines } from './parse.ts'

/** What a real InfluxDB answered to a body, times in µs, and what it had stored afterwards. */
interface Recorded {
  readonly case: string
  readonly written_before: string | null
  readonly body: string
  readonly answers: Record<
    'influxdb-2.7.12',
    { status: number; body?: string; stored: { points: number; rows: Row[] } }
  >
}
type Row = Readonly<Record<string, string | number | boolean>>

const recorded = readFileSync(new URL('../../../test/fixtures/influxdb-write-answers.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line): Recorded => JSON.parse(line))
const cases = recorded.map((record): [string, Recorded] => [record.case, record])

function parseBody(record: Recorded): Array<ParsedLine | BadLine> {
  return [...parseLines(bodyOf(record), { unitNs: 1000 })]
}

/** The body as it was sent: the records shorten long runs of x, and hold bytes that are not UTF-8 as latin1. */
function bodyOf(record: Recorded): Buffer {
  const shortened = / of ([\d,]+) bytes$/.exec(record.case)
  if (shortened === null) return Buffer.from(record.body, record.case.includes('not UTF-8') ? 'latin1' : 'utf8')
  const run = 'x'.repeat(Number(shortened[1]!.replace(',', '')))
  const head = record.body.slice(0, record.body.indexOf('xxx'))
  return Buffer.from(`${head}${run}${head.endsWith('"') ? '"' : ' v=1'} 1795400000000000`)
}

describe('the parser judges as InfluxDB 2.7 did', () => {
  it.each(cases)('%s', (_name, record) => {
    const { status, body = '' } = record.answers['influxdb-2.7.12']
    const bad = parseBody(record).filter(isBadLine)
    const refused = status === 400 ? body.split("unable to parse '").length - 1 : 0
    expect(bad, body).toHaveLength(refused)
    for (const { text } of bad)
      expect(body).toContain(`unable to parse '${JSON.stringify(text).slice(1, 200)}`.replace(/"$/, ''))
  })
})

describe('the parser reads what InfluxDB 2.7 had stored', () => {
  const stored = cases.filter(
    ([, record]) => record.answers['influxdb-2.7.12'].status === 204 && !record.written_before,
  )
  /** What the database alone does with a point that both understand. */
  const storedOtherwise: Readonly<Record<string, (row: Row) => Row>> = {
    'no timestamp': ({ time: _time, ...row }) => row,
    'field key time beside another': (row) => ({ ...row, time: 1 }),
    'tag and field of one name': ({ v_1: _tag, ...row }) => row,
  }

  it.each(stored)('%s', (name, record) => {
    const rows = new Map<string, Record<string, unknown>>()
    for (const line of parseBody(record)) {
      if (isBadLine(line)) throw new Error(line.reason)
      const point = {
        ...(line.timeNs === undefined ? {} : { time: Number(line.timeNs / 1000n) }),
        ...Object.fromEntries(line.tags),
      }
      const key = JSON.stringify([line.measurement, point])
      const values = line.fields.map((field) => [field.name, inJson(field.value)])
      rows.set(key, { ...rows.get(key), ...point, ...Object.fromEntries(values) })
    }
    const same = storedOtherwise[name] ?? ((row: Row) => row)
    expect([...rows.values()].map(shorten)).toEqual(record.answers['influxdb-2.7.12'].stored.rows.map(same))
  })
})

/** A value as the records have it: JSON, so without integers beyond 2^53, and without a minus before 0. */
function inJson(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value === 0 ? 0 : value
}

function shorten(row: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(row).map(([key, value]) => {
    return [key, typeof value === 'string' && value.length > 100 ? `<${value.length} characters>` : value]
  })
  return Object.fromEntries(entries)
}

describe('the border refuses more than the syntax', () => {
  const refused: Readonly<Record<string, RejectReason>> = {
    // InfluxDB 2.7 answers 422 to the one, and stores the other without the field and without a word.
    'field key time': 'reserved_name',
    'field key time beside another': 'reserved_name',
    // InfluxDB takes tag values up to 65,535 bytes; ours end at 1,024.
    'tag value of 65,000 bytes': 'bad_name',
  }

  it.each(cases)('%s', (name, record) => {
    const reasons: RejectReason[] = []
    for (const line of parseBody(record)) {
      if (isBadLine(line)) continue
      const series = new SeriesTable().intern(line.measurement, line.tags, 0)
      if (isRefusal(series)) reasons.push(series.reason)
      else {
        for (const field of line.fields) {
          const index = series.field(field.name, field.kind)
          if (isRefusal(index)) reasons.push(index.reason)
        }
      }
    }
    expect(reasons).toEqual(refused[name] === undefined ? [] : [refused[name]])
  })
})
