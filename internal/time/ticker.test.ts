import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Ticker } from './ticker.ts'

const START_MS = 1_763_900_000_250
/** The wall clock that the tests set; the monotonic timer goes on by itself. */
let stepMs = 0
const clock = { now: () => Math.floor((START_MS + performance.now() - origin + stepMs) * 1000) }
let origin = 0

beforeEach(() => {
  vi.useFakeTimers()
  origin = performance.now()
  stepMs = 0
})
afterEach(() => {
  vi.useRealTimers()
})

/** Seconds after the beginning of the second in which the test starts. */
const second = (n: number) => 1_763_900_000_000_000 + n * 1e6

function ticker(work: (atUs: number) => Promise<void> = async () => {}) {
  const at: number[] = []
  const errors: unknown[] = []
  const made = new Ticker({
    intervalMs: 1000,
    clock,
    onTick: (atUs) => {
      at.push(atUs)
      return work(atUs)
    },
    onError: (error) => errors.push(error),
  })
  return { ticker: made, at, errors }
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

test('ticks fall on the multiples of the interval, the first within one interval', async () => {
  const { ticker: t, at, errors } = ticker()
  t.start()
  await vi.advanceTimersByTimeAsync(749)
  expect(at).toEqual([])
  await vi.advanceTimersByTimeAsync(2001)
  await t.stop()
  expect(at).toEqual([second(1), second(2), second(3)])
  expect([t.missed, errors]).toEqual([0, []])
})

test('ticks do not overlap when the work takes long: the multiples that pass meanwhile are missed', async () => {
  let going = 0
  let most = 0
  const { ticker: t, at } = ticker(async (atUs) => {
    most = Math.max(most, ++going)
    await sleep(atUs === second(2) ? 2300 : 100)
    going--
  })
  t.start()
  await vi.advanceTimersByTimeAsync(6000)
  await t.stop()
  expect(at).toEqual([1, 2, 5, 6].map(second))
  expect(t.missed).toBe(2)
  expect(most).toBe(1)
})

test('a process that could not run does the latest multiple only', async () => {
  const { ticker: t, at } = ticker()
  t.start()
  await vi.advanceTimersByTimeAsync(1000)
  // Both clocks go on, but no timer fires, as under SIGSTOP.
  const now = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => now() + 3500)
  await vi.advanceTimersByTimeAsync(1750)
  await t.stop()
  vi.mocked(performance.now).mockRestore()
  expect(at).toEqual([1, 5, 6].map(second))
  expect(t.missed).toBe(3)
})

test('it does not drift, however late each timer fires', async () => {
  const { ticker: t, at } = ticker(() => sleep(7))
  t.start()
  await vi.advanceTimersByTimeAsync(100_000)
  await t.stop()
  expect(at).toEqual(Array.from({ length: 100 }, (_, i) => second(i + 1)))
  expect(t.missed).toBe(0)
})

test('a clock set forward is followed, and no time was lost', async () => {
  const { ticker: t, at } = ticker()
  t.start()
  await vi.advanceTimersByTimeAsync(1000)
  stepMs = 3_600_000
  await vi.advanceTimersByTimeAsync(2000)
  await t.stop()
  expect(at).toEqual([second(1), second(3602), second(3603)])
  expect(t.missed).toBe(0)
})

test('a clock set back a little makes one tick wait, and no time is used twice', async () => {
  const { ticker: t, at } = ticker()
  t.start()
  await vi.advanceTimersByTimeAsync(1000)
  stepMs = -600
  await vi.advanceTimersByTimeAsync(3000)
  await t.stop()
  expect(at).toEqual([1, 2, 3].map(second))
  expect(t.missed).toBe(0)
})

test('a clock set back a little during a tick does not give its time again', async () => {
  const { ticker: t, at } = ticker(async (atUs) => {
    if (atUs === second(1)) stepMs = -600
  })
  t.start()
  await vi.advanceTimersByTimeAsync(3000)
  await t.stop()
  expect(at).toEqual([1, 2].map(second))
})

test('a clock set back by hours is followed at once', async () => {
  const { ticker: t, at } = ticker()
  t.start()
  await vi.advanceTimersByTimeAsync(1000)
  stepMs = -7_200_000
  await vi.advanceTimersByTimeAsync(3000)
  await t.stop()
  expect(at.slice(0, 3)).toEqual([second(1), second(2 - 7200 + 1), second(3 - 7200 + 1)])
})

