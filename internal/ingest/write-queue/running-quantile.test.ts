import fc from 'fast-check'
import { expect, it } from 'vitest'
import { RunningQuantile } from './running-quantile.ts'

const times = fc.array(fc.double({ min: 1, max: 100, noNaN: true }), { minLength: 1, maxLength: 2000 })

/** How many of the values were above what the estimate was when they came. */
function exceeded(quantile: RunningQuantile, values: readonly number[]): number {
  let above = 0
  for (const value of values) {
    if (quantile.value !== 0 && value > quantile.value) above++
    quantile.record(value)
  }
  return above
}

it.each([0.5, 0.9, 0.95])('of any values, as many are above it as the share %d leaves', (share) => {
  fc.assert(
    fc.property(times, (values) => {
      const above = exceeded(new RunningQuantile(share), values)
      // From 1 to 100 it takes 26 steps up, or as much down: so far it may be behind.
      expect(Math.abs(above - values.length * (1 - share))).toBeLessThanOrEqual(28)
    }),
  )
})

it('begins with the first value, and no value of any size moves it up by more than a fifth', () => {
  const quantile = new RunningQuantile(0.95)
  expect(quantile.value).toBe(0)
  quantile.record(10)
  expect(quantile.value).toBe(10)
  quantile.record(2000)
  expect(quantile.value).toBeCloseTo(12)
})

it('follows a store that becomes slower or faster for good', () => {
  const quantile = new RunningQuantile(0.95)
  const after = (value: number, count: number): number => {
    for (let n = 0; n < count; n++) quantile.record(value)
    return quantile.value
  }
  after(2, 100)
  expect(after(200, 40)).toBeGreaterThan(190)
  expect(after(2, 600)).toBeLessThan(2.5)
})
