import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { ServerClock } from './clock.ts'

const SERVER_US = 1_763_900_000_000_000

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** An answer after a round trip, from a server whose clock is ahead of the true time by `aheadMs`. */
function answer(clock: ServerClock, roundTripMs: number, aheadMs = 0): void {
  const sentAtMs = performance.now()
  vi.advanceTimersByTime(roundTripMs)
  const truthUs = SERVER_US + (sentAtMs + roundTripMs / 2) * 1000
  clock.observe(truthUs + aheadMs * 1000, sentAtMs, performance.now())
}

const errorMs = (clock: ServerClock) => clock.now() - (SERVER_US / 1000 + performance.now())

it('follows the server, whatever the clock of this computer says', () => {
  const clock = new ServerClock()
  answer(clock, 40)
  expect(errorMs(clock)).toBeCloseTo(0, 6)
  vi.advanceTimersByTime(5000)
  expect(errorMs(clock)).toBeCloseTo(0, 6)
})

it('uses the quickest of the last eight answers', () => {
  const clock = new ServerClock()
  answer(clock, 400, 150)
  answer(clock, 10, 2)
  for (let i = 0; i < 7; i++) answer(clock, 300, -100)
  expect(errorMs(clock)).toBeCloseTo(2, 6)
  answer(clock, 300, -100)
  expect(errorMs(clock)).toBeCloseTo(-100, 6)
})

it('follows at once a difference that no round trip explains', () => {
  const clock = new ServerClock()
  answer(clock, 10)
  answer(clock, 300, 3_600_000)
  expect(errorMs(clock)).toBeCloseTo(3_600_000, 6)
})
