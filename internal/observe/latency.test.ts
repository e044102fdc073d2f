import { describe, expect, test } from 'vitest'
import { LatencyRecorder, statsLine, summarize } from './latency.ts'

const of = (count: number, us: number) => ({ count, p50Us: us, p90Us: us, p99Us: us, maxUs: us })
const NOTHING = of(0, 0)

describe('a latency recorder', () => {
  test('counts a negative latency as 0, and counts that', () => {
    const recorder = new LatencyRecorder()
    recorder.record(-5)
    expect(recorder.takePeriod()).toEqual(of(1, 0))
    expect(recorder.negative).toBe(1)
  })

  test('gives each period once, and the total every time', () => {
    const recorder = new LatencyRecorder()
    recorder.record(100)
    expect(recorder.takePeriod()).toEqual(of(1, 100))
    expect(recorder.takePeriod()).toEqual(NOTHING)
    recorder.record(200)
    expect(recorder.takePeriod()).toEqual(of(1, 200))
    expect(summarize(recorder.total())).toEqual({ count: 2, p50Us: 100, p90Us: 200, p99Us: 200, maxUs: 200 })
  })

  test('gives only the last two half windows as recent', () => {
    let nowMs = 0
    const recorder = new LatencyRecorder(() => nowMs)
    recorder.record(100)
    expect(recorder.recent()).toEqual(of(1, 100))
    nowMs = 5_000
    expect(recorder.recent()).toEqual(of(1, 100))
    recorder.record(100)
    nowMs = 9_999
    expect(recorder.recent()).toEqual(of(2, 100))
    nowMs = 10_000
    expect(recorder.recent()).toEqual(of(1, 100))
    nowMs = 15_000
    expect(recorder.recent()).toEqual(NOTHING)
    expect(summarize(recorder.total())).toEqual(of(2, 100))
  })
})

test('the log line is the one that scripts look for', () => {
  const summary = { count: 1000, p50Us: 12, p90Us: 20, p99Us: 31, maxUs: 99 }
  expect(statsLine('INTERNAL', summary)).toBe('INTERNAL_LATENCY_STATS count=1000 p50_us=12 p90_us=20 p99_us=31')
  expect(statsLine('DURABLE', summary)).toBe('DURABLE_LATENCY_STATS count=1000 p50_us=12 p90_us=20 p99_us=31')
})
