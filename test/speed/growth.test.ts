import { expect, it } from 'vitest'
import { growthPercent } from './growth.ts'

it.each([
  ['what grows', [1, 1, 100, 100, 110, 110], 10],
  ['what stays, once it has its size', [10, 50, 100, 100, 100, 100], 0],
  ['what goes up and down', [100, 90, 110, 90, 110, 90, 110, 90], 0],
  ['what shrinks', [100, 100, 50], -50],
])('%s', (_what, values, percent) => {
  expect(growthPercent(values)).toBeCloseTo(percent)
})
