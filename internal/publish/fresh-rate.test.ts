import { expect, it } from 'vitest'
import { FreshRate } from './fresh-rate.ts'

it.each([
  ['each second', 1000, 1],
  ['each ten seconds', 10_000, 0.1],
  ['each ms', 1, 1000],
])('knows the rate of one message %s', (_name, everyMs, perSecond) => {
  const rate = new FreshRate()
  for (let nowMs = 500; nowMs <= 60_500; nowMs += everyMs) rate.count(nowMs)
  expect(rate.perSecond).toBeGreaterThanOrEqual(perSecond)
  expect(rate.perSecond).toBeLessThanOrEqual(Math.max(1, perSecond * 1.01))
})

it('knows at once of many', () => {
  const rate = new FreshRate()
  for (let n = 0; n < 300; n++) rate.count(1000)
  expect(rate.perSecond).toBe(300)
})
