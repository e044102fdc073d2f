import { describe, expect, it } from 'vitest'
import type { PipelineSummary } from '../../internal/view/pipeline/figures.ts'
import { lostText, storeText } from './pipeline-strip.ts'

const summaryWith = (more: Partial<PipelineSummary> = {}): PipelineSummary => ({
  ...{ programs: 1, servers: 1, seenAt: 1, samplesPerSecond: 100, broker: 'memory', store: 'duckdb' },
  ...{ e2eP50Us: null, e2eP99Us: 3000, durableP50Us: null, durableP99Us: null },
  ...{ lost: 0, dropped: 0, rejected: 2, held: 3, onDisk: 0, deadLetters: null },
  ...{ lostAtMost: 0, lostKnown: true, storeAwayMs: null },
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
      { lost: 3, lostKnown: false },
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
