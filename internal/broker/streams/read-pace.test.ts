import { describe, expect, it } from 'vitest'
import { ReadPace } from './read-pace.ts'

/** Reads of a stream that gets so many entries a second, until the pace has settled. @returns the last reads */
function settled(pace: ReadPace, perSecond: number, startMs = 0): Array<{ entries: number; pauseMs: number }> {
  const reads: Array<{ entries: number; pauseMs: number }> = []
  let nowMs = startMs
  for (let i = 0; i < 1000; i++) {
    // A read takes a moment, or as long as it takes for an entry to come.
    const sinceMs = Math.max(pace.pauseMs + 0.2, 1000 / perSecond)
    nowMs += sinceMs
    pace.took((sinceMs * perSecond) / 1000, nowMs)
    reads.push({ entries: (sinceMs * perSecond) / 1000, pauseMs: pace.pauseMs })
  }
  return reads.slice(-10)
}

describe('ReadPace', () => {
  it.each([1, 10, 50, 150])('waits for nothing at %i entries a second', (perSecond) => {
    for (const { pauseMs } of settled(new ReadPace(), perSecond)) expect(pauseMs).toBe(0)
  })

  it.each([7_500, 30_000, 250_000])('lets a read bring hundreds at %i entries a second', (perSecond) => {
    for (const { entries, pauseMs } of settled(new ReadPace(), perSecond)) {
      expect(entries).toBeGreaterThan(Math.min(500, perSecond / 30))
      expect(pauseMs).toBeLessThanOrEqual(40)
    }
  })

  it('follows a rate that falls', () => {
    const pace = new ReadPace()
    settled(pace, 100_000)
    for (const { pauseMs } of settled(pace, 10, 1e6)) expect(pauseMs).toBe(0)
  })

  it('has no pause after a silence', () => {
    const pace = new ReadPace()
    settled(pace, 30_000)
    pace.took(0, 1e6)
    expect(pace.pauseMs).toBe(0)
  })
})
