import { pino } from 'pino'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { LatencyRecorder } from './latency.ts'
import { LatencyLog } from './latency-log.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('says the latencies in the rhythm that is set last, by time or by messages', () => {
  let lines = 0
  const logger = pino({}, { write: () => void lines++ })
  const internal = new LatencyRecorder()
  const latencies = { internal, e2e: new LatencyRecorder(), durable: new LatencyRecorder() }
  const log = new LatencyLog({ latencies, logger, everyMs: 10_000, everyMessages: 0 })
  const message = (): void => {
    internal.record(5)
    log.message()
  }
  log.start()
  message()
  vi.advanceTimersByTime(9000)
  expect(lines).toBe(0)
  log.setPeriod({ everyMs: 1000, everyMessages: 0 })
  vi.advanceTimersByTime(1000)
  expect(lines).toBe(1)
  log.setPeriod({ everyMs: 1000, everyMessages: 2 })
  message()
  vi.advanceTimersByTime(60_000)
  expect(lines).toBe(1)
  message()
  expect(lines).toBe(2)
  message()
  log.stop()
  expect(lines).toBe(3)
})