test('the error of a tick that rejects is handed over, and the ticks continue', async () => {
  const {
    ticker: t,
    at,
    errors,
  } = ticker(async (atUs) => {
    if (atUs === second(1)) throw new Error('no such file')
  })
  t.start()
  await vi.advanceTimersByTimeAsync(2000)
  await t.stop()
  expect(at).toHaveLength(2)
  expect(errors).toEqual([new Error('no such file')])
})

test('stop waits for the running tick, and no tick begins after it', async () => {
  let ended = false
  const { ticker: t, at } = ticker(async () => {
    await sleep(5000)
    ended = true
  })
  t.start()
  await vi.advanceTimersByTimeAsync(1000)
  const stopped = t.stop().then(() => ended)
  await vi.advanceTimersByTimeAsync(10_000)
  expect(await stopped).toBe(true)
  expect(at).toHaveLength(1)
  expect(vi.getTimerCount()).toBe(0)
})

test('for any lengths of work: times rise, ticks do not overlap, and every multiple is a tick or is missed', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 4000 }), { minLength: 1, maxLength: 20 }), async (lengths) => {
      origin = performance.now()
      const left = [...lengths]
      let going = 0
      const { ticker: t, at } = ticker(async () => {
        expect(++going).toBe(1)
        await sleep(left.shift() ?? 0)
        going--
      })
      t.start()
      await vi.advanceTimersByTimeAsync(100_000)
      await t.stop()
      for (let i = 1; i < at.length; i++) expect(at[i]!).toBeGreaterThan(at[i - 1]!)
      expect((at.at(-1)! - second(0)) / 1e6).toBe(at.length + t.missed)
    }),
    { numRuns: 50 },
  )
})

test('for any steps of the clock: ticks keep within an interval of it, and no time repeats unless it was set back', async () => {
  const steps = fc.array(fc.integer({ min: -4000, max: 4000 }), { minLength: 1, maxLength: 15 })
  await fc.assert(
    fc.asyncProperty(steps, async (deltas) => {
      origin = performance.now()
      stepMs = 0
      let setBack = false
      let last = 0
      const { ticker: t, errors } = ticker(async (atUs) => {
        expect(atUs).toBeLessThanOrEqual(clock.now())
        expect(clock.now() - atUs).toBeLessThan(1e6)
        if (!setBack) expect(atUs).toBeGreaterThan(last)
        last = atUs
        setBack = false
      })
      t.start()
      for (const delta of deltas) {
        await vi.advanceTimersByTimeAsync(1300)
        stepMs += delta
        if (delta < -1000) setBack = true
      }
      await vi.advanceTimersByTimeAsync(3000)
      await t.stop()
      expect([t.missed, errors]).toEqual([0, []])
    }),
  )
})

test('an interval of 0 is refused', () => {
  expect(() => new Ticker({ intervalMs: 0, clock, onTick: async () => {} })).toThrow(RangeError)
})

test('another interval counts from now, whether it is shorter or longer, and no time is used twice', async () => {
  const { ticker: t, at } = ticker()
  t.start()
  await vi.advanceTimersByTimeAsync(800)
  expect(at).toEqual([second(1)])
  t.setInterval(500)
  await vi.advanceTimersByTimeAsync(1000)
  expect(at).toEqual([1, 1.5, 2].map(second))
  // The multiple that the ticker waited for is a multiple of the new interval too.
  t.setInterval(250)
  t.setInterval(500)
  await vi.advanceTimersByTimeAsync(500)
  t.setInterval(2000)
  await vi.advanceTimersByTimeAsync(2000)
  await t.stop()
  expect(at).toEqual([1, 1.5, 2, 2.5, 4].map(second))
  expect(t.missed).toBe(0)
})

test('another interval that is set during a tick lets it end', async () => {
  const { ticker: t, at } = ticker(() => sleep(100))
  t.start()
  await vi.advanceTimersByTimeAsync(760)
  t.setInterval(100)
  expect(at).toEqual([second(1)])
  await vi.advanceTimersByTimeAsync(200)
  expect(at).toEqual([1, 1.2].map(second))
  const stopped = t.stop()
  t.setInterval(100)
  await vi.advanceTimersByTimeAsync(1000)
  await stopped
  expect(at).toHaveLength(2)
  expect(() => t.setInterval(0)).toThrow('intervalMs must be above 0, not 0')
})
