import { expect, test } from 'vitest'
import type { LedgerCounts } from '../../internal/observe/debug-metrics.ts'
import { balance, reportedLost, type Whereabouts } from './balance.ts'

const LEDGER: LedgerCounts = {
  ...{ messages: 1000, received: 1010, own: 10, ownDropped: 0, takenOver: 0, written: 1010, rejected: 0, dropped: 0 },
  ...{ held: 0, spooled: 0, lost: 0, duplicates: 0, trimmed: 0 },
}

const whereabouts = (given: Partial<Whereabouts>, ledger: Partial<LedgerCounts> = {}): Whereabouts => ({
  ...{ format: 'packed', sent: 1000, unreceived: 0, stored: 1000, ledger: { ...LEDGER, ...ledger } },
  ...given,
})

test.each<[string, Whereabouts]>([
  ['all is stored', whereabouts({})],
  ['the rest was never received', whereabouts({ unreceived: 10, stored: 990 })],
  ['the rest is rejected, dropped or lost', whereabouts({ stored: 900 }, { rejected: 50, dropped: 30, lost: 20 })],
  ['Redis trimmed the rest away', whereabouts({ stored: 995 }, { trimmed: 5 })],
  [
    'it trimmed frames, which the servers missed',
    whereabouts({ format: 'frame', stored: 990 }, { trimmed: 1, lost: 10 }),
  ],
  ['the servers dropped figures of their own', whereabouts({ stored: 970 }, { dropped: 32, ownDropped: 2 })],
  [
    'they did, and the store was not asked',
    whereabouts({ stored: undefined }, { received: 1010, dropped: 32, ownDropped: 2 }),
  ],
  ['the servers received everything, and the store was not asked', whereabouts({ stored: undefined })],
  ['neither the servers nor the store were asked', whereabouts({ stored: undefined, ledger: undefined })],
])('holds where %s', (_, given) => {
  expect(balance(given)).toBe('')
})

test.each<[string, Whereabouts, RegExp]>([
  [
    'something is missing',
    whereabouts({ stored: 993 }),
    /^1,000 samples sent, 993 stored, 0 reported lost: 7 are missing without a reported reason; packed/,
  ],
  [
    'frames are missing',
    whereabouts({ format: 'frame', stored: 1 }),
    /999 are missing without a reported reason; see the logs/,
  ],
  ['the store has more', whereabouts({ stored: 1200 }), /200 too many; does something else publish/],
  [
    'the servers still hold it',
    whereabouts({ stored: 400 }, { held: 600, spooled: 500 }),
    /600 are missing, 600 are still held by the servers/,
  ],
  [
    'less was taken in',
    whereabouts({ stored: undefined }, { received: 1000 }),
    /990 taken in, 0 reported lost: 10 are missing/,
  ],
])('says what is wrong where %s', (_, given, words) => {
  expect(balance(given)).toMatch(words)
})

test('samples that no server received are lost, and those that the servers report as lost', () => {
  expect(reportedLost(whereabouts({ unreceived: 1 }, { rejected: 2, dropped: 4, lost: 8 }))).toBe(15)
  expect(reportedLost(whereabouts({ unreceived: 1, ledger: undefined }))).toBe(1)
})
