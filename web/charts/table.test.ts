import { describe, expect, it } from 'vitest'
import { Table } from './table.ts'

const SECOND = 1000

function tableOf(values: readonly (readonly [second: number, value: number | null])[], bucketMs = SECOND): Table {
  const table = new Table({ bucketMs, capacity: 100 })
  for (const [second, value] of values) table.put('a', second * SECOND, value)
  return table
}

const rowsOf = (table: Table, name = 'a') => table.times.map((time, row) => [time / SECOND, table.cells(name)[row]])

describe('Table', () => {
  it('keeps one row a bucket, with the mean of its values', () => {
    const table = tableOf(
      [
        [10, 1],
        [11, 3],
        [12, 5],
      ],
      2 * SECOND,
    )
    expect(rowsOf(table)).toEqual([
      [10, 2],
      [12, 5],
    ])
  })

  it('takes a second value of one moment as a correction, not as one more', () => {
    const table = tableOf(
      [
        [10, 1],
        [10, 5],
        [11, 7],
      ],
      2 * SECOND,
    )
    expect(rowsOf(table)).toEqual([[10, 6]])
  })

  it('leaves out values that are older than the newest row', () => {
    expect(
      rowsOf(
        tableOf([
          [10, 1],
          [9, 9],
        ]),
      ),
    ).toEqual([[10, 1]])
  })

  it('shows an outage as a gap', () => {
    const table = tableOf([
      [1, 1],
      [2, 1],
      [3, 1],
      [9, 2],
    ])
    expect(rowsOf(table)).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
      [4, null],
      [9, 2],
    ])
  })

  it('joins the values of an agent that is slower than the buckets', () => {
    const table = tableOf([
      [0, 1],
      [10, 2],
      [20, 3],
      [30, 4],
      [40, 5],
      [90, 6],
    ])
    const gaps = rowsOf(table).filter(([, value]) => value === null)
    expect(rowsOf(table).slice(-3)).toEqual([
      [40, 5],
      [41, null],
      [90, 6],
    ])
    expect(gaps.every(([time]) => Number(time) < 20 || time === 41)).toBe(true)
  })

  it('breaks only the line of the column that was silent', () => {
    const table = new Table({ bucketMs: SECOND, capacity: 100 })
    for (let second = 0; second < 10; second++) {
      table.put('steady', second * SECOND, 1)
      if (second < 3 || second === 9) table.put('silent', second * SECOND, 1)
    }
    expect(table.cells('steady').slice(0, 10)).toEqual(new Array(10).fill(1))
    expect(table.cells('silent')).toEqual([1, 1, 1, ...new Array(5).fill(undefined), null, 1])
  })

  it('shows an unknown value as a gap, and keeps a known one of the same moment', () => {
    const table = tableOf([
      [1, 1],
      [2, null],
      [3, 3],
      [3, null],
    ])
    expect(rowsOf(table)).toEqual([
      [1, 1],
      [2, null],
      [3, 3],
    ])
  })

  it('keeps at most as many rows as its capacity, gaps included', () => {
    const table = new Table({ bucketMs: SECOND, capacity: 10 })
    for (let second = 0; second < 5000; second += second % 7 === 0 ? 9 : 1) table.put('a', second * SECOND, second)
    expect(table.times.length).toBeLessThanOrEqual(11)
    expect(table.cells('a').length).toBe(table.times.length)
    expect(table.latest('a')).toBe(table.cells('a').at(-1))
  })

  it('keeps at most a thousand columns', () => {
    const table = new Table({ bucketMs: SECOND, capacity: 10 })
    for (let column = 0; column < 1100; column++) table.put(`c${column}`, SECOND, 1)
    expect(table.names.length).toBe(1000)
  })

  it('has a column for what is new where mounts come and go for ever', () => {
    const table = new Table({ bucketMs: SECOND, capacity: 10 })
    for (let second = 0; second < 5000; second++) table.put(`mount${second}`, second * SECOND, 1)
    expect(table.latest('mount4999')).toBe(1)
    expect(table.names.length).toBeLessThanOrEqual(1000)
  })

  it('weighs live values against all the samples of a mean from history', () => {
    const table = tableOf(
      [
        [0, 10],
        [60, 20],
      ],
      60 * SECOND,
    )
    table.weighNewest(90 * SECOND, SECOND)
    table.put('a', 90 * SECOND, 51)
    expect(table.latest('a')).toBeCloseTo((20 * 30 + 51) / 31, 10)
  })
})
