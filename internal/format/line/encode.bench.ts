import { bench, describe } from 'vitest'
import { counted } from '../../../test/support/counted.ts'
import { isRefusal } from '../../sample/border.ts'
import { viewOf } from '../../sample/same-bytes.ts'
import type { Sample } from '../../sample/sample.ts'
import { SeriesTable } from '../../sample/series.ts'
import type { FieldKind, Slot } from '../../sample/value.ts'
import { writeLine } from './encode.ts'

const LINES = 1000
const buffer = Buffer.alloc(1 << 20)
const view = viewOf(buffer)

/** 1,000 samples of 100 hosts, 7 µs apart. */
function samples(kinds: FieldKind[], value: (n: number, field: number) => Slot): Sample[] {
  const table = new SeriesTable()
  return Array.from({ length: LINES }, (_, n) => {
    const series = table.intern('system_stats', [['host', `web-${n % 100}`]], 0)
    if (isRefusal(series)) throw new Error(series.detail)
    for (const [field, kind] of kinds.entries()) series.field(`field${field}`, kind)
    return { series, values: kinds.map((_, field) => value(n, field)), at: 1_763_900_000_123_456 + n * 7, tie: 0 }
  })
}

const NEWLINE = 0x0a

/** @returns how many lines stand in the buffer */
function write(batch: Sample[]): number {
  let offset = 0
  let lines = 0
  for (const sample of batch) {
    offset = writeLine(sample, buffer, offset, view)
    if (buffer[offset - 1] === NEWLINE) lines++
  }
  return lines
}

describe('line protocol, encoded and written into a buffer', () => {
  const short = samples(['float', 'float'], (n, field) => ((n * 37 + field * 11) % 10_000) / 100)
  const random = samples(['float', 'float'], (n, field) => Math.abs(Math.sin(n * 3 + field)) * 100)
  const integers = samples(['int', 'int'], (n, field) => n * 1_048_576 + field)
  const strings = samples(['string', 'string'], (n) => `state ${n} of "all"`)
  bench(
    'two floats of two decimals',
    counted(LINES, 'line', () => write(short)),
  )
  bench(
    'two floats of full precision',
    counted(LINES, 'line', () => write(random)),
  )
  bench(
    'two integers',
    counted(LINES, 'line', () => write(integers)),
  )
  bench(
    'two strings',
    counted(LINES, 'line', () => write(strings)),
  )
})
