import { describe, expect, it } from 'vitest'
import { lostText, type PipelineSummary, storeText, summaryOf } from './pipeline-strip.ts'

const NOW_MS = 1_763_900_000_000

function program(role: string, fields: Record<string, number | string | boolean>, ageMs = 500) {
  const tags = { host: 'a', role }
  return { measurement: 'sentinel_pipeline', tags, fields, at: (NOW_MS - ageMs) * 1000 }
}

const SERVER = {
  samples_per_second: 100,
  e2e_p99_us: 3000,
  lost: 1,
  dropped: 0,
  rejected: 2,
  held: 3,
  store: 'duckdb',
  broker: 'memory',
}

describe('the summary of the pipeline', () => {
  it('has sums over servers and agents, and the latency of the slowest server', () => {
    const programs = [
      program('server', SERVER),
      program('server', { ...SERVER, e2e_p99_us: 9000 }),
      program('agent', { dropped: 4, held: 1 }),
    ]
    expect(summaryOf(programs, NOW_MS)).toEqual({
      samplesPerSecond: 200,
      latencies: { e2e_p50_us: null, e2e_p99_us: 9000, durable_p50_us: null, durable_p99_us: null },
      outcomes: { lost: 2, dropped: 4, rejected: 4, held: 7 },
      // An older server does not send these.
      onDisk: 0,
      deadLetters: null,
      lostAtMost: 0,
      storeAwayMs: null,
      lostKnown: true,
      route: 'memory → duckdb',
    })
  })

  it('is unknown without a server of the last ten seconds', () => {
    expect(summaryOf([program('server', SERVER, 10_000), program('agent', {})], NOW_MS)).toBeNull()
  })

  it('does not say that nothing was lost when the loss is unknown', () => {
    const programs = [program('server', SERVER), program('server', { ...SERVER, lost_known: false })]
    expect(summaryOf(programs, NOW_MS)?.lostKnown).toBe(false)
  })

  it('counts the samples on disk, and takes the store that has been away longest', () => {
    const here = { ...SERVER, store_ready: true, store_away_seconds: 0, spooled: 0, dead_letters: 2 }
    const away = { ...here, store_ready: false, store_away_seconds: 125.4, held: 12_310, spooled: 12_300 }
    const programs = [
      program('server', here),
      program('server', away),
      program('server', { ...away, store_away_seconds: 3 }),
    ]
    expect(summaryOf(programs, NOW_MS)).toMatchObject({ onDisk: 24_600, deadLetters: 6, storeAwayMs: 125_400 })
    expect(summaryOf([program('server', here)], NOW_MS)).toMatchObject({ onDisk: 0, storeAwayMs: null })
  })
})

const summaryWith = (more: Partial<PipelineSummary> = {}): PipelineSummary => ({
  ...summaryOf([program('server', { ...SERVER, lost: 0, held: 3 })], NOW_MS)!,
  ...more,
})

describe('what was lost', () => {
  const lost = (lost: number) => ({ outcomes: { lost, dropped: 0, rejected: 0, held: 0 } })
  it.each<[string, Partial<PipelineSummary>, string, string]>([
    ['nothing', {}, '0', '0 never arrived'],
    ['some', lost(1200), '1,200', '1,200 never arrived'],
    [
      'some, and perhaps more',
      { ...lost(3), lostAtMost: 9 },
      '≤ 12',
      '3 never arrived, and at most 9 more, because a server was killed',
    ],
    [
      'an unknown number',
      { lostKnown: false },
      '–',
      '0 never arrived; what else was lost is unknown: see sentinel doctor',
    ],
    [
      'some, and an unknown number more',
      { ...lost(3), lostKnown: false },
      '≥ 3',
      '3 never arrived; what else was lost is unknown: see sentinel doctor',
    ],
  ])('%s', (_what, more, short, sentence) => {
    expect(lostText(summaryWith(more))).toEqual({ short, sentence })
  })
})

describe('the store', () => {
  it.each<[string, Partial<PipelineSummary>, string]>([
    ['takes samples', {}, ''],
    ['has just gone', { storeAwayMs: 400 }, 'store away for 0.4 s, 3 samples held'],
    ['is away', { storeAwayMs: 125_400, onDisk: 12_300 }, 'store away for 2 min, 12,300 samples on disk'],
    ['is back', { onDisk: 12_300 }, 'catching up, 12,300 samples on disk'],
  ])('%s', (_what, more, words) => {
    expect(storeText(summaryWith(more))).toBe(words)
  })
})
