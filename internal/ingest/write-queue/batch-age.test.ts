import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Random } from '../../../test/support/random.ts'
import { type AgeBounds, batchAgeMs } from './batch-age.ts'
import { RunningQuantile } from './running-quantile.ts'

const DEFAULTS: AgeBounds = { flushMinMs: 10, flushMaxMs: 250, durableTargetMs: 50 }

describe('batchAgeMs', () => {
  it.each<[string, Partial<AgeBounds>, typicalMs: number, tailMs: number, ageMs: number]>([
    ['nothing is known yet', {}, 0, 0, 32.5],
    ['a near store', {}, 3, 6, 26.5],
    ['a near store, and more time', { durableTargetMs: 200 }, 3, 6, 124],
    ['a near store, and much more time', { durableTargetMs: 1000 }, 3, 6, 250],
    ['a near store, and less time', { durableTargetMs: 25 }, 3, 6, 10.25],
    ['less time than the store takes', { durableTargetMs: 5 }, 3, 6, 10],
    ['a least age beyond the target', { flushMinMs: 100 }, 3, 6, 100],
    ['a most age below the target', { flushMaxMs: 20 }, 3, 6, 20],
    ['all three the same', { flushMinMs: 50, flushMaxMs: 50 }, 3, 6, 50],
    ['a slower store', {}, 15, 17, 15.5],
    ['a store that just meets the target', {}, 20, 22.5, 15],
    ['a store that misses it', {}, 30, 32.5, 20],
    ['a far store', {}, 60, 70, 57.5],
    ['a store whose tail is long', {}, 20, 70, 20],
    ['a store that is far away', {}, 250, 300, 250],
  ])('%s', (_name, bounds, typicalMs, tailMs, ageMs) => {
    expect(batchAgeMs({ ...DEFAULTS, ...bounds }, { typicalMs, tailMs })).toBeCloseTo(ageMs, 9)
  })

  const bounds = fc
    .record({
      flushMinMs: fc.integer({ min: 1, max: 10_000 }),
      more: fc.integer({ min: 0, max: 50_000 }),
      durableTargetMs: fc.integer({ min: 1, max: 60_000 }),
    })
    .map(({ flushMinMs, more, durableTargetMs }) => ({ flushMinMs, flushMaxMs: flushMinMs + more, durableTargetMs }))
  const time = fc.double({ min: 0, max: 60_000, noNaN: true })

  it('is three tenths of the target at least, because small writes keep the store busy', () => {
    fc.assert(
      fc.property(bounds, time, time, (all, typicalMs, more) => {
        const ageMs = batchAgeMs(all, { typicalMs, tailMs: typicalMs + more })
        expect(ageMs).toBeGreaterThanOrEqual(Math.min(all.flushMaxMs, all.durableTargetMs * 0.3))
      }),
    )
  })

  it('is between the bounds, whatever the target and the store', () => {
    fc.assert(
      fc.property(bounds, time, time, (all, typicalMs, more) => {
        const ageMs = batchAgeMs(all, { typicalMs, tailMs: typicalMs + more })
        expect(ageMs).toBeGreaterThanOrEqual(all.flushMinMs)
        expect(ageMs).toBeLessThanOrEqual(all.flushMaxMs)
      }),
    )
  })

  it('leaves a write the time that it needs, wherever the least age does', () => {
    fc.assert(
      fc.property(bounds, time, time, (all, typicalMs, more) => {
        const tailMs = typicalMs + more
        fc.pre(Math.max(all.flushMinMs, all.durableTargetMs * 0.3) + tailMs <= all.durableTargetMs * 0.65)
        expect(batchAgeMs(all, { typicalMs, tailMs }) + tailMs).toBeLessThanOrEqual(all.durableTargetMs * 0.65 + 1e-6)
      }),
    )
  })

  it('has no step: a write that takes 1 ms more changes it by 1 ms at most', () => {
    fc.assert(
      fc.property(bounds, time, time, (all, typicalMs, more) => {
        const ageAt = (moreMs: number): number =>
          batchAgeMs(all, { typicalMs: typicalMs + moreMs, tailMs: typicalMs + more + moreMs })
        expect(Math.abs(ageAt(1) - ageAt(0))).toBeLessThanOrEqual(1 + 1e-6)
      }),
    )
  })

  describe('with a store that takes longer for a larger batch', () => {
    const seed = fc.integer({ min: 1, max: 1e6 })
    const fixed = fc.double({ min: 0.5, max: 12, noNaN: true })
    const perMsOfAge = fc.double({ min: 0, max: 0.8, noNaN: true })

    it('comes to rest, and keeps the target, whatever the store did before', () => {
      fc.assert(
        fc.property(fixed, perMsOfAge, fc.constantFrom(0, 1, 40, 1000), seed, (fixedMs, msPerMs, beforeMs, seedOf) => {
          const random = new Random(seedOf, 0)
          const [typical, tail] = [new RunningQuantile(0.5), new RunningQuantile(0.95)]
          for (const quantile of [typical, tail]) if (beforeMs > 0) quantile.record(beforeMs)
          const late: number[] = []
          const ages: number[] = []
          for (let write = 0; write < 1500; write++) {
            const ageMs = batchAgeMs(DEFAULTS, { typicalMs: typical.value, tailMs: tail.value })
            const writeMs = (fixedMs + msPerMs * ageMs) * (0.9 + random.below(200) / 1000)
            typical.record(writeMs)
            tail.record(writeMs)
            if (write < 1000) continue
            ages.push(ageMs)
            if (ageMs + writeMs > DEFAULTS.durableTargetMs) late.push(write)
          }
          expect(late).toEqual([])
          expect(Math.max(...ages) / Math.min(...ages)).toBeLessThan(2)
        }),
      )
    })
  })
})
