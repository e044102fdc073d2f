import { describe, expect, it } from 'vitest'
import { type Played, problemOf } from './holds.ts'

type Second = Played['timeline'][number]

const second = (change: { e2e?: number; durable?: number; held?: number; spooled?: number } = {}): Second => ({
  held: change.held ?? 4,
  spooled: change.spooled ?? 0,
  p99: { internal: 10, e2e: change.e2e ?? 2_000, durable: change.durable ?? 40_000 },
})
const GOOD: Played = {
  ...{ messages: 1000, samples: 1000, seconds: 10, settleMs: 120, stored: 1000, reportedLost: 0, balance: '' },
  timeline: [second(), second(), second(), second()],
}
const late = { e2e: 300_000 }
/** 100 samples are sent a second. */
const piledUp = { timeline: [second(), second({ held: 40 }), second({ held: 60 }), second({ held: 80 })] }
const caughtUp = { timeline: [second({ held: 40 }), second({ held: 60 }), second({ held: 8 }), second({ held: 80 })] }

describe('problemOf', () => {
  const cases: Array<[what: string, played: Partial<Played>, problem: RegExp]> = [
    ['all stored, nothing late', {}, /^$/],
    ['a balance that does not hold', { balance: '3 are missing' }, /^3 are missing$/],
    ['losses that were reported', { stored: 990, reportedLost: 10 }, /^10 of 1000 samples are not stored$/],
    ['a sender that is too slow', { seconds: 10.2 }, /^the load generator sends no more than 98 a second$/],
    ['a server that is late', { timeline: [second(late), second(late), second(late)] }, /e2e p99 300 ms/],
    ['a pause at the end', { timeline: [second(), second(), second(), second(late)] }, /^$/],
    ['a pause at the start', { timeline: [second(late), second(), second(), second()] }, /^$/],
    ['a store that is late', { timeline: [second({ durable: 3e6 }), second({ durable: 4e6 })] }, /durable p99 3000 ms/],
    ['a spool at the end', { timeline: [second(), second(), second({ spooled: 1 })] }, /^the store.*spools$/],
    ['a store that has not all at the end', { ...piledUp, settleMs: 800 }, /^the store.*needs 800 ms more at the end$/],
    ['a store that had caught up a second before the end', { ...caughtUp, settleMs: 800 }, /^$/],
    ['a spool that was emptied', { timeline: [second({ spooled: 1 }), second()] }, /^$/],
  ]
  it.each(cases)('%s', (_what, played, problem) => {
    expect(problemOf({ ...GOOD, ...played }, 100)).toMatch(problem)
  })
})
