import { expect, it } from 'vitest'
import { numberOf, readFields } from './panel.ts'

it('reads integers beyond 2^53, which come as text, and no number whose sums could be infinite', () => {
  const values = [
    '9007199254740993',
    '18446744073709551615',
    -1.5,
    1e300,
    1.7e308,
    '-1.7e308',
    Number.NaN,
    'x',
    '',
    true,
  ]
  expect(values.map(numberOf)).toEqual([2 ** 53, 2 ** 64, -1.5, 1e300, ...new Array(6).fill(null)])
})

it('adds up what is left', () => {
  const sums: unknown[] = []
  const read = readFields({ both: ['a', 'b'] })()
  const sample = (a: number, b: number) => ({ measurement: 'm', tags: {}, fields: { a, b }, at: 1000 })
  for (const one of [sample(1, 2), sample(1.7e308, 1.7e308), sample(1e300, 1e300)]) {
    read(one, (_column, _atMs, value) => sums.push(value))
  }
  expect(sums).toEqual([3, 2e300])
})
