import { expect, it } from 'vitest'
import { growthPerHour } from './growth.ts'

const points = (values: readonly number[]) => values.map((value, n) => ({ atS: n * 60, value }))

it.each([
  ['what grows by one a minute', [1, 2, 3, 4], 60],
  ['what stays', [5, 5, 5], 0],
  ['what goes up and down', [5, 7, 7, 5], 0],
  ['what shrinks', [3, 2, 1], -60],
  ['a single reading', [7], 0],
])('%s', (_what, values, expected) => {
  expect(growthPerHour(points(values))).toBeCloseTo(expected)
})
