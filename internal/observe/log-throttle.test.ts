import { pino } from 'pino'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { LogThrottle } from './log-throttle.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function setUp(options: { maxKeys?: number } = {}) {
  const lines: Array<Record<string, unknown>> = []
  const logger = pino({ base: null, timestamp: false, messageKey: 'm' }, { write: (l) => lines.push(JSON.parse(l)) })
  const throttle = new LogThrottle(logger, { everyMs: 1000, ...options })
  return { lines, throttle }
}

const WARN = 40
const ERROR = 50

test('the first line of a key is written at once, later ones once a period with the newest fields', () => {
  const { lines, throttle } = setUp()
  for (let n = 1; n <= 5; n++) throttle.warn('a', { n }, 'bad message')
  expect(lines).toEqual([{ level: WARN, n: 1, m: 'bad message' }])
  vi.advanceTimersByTime(1000)
  expect(lines.slice(1)).toEqual([{ level: WARN, n: 5, repeated: 4, m: 'bad message' }])
})

test('a fault that goes on is written once a period', () => {
  const { lines, throttle } = setUp()
  for (let ms = 0; ms < 10_000; ms += 10) {
    throttle.error('a', {}, 'away')
    vi.advanceTimersByTime(10)
  }
  expect(lines).toHaveLength(11)
  expect(lines.reduce((sum, line) => sum + Number(line.repeated ?? 1), 0)).toBe(1000)
  expect(lines[0]).toMatchObject({ level: ERROR })
})

test('a key that was quiet for a period is new again, and no timer is left', () => {
  const { lines, throttle } = setUp()
  throttle.warn('a', { n: 1 }, 'bad')
  vi.advanceTimersByTime(1000)
  expect(vi.getTimerCount()).toBe(0)
  throttle.warn('a', { n: 2 }, 'bad')
  expect(lines.map((line) => line.n)).toEqual([1, 2])
})

test('keys beyond the bound share one', () => {
  const { lines, throttle } = setUp({ maxKeys: 2 })
  for (let n = 0; n < 100; n++) throttle.warn(`key ${n}`, { n }, 'bad')
  expect(lines.map((line) => line.n)).toEqual([0, 1, 2])
  throttle.flush()
  expect(lines[3]).toEqual({ level: WARN, n: 99, repeated: 97, m: 'bad' })
})

test('flush writes what was held back, and leaves no timer', () => {
  const { lines, throttle } = setUp()
  throttle.warn('a', { n: 1 }, 'bad')
  throttle.warn('a', { n: 2 }, 'bad')
  throttle.flush()
  throttle.flush()
  expect(lines.map((line) => [line.n, line.repeated])).toEqual([
    [1, undefined],
    [2, 1],
  ])
  expect(vi.getTimerCount()).toBe(0)
})
