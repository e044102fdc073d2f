import { expect, test, vi } from 'vitest'
import { surroundings } from '../../../test/support/surroundings.ts'
import { SeriesTable } from '../../sample/series.ts'
import type { FieldList } from './measurement.ts'
import { Rows } from './rows.ts'

test('forgets the rows of devices that are gone', () => {
  const table = new SeriesTable()
  const rows = new Rows('net', [['bytes_recv', 'int']], surroundings({ table }))
  const emitAt = (atUs: number, name: string): unknown => rows.emit(atUs, [['interface', name]], [1], () => {})
  const namesOf = (tick: number): string[] => Array.from({ length: 10 }, (_, i) => `veth${tick}-${i}`)
  for (let tick = 1; tick <= 1000; tick++) for (const name of ['eth0', ...namesOf(tick)]) emitAt(tick * 1e6, name)
  // A row that is forgotten is made anew, and asks the table for its series.
  const intern = vi.spyOn(table, 'intern')
  for (const name of ['eth0', ...namesOf(1000)]) emitAt(1001e6, name)
  expect(intern).not.toHaveBeenCalled()
  for (let tick = 800; tick < 999; tick++) for (const name of namesOf(tick)) emitAt(1001e6, name)
  expect(intern).toHaveBeenCalledTimes(1990)
})

test('a series stays marked as used, so that a full table gives up others first', () => {
  const table = new SeriesTable({ maxSeries: 2, idleUs: 1e6 })
  const rows = new Rows('mem', [['used', 'int']], surroundings({ table }))
  table.intern('other', [], 0)
  for (let tick = 1; tick <= 10; tick++) rows.emit(tick * 1e6, [], [tick], () => {})
  table.intern('third', [], 10e6)
  expect([...table].map(({ measurement }) => measurement).sort()).toEqual(['mem', 'third'])
})

test('a missing value does not keep the last one', () => {
  const fields: FieldList = [
    ['io_await', 'float'],
    ['reads', 'int'],
  ]
  const rows = new Rows('diskio', fields, surroundings())
  const seen: unknown[] = []
  for (const value of [1.5, undefined]) rows.emit(seen.length + 1, [], [value, 1], ({ values }) => seen.push(values[0]))
  expect(seen).toEqual([1.5, undefined])
})

const FIGURES: FieldList = [
  ['total', 'int'],
  ['free', 'int', { max: 'total' }],
  ['percent', 'float', { max: 100 }],
  ['speed', 'int', { min: 1, max: 1e6 }],
]

test.each<[string, (number | bigint | undefined)[], (number | bigint | undefined)[], string]>([
  ['at their bounds', [10, 10, 100, 1], [10, 10, 100, 1], ''],
  ['below 0', [10, -1, -0.1, 5], [10, undefined, undefined, 5], 'out_of_range 2'],
  ['above a bound', [10, 11, 100.1, 1e6 + 1], [10, undefined, undefined, undefined], 'out_of_range 3'],
  ['below a bound', [10, 0, 0, 0], [10, 0, 0, undefined], 'out_of_range 1'],
  ['no numbers', [Number.NaN, 5, Number.NaN, 5], [undefined, 5, undefined, 5], 'unreadable 2'],
  ['infinite', [5, 5, Number.POSITIVE_INFINITY, 5], [5, 5, undefined, 5], 'out_of_range 1'],
  ['not whole', [5.5, 5, 5.5, 5], [undefined, 5, 5.5, 5], 'out_of_range 1'],
  ['64 bits, all set', [2n ** 64n - 1n, 5, 5, 5], [undefined, 5, 5, 5], 'out_of_range 1'],
  ['beyond 2^53', [2n ** 60n, 2n ** 60n - 1n, 5, 5], [2n ** 60n, 2n ** 60n - 1n, 5, 5], ''],
  ['unknown, which is no fault', [5, undefined, undefined, undefined], [5, undefined, undefined, undefined], ''],
])('of values %s, those that cannot be are left out and counted', (_, values, sent, counted) => {
  const here = surroundings()
  const rows = new Rows('disk', FIGURES, here)
  let seen: unknown[] = []
  rows.emit(1, [['path', '/srv']], values, (sample) => {
    seen = [...sample.values]
  })
  expect(seen).toEqual(sent)
  const counts = [...here.leftOut.counts].filter(([, count]) => count > 0).map((each) => each.join(' '))
  expect(counts.join()).toBe(counted)
  expect(here.told).toHaveLength(counted === '' ? 0 : 1)
  for (const { part } of here.told) expect(part).toBe('disk /srv')
})

test('says what a figure cannot be, and beside what', () => {
  const here = surroundings()
  new Rows('disk', FIGURES, here).emit(1, [['path', '/srv']], [10, 11, 5, 5], () => {})
  expect(here.told[0]).toMatchObject({ message: 'free cannot be 11 with a total of 10: left out' })
})

test('a sample of which nothing is left is not sent', () => {
  const rows = new Rows('disk', FIGURES, surroundings())
  const emitted = vi.fn()
  rows.emit(1, [], [-1, undefined, Number.NaN, 0], emitted)
  expect(emitted).not.toHaveBeenCalled()
})
