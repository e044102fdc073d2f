import { describe, expect, it } from 'vitest'
import type { PipelineSummary } from '../../internal/view/pipeline/figures.ts'
import { lostText, troubleText } from './pipeline-strip.ts'

const summaryWith = (more: Partial<PipelineSummary> = {}): PipelineSummary => ({
  ...{ programs: 1, servers: 1, seenAt: 1, samplesPerSecond: 100, broker: 'memory', store: 'duckdb' },
  ...{ e2eP50Us: null, e2eP99Us: 3000, durableP50Us: null, durableP99Us: null },
  ...{ lost: 0, dropped: 0, rejected: 2, held: 3, onDisk: 0, deadLetters: null },
  ...{ lostAtMost: 0, lostKnown: true, storeAwayMs: null, serversBehind: 0 },
  ...more,
})

describe('what was lost', () => {
  it.each<[string, Partial<PipelineSummary>, string, string]>([
    ['nothing', {}, '0', '0 never arrived'],
    ['some', { lost: 1200 }, '1,200', '1,200 never arrived'],
    [
      'some, and perhaps more',
      { lost: 3, lostAtMost: 9 },
      '≤ 12',
      '3 never arrived, and at most 9 more, unless an earlier server had them',
    ],
    [
      'an unknown number',
      { lostKnown: false },
      '–',
      '0 never arrived; what else was lost is unknown: see sentinel doctor',
    ],
    [
      'some, and an unknown number more',
      { lost: 3, lostKnown: false },
      '≥ 3',
      '3 never arrived; what else was lost is unknown: see sentinel doctor',
    ],
  ])('%s', (_what, more, short, sentence) => {
    expect(lostText(summaryWith(more))).toEqual({ short, sentence })
  })
})

describe('what is wrong', () => {
  it.each<[string, Partial<PipelineSummary>, string]>([
    ['nothing', {}, ''],
    ['the store has just gone', { storeAwayMs: 400 }, 'store away for 0.4 s, 3 samples held'],
    ['the store is away', { storeAwayMs: 125_400, onDisk: 12_300 }, 'store away for 2 min, 12,300 samples on disk'],
    ['the store is back', { onDisk: 12_300 }, 'catching up, 12,300 samples on disk'],
    ['the only server is behind', { serversBehind: 1, held: 40_000 }, 'server behind, 40,000 samples held'],
    ['one of many is', { servers: 4, serversBehind: 1, onDisk: 9 }, '1 of 4 servers behind, 9 samples on disk'],
    [
      'the store is away, which alone is said',
      { serversBehind: 1, storeAwayMs: 400 },
      'store away for 0.4 s, 3 samples held',
    ],
  ])('%s', (_what, more, words) => {
    expect(troubleText(summaryWith(more))).toBe(words)
  })
})
