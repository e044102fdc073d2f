import { describe, expect, it } from 'vitest'
import { SteadyRate } from './steady-rate.ts'

/** The rates that are read each second while bursts of `size` come every `everyS` seconds, now just before a reading, now just after. */
function ratesOf({ everyS, size, seconds }: { everyS: number; size: number; seconds: number }): number[] {
  const rate = new SteadyRate()
  return Array.from({ length: seconds }, (_, second) => {
    const isLate = (second / everyS) % 2 === 1
    const bursts = Math.floor(second / everyS) + (isLate ? 0 : 1)
    return rate.read(bursts * size, second * 1000)
  })
}

describe('the rate of a count that grows in bursts', () => {
  it.each([1, 2, 3, 5, 6, 10, 15])('is steady where they come every %d s', (everyS) => {
    const settled = ratesOf({ everyS, size: 1_000 * everyS, seconds: 200 }).slice(40)
    for (const rate of settled) expect(rate).toBeCloseTo(1_000, -2)
  })

  it('is there from the second reading on, follows a load that changes, and falls to 0 when nothing comes', () => {
    const rate = new SteadyRate()
    expect(rate.read(5_000, 0)).toBe(0)
    expect(rate.read(5_400, 1_000)).toBe(400)
    for (let second = 2; second < 60; second++) rate.read(5_400 + 100 * second, second * 1_000)
    const count = 5_400 + 100 * 59
    expect(rate.read(count, 60_000)).toBeLessThan(100)
    for (let second = 61; second < 101; second++) rate.read(count, second * 1_000)
    expect(rate.read(count, 101_000)).toBe(0)
  })
})
