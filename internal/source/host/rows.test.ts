import { expect, test, vi } from 'vitest'
import { SeriesTable } from '../../sample/series.ts'
import { type Problem, ProblemThrottle } from '../source.ts'
import type { Surroundings } from './measurement.ts'
import { Rows } from './rows.ts'

function surroundings(table = new SeriesTable(), problems: Problem[] = []): Surroundings {
  return {
    host: 'h',
    table,
    roots: { proc: '/proc', sys: '/sys', mount: '/' },
    monotonicMs: () => performance.now(),
    problems: new ProblemThrottle('host', (problem) => problems.push(problem)),
    unavailable: new Map(),
  }
}

test('forgets the rows of devices that are gone', () => {
  const table = new SeriesTable()
  const rows = new Rows('net', [['bytes_recv', 'int']], surroundings(table))
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
  const rows = new Rows('mem', [['used', 'int']], surroundings(table))
  table.intern('other', [], 0)
  for (let tick = 1; tick <= 10; tick++) rows.emit(tick * 1e6, [], [tick], () => {})
  table.intern('third', [], 10e6)
  expect([...table].map(({ measurement }) => measurement)).toEqual(['mem', 'third'])
})

test('a missing value does not keep the last one', () => {
  const rows = new Rows('diskio', [['io_await', 'float']], surroundings())
  const seen: unknown[] = []
  for (const value of [1.5, undefined]) rows.emit(seen.length + 1, [], [value], ({ values }) => seen.push(values[0]))
  expect(seen).toEqual([1.5, undefined])
})
