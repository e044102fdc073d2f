import { describe, expect, it } from 'vitest'
import { Random } from '../../../test/support/random.ts'
import { ReadPace } from './read-pace.ts'

const WITHIN_MS = 30

/** Reads of one server from a stream that gets so many entries a second, until the pace has settled: the last ones. */
function settled(pace: ReadPace, perSecond: number, startMs = 0): Array<{ entries: number; pauseMs: number }> {
  const reads: Array<{ entries: number; pauseMs: number }> = []
  let nowMs = startMs
  for (let i = 0; i < 1000; i++) {
    // A read takes a moment, or as long as it takes for an entry to come.
    const sinceMs = Math.max(pace.pauseMs(WITHIN_MS, 1) + 0.2, 1000 / perSecond)
    nowMs += sinceMs
    pace.took((sinceMs * perSecond) / 1000, sinceMs, nowMs)
    reads.push({ entries: (sinceMs * perSecond) / 1000, pauseMs: pace.pauseMs(WITHIN_MS, 1) })
  }
  return reads.slice(-10)
}

/** Servers that begin within a time, and are up to 2 ms late each time. @returns what lies between their reads, ms */
function gapsOf(servers: number, perMs: number, withinMs: number): number[] {
  const random = new Random(servers, withinMs)
  const draw = (): number => random.below(1000) / 1000
  const each = Array.from({ length: servers }, () => ({ pace: new ReadPace(draw), nextMs: draw() * withinMs }))
  const gaps: number[] = []
  let [readMs, nowMs] = [0, 0]
  while (nowMs < 20_000) {
    const next = each.reduce((first, other) => (other.nextMs < first.nextMs ? other : first))
    nowMs = next.nextMs
    next.pace.took((nowMs - readMs) * perMs, nowMs - readMs, nowMs)
    gaps.push(nowMs - readMs)
    readMs = nowMs
    next.nextMs = nowMs + next.pace.pauseMs(WITHIN_MS, servers) + random.below(200) / 100
  }
  return gaps.slice(gaps.length / 4)
}

describe('ReadPace', () => {
  it.each([1, 10, 50, 150])('waits for nothing at %i entries a second', (perSecond) => {
    for (const { pauseMs } of settled(new ReadPace(), perSecond)) expect(pauseMs).toBe(0)
  })

  it.each([7_500, 30_000])('reads at %i entries a second as seldom as entries may wait', (perSecond) => {
    for (const { pauseMs } of settled(new ReadPace(), perSecond)) expect(pauseMs).toBeCloseTo(WITHIN_MS, 0)
  })

  it('reads several times meanwhile where more than 1,500 entries come', () => {
    for (const { entries, pauseMs } of settled(new ReadPace(), 250_000)) {
      expect(entries).toBeGreaterThan(1400)
      expect(entries).toBeLessThan(1600)
      expect(pauseMs).toBeLessThan(8)
    }
  })

  it('lets no entry wait longer than 40 ms, however slow the store is', () => {
    const pace = new ReadPace()
    settled(pace, 10_000)
    expect(pace.pauseMs(1000, 1)).toBeLessThan(61)
    settled(pace, 100_000)
    expect(pace.pauseMs(1000, 1)).toBeLessThanOrEqual(40)
  })

  it.each([2, 4])('lets %i servers take turns, whenever they began, and read as often as one', (servers) => {
    const gaps = gapsOf(servers, 30, WITHIN_MS)
    expect(Math.max(...gaps)).toBeLessThan(WITHIN_MS + 10)
    expect(Math.min(...gaps)).toBeGreaterThan(WITHIN_MS - 10)
  })

  it.each([2, 4, 8])('lets %i servers come apart that began at the same moment', (servers) => {
    const gaps = gapsOf(servers, 30, 0)
    expect(Math.max(...gaps)).toBeLessThan(2 * WITHIN_MS)
  })

  it('draws a moment of the turn for a server that reads at the same moment as another one', () => {
    const pauseAfter = (lot: number): number => {
      const pace = new ReadPace(() => lot)
      for (let nowMs = 120; nowMs <= 1200; nowMs += 120) pace.took(900, 30, nowMs)
      pace.took(1, 0, 1320)
      return pace.pauseMs(WITHIN_MS, 4)
    }
    expect(pauseAfter(0)).toBe(WITHIN_MS)
    expect(pauseAfter(1)).toBe(4 * WITHIN_MS)
  })

  it('follows a rate that falls', () => {
    const pace = new ReadPace()
    settled(pace, 100_000)
    for (const { pauseMs } of settled(pace, 10, 1e6)) expect(pauseMs).toBe(0)
  })

  it('has no pause after a silence', () => {
    const pace = new ReadPace()
    settled(pace, 30_000)
    pace.took(0, 0, 1e6)
    expect(pace.pauseMs(WITHIN_MS, 1)).toBe(0)
  })
})
