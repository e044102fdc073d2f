import { describe, expect, it } from 'vitest'
import { figuresOf, lostInWords, type PipelineFigures, storeInWords } from './pipeline-strip.ts'

const NOW_MS = 1_763_900_000_000

function role(name: string, fields: Record<string, number | string | boolean>, ageMs = 500) {
  const tags = { host: 'a', role: name }
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

describe('the figures of the pipeline', () => {
  it('are sums over servers and agents, and the latency of the slowest server', () => {
    const roles = [
      role('server', SERVER),
      role('server', { ...SERVER, e2e_p99_us: 9000 }),
      role('agent', { dropped: 4, held: 1 }),
    ]
    expect(figuresOf(roles, NOW_MS)).toEqual({
      samplesPerSecond: 200,
      latencies: { e2e_p50_us: null, e2e_p99_us: 9000, durable_p50_us: null, durable_p99_us: null },
      outcomes: { lost: 2, dropped: 4, rejected: 4, held: 7 },
      // What an older server does not say.
      onDisk: 0,
      deadLetters: null,
      lostAtMost: 0,
      storeAwayMs: null,
      lostKnown: true,
      way: 'memory → duckdb',
    })
  })

  it('are unknown without a server of the last ten seconds', () => {
    expect(figuresOf([role('server', SERVER, 10_000), role('agent', {})], NOW_MS)).toBeNull()
  })

  it('do not claim that nothing was lost where that cannot be known', () => {
    const roles = [role('server', SERVER), role('server', { ...SERVER, lost_known: false })]
    expect(figuresOf(roles, NOW_MS)?.lostKnown).toBe(false)
  })

  it('tell what is on disk, and of the store that is away for longest', () => {
    const here = { ...SERVER, store_ready: true, store_away_seconds: 0, spooled: 0, dead_letters: 2 }
    const away = { ...here, store_ready: false, store_away_seconds: 125.4, held: 12_310, spooled: 12_300 }
    const roles = [role('server', here), role('server', away), role('server', { ...away, store_away_seconds: 3 })]
    expect(figuresOf(roles, NOW_MS)).toMatchObject({ onDisk: 24_600, deadLetters: 6, storeAwayMs: 125_400 })
    expect(figuresOf([role('server', here)], NOW_MS)).toMatchObject({ onDisk: 0, storeAwayMs: null })
  })
})

const figures = (more: Partial<PipelineFigures> = {}): PipelineFigures => ({
  ...figuresOf([role('server', { ...SERVER, lost: 0, held: 3 })], NOW_MS)!,
  ...more,
})

describe('what was lost', () => {
  const lost = (lost: number) => ({ outcomes: { lost, dropped: 0, rejected: 0, held: 0 } })
  it.each<[string, Partial<PipelineFigures>, string, string]>([
    ['nothing', {}, '0', '0 never arrived'],
    ['some', lost(1200), '1,200', '1,200 never arrived'],
    [
      'some, and perhaps more',
      { ...lost(3), lostAtMost: 9 },
      '≤ 12',
      '3 never arrived, and at most 9 more: a server was killed',
    ],
    ['nobody knows what', { lostKnown: false }, '–', '0 never arrived; of messages without a number nobody knows'],
    [
      'some, and who knows',
      { ...lost(3), lostKnown: false },
      '≥ 3',
      '3 never arrived; of messages without a number nobody knows',
    ],
  ])('%s', (_what, more, text, words) => {
    expect(lostInWords(figures(more))).toEqual({ text, words })
  })
})

describe('the store', () => {
  it.each<[string, Partial<PipelineFigures>, string]>([
    ['takes samples', {}, ''],
    ['has just gone', { storeAwayMs: 400 }, 'store away for 0.4 s, 3 samples held'],
    ['is away', { storeAwayMs: 125_400, onDisk: 12_300 }, 'store away for 2 min, 12,300 samples on disk'],
    ['is back', { onDisk: 12_300 }, 'catching up, 12,300 samples on disk'],
  ])('%s', (_what, more, words) => {
    expect(storeInWords(figures(more))).toBe(words)
  })
})
