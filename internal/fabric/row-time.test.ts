import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rowTimeUs } from './row-time.ts'

const NOW_US = 1_763_900_000_123_456

describe('rowTimeUs', () => {
  it.each<[string, number | bigint, number | undefined]>([
    ['seconds', 1_763_900_000, 1_763_900_000_000_000],
    ['seconds with a fraction', 1_763_900_000.25, 1_763_900_000_250_000],
    ['milliseconds', 1_763_900_000_123, 1_763_900_000_123_000],
    ['milliseconds with a fraction', 1_763_900_000_123.5, 1_763_900_000_123_500],
    ['microseconds', 1_763_900_000_123_456, 1_763_900_000_123_456],
    ['nanoseconds', 1_763_900_000_123_456_789n, 1_763_900_000_123_456],
    ['nanoseconds in e-notation', 1.7639e18, 1_763_900_000_000_000],
    ['10 minutes ahead', 1_763_900_600, 1_763_900_600_000_000],
    ['more than 10 minutes ahead', 1_763_900_601, undefined],
    ['nine years back', 1_763_900_000 - 9 * 365 * 86_400, (1_763_900_000 - 9 * 365 * 86_400) * 1e6],
    ['eleven years back', 1_763_900_000 - 11 * 365 * 86_400, undefined],
    ['0', 0, undefined],
    ['before 1970', -1_763_900_000, undefined],
    ['no number', Number.NaN, undefined],
    ['infinite', Number.POSITIVE_INFINITY, undefined],
    ['the largest of 64 bits', 2n ** 63n - 1n, undefined],
    ['beyond all units', 9.2e18, undefined],
  ])('%s', (_, time, us) => {
    expect(rowTimeUs(time, NOW_US)).toBe(us)
  })

  it('finds the unit of any time of the next centuries', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1_700_000_000, max: 9_000_000_000 }), (seconds) => {
        const nowUs = seconds * 1e6
        for (const time of [seconds, seconds * 1e3, seconds * 1e6, BigInt(seconds) * 1_000_000_000n])
          expect(rowTimeUs(time, nowUs)).toBe(nowUs)
      }),
    )
  })
})
