import { afterEach, describe, expect, it, vi } from 'vitest'
import { WallClock } from './clock.ts'

afterEach(() => vi.restoreAllMocks())

/** A process whose timer and wall clock are read at these costs, ms; the wall clock is `aheadMs` ahead of the timer. */
function machine(costMs: { timer: () => number; wall: () => number }) {
  const state = { nowMs: 1000, aheadMs: 1_763_900_000_000.25 }
  vi.spyOn(performance, 'now').mockImplementation(() => {
    state.nowMs += costMs.timer()
    return state.nowMs
  })
  vi.spyOn(Date, 'now').mockImplementation(() => {
    state.nowMs += costMs.wall()
    return Math.floor(state.nowMs + state.aheadMs)
  })
  return state
}

/** By how much the clock is wrong, µs. */
function errorOf(clock: WallClock, { nowMs, aheadMs }: ReturnType<typeof machine>): number {
  // The answer holds for the moment before the call, because the mocks let time pass only in readings.
  const saidUs = clock.now()
  return saidUs - Math.floor((nowMs + aheadMs) * 1000)
}

describe('WallClock', () => {
  it('comes within a few µs of the wall clock, which counts whole milliseconds', () => {
    const free = machine({ timer: () => 0.001, wall: () => 0.001 })
    const clock = new WallClock()
    for (let i = 0; i < 20_000; i++) clock.now()
    expect(Math.abs(errorOf(clock, free))).toBeLessThan(10)
  })

  it('does so at the first call, and when calls are rare and all in the same part of a millisecond', () => {
    const idle = machine({ timer: () => 0.001, wall: () => 0.001 })
    const clock = new WallClock()
    for (let second = 0; second < 180; second++) {
      expect(Math.abs(errorOf(clock, idle))).toBeLessThan(10)
      idle.nowMs = Math.ceil(idle.nowMs) + 999.1
    }
  })

  it('is never ahead, wherever the process is stopped while it reads', () => {
    const stopsEvery = (count: number): (() => number) => {
      let n = 0
      return () => (++n % count === 0 ? 5 : 0.001)
    }
    const busy = machine({ timer: stopsEvery(97), wall: stopsEvery(7) })
    const clock = new WallClock()
    const errors = Array.from({ length: 20_000 }, () => {
      busy.nowMs += 0.003
      const saidUs = clock.now()
      return saidUs - Math.floor((busy.nowMs + busy.aheadMs) * 1000)
    })
    expect(Math.max(...errors)).toBeLessThanOrEqual(1)
  })

  it('follows a step of the wall clock, forward at once and back within a minute', () => {
    const free = machine({ timer: () => 0.001, wall: () => 0.001 })
    const clock = new WallClock()
    const settle = (): number => {
      for (let i = 0; i < 20_000; i++) clock.now()
      return errorOf(clock, free)
    }
    settle()
    free.aheadMs += 1000
    expect(Math.abs(settle())).toBeLessThan(10)
    free.aheadMs -= 3000
    expect(settle()).toBeGreaterThan(2_999_000)
    free.nowMs += 30_000
    settle()
    free.nowMs += 30_000
    expect(Math.abs(settle())).toBeLessThan(10)
  })
})
