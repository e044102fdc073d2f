import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Schedule, Turns } from './due-times.ts'

const START_US = 1_763_900_000_000_000

const load = fc.record({
  ratePerSecond: fc.integer({ min: 1, max: 1_000_000 }),
  durationMs: fc.integer({ min: 1, max: 10 }),
  threads: fc.integer({ min: 1, max: 8 }),
})

describe('the schedule of an open loop', () => {
  test('of all threads together is the ideal one, and no two messages share a microsecond', () => {
    fc.assert(
      fc.property(load, ({ ratePerSecond, durationMs, threads }) => {
        const due = Array.from({ length: threads }, (_, thread) => {
          const schedule = new Schedule({ startUs: START_US, durationMs, ratePerSecond, thread, threads })
          return Array.from({ length: schedule.count }, (_message, n) => schedule.dueUs(n))
        }).flat()
        const count = Math.round((ratePerSecond * durationMs) / 1000)
        const ideal = Array.from({ length: count }, (_, n) => START_US + Math.floor(n * (1e6 / ratePerSecond)))
        expect(due.sort((a, b) => a - b)).toEqual(ideal)
        expect(new Set(due).size).toBe(count)
      }),
    )
  })

  test('knows what is due at any time, even when it is asked late', () => {
    fc.assert(
      fc.property(load, fc.nat({ max: 200_000 }), fc.nat(), ({ ratePerSecond, durationMs, threads }, laterUs, seed) => {
        const schedule = new Schedule({ startUs: START_US, durationMs, ratePerSecond, thread: seed % threads, threads })
        const nowUs = START_US - 100_000 + laterUs
        const due = schedule.dueBy(nowUs)
        if (due > 0) expect(schedule.dueUs(due - 1)).toBeLessThanOrEqual(nowUs)
        if (due < schedule.count) expect(schedule.dueUs(due)).toBeGreaterThan(nowUs)
      }),
    )
  })

  test('has nothing for the threads beyond its few messages', () => {
    const counts = [0, 1, 2].map(
      (thread) => new Schedule({ startUs: 0, durationMs: 1000, ratePerSecond: 2, thread, threads: 3 }).count,
    )
    expect(counts).toEqual([1, 1, 0])
  })
})

describe('the turns of a closed loop', () => {
  const turns = fc.array(fc.record({ afterUs: fc.nat({ max: 2000 }), count: fc.integer({ min: 1, max: 300 }) }))

  test('give each message a microsecond of its own, which is its thread’s', () => {
    fc.assert(
      fc.property(turns, fc.integer({ min: 1, max: 8 }), fc.nat(), (given, threads, seed) => {
        const thread = seed % threads
        const times = new Turns(START_US, thread, threads)
        let nowUs = START_US
        let last = START_US - 1
        for (const { afterUs, count } of given) {
          nowUs += afterUs
          const first = times.begin(nowUs, count)
          expect(first).toBeGreaterThan(last)
          expect(first % threads).toBe(thread)
          last = first + (count - 1) * threads
        }
      }),
    )
  })

  test('end now if there is room since the last message', () => {
    const times = new Turns(START_US, 0, 1)
    expect(times.begin(START_US + 1000, 10)).toBe(START_US + 991)
    expect(times.begin(START_US + 1005, 10)).toBe(START_US + 1001)
    expect(times.begin(START_US + 2000, 1)).toBe(START_US + 2000)
  })

  test('have no room before the start, and none in the future', () => {
    const times = new Turns(START_US, 1, 3)
    expect([START_US - 1, START_US, START_US + 30].map((us) => times.room(us))).toEqual([0, 0, 10])
    times.begin(START_US + 30, times.room(START_US + 30))
    expect(times.room(START_US + 30)).toBe(0)
  })

  test('do not begin before the start', () => {
    expect(new Turns(START_US, 0, 1).begin(START_US, 64)).toBe(START_US)
  })
})
