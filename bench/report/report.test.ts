import { expect, it } from 'vitest'
import { conditionOf } from './report.ts'

it.each([
  [undefined, 'as fast as it can'],
  [25_000, 'at 25,000 messages/s'],
])('a rate of %s is %s', (ratePerSecond, condition) => {
  expect(conditionOf(ratePerSecond)).toBe(condition)
})
