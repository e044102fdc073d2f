import { expect, test } from 'vitest'
import type { LedgerCounts } from '../../internal/observe/debug-metrics.ts'
import { settle } from './settle.ts'

const NOTHING: LedgerCounts = {
  ...{ messages: 0, received: 0, own: 0, ownDropped: 0, takenOver: 0, written: 0, rejected: 0, dropped: 0 },
  ...{ held: 0, spooled: 0, lost: 0, duplicates: 0, trimmed: 0 },
}

/**
 * Waits for 100 samples of a server that gives these ledgers one after the other, and repeats the last. Only polls let
 * time pass.
 */
async function settled(says: ReadonlyArray<Partial<LedgerCounts>>, signal = new AbortController().signal) {
  let nowMs = 0
  let polls = 0
  const how = await settle({
    expected: 100,
    signal,
    ledger: async () => ({ ...NOTHING, ...says[Math.min(polls++, says.length - 1)] }),
    nowMs: () => nowMs,
    sleep: async (ms) => {
      nowMs += ms
    },
  })
  return { how, polls, nowMs }
}

test('it ends at once when everything has arrived and is settled', async () => {
  expect(await settled([{ received: 40, held: 40 }, { received: 100, held: 60 }, { received: 100 }])).toMatchObject({
    how: 'all',
    polls: 3,
  })
})

test('samples of the servers themselves do not count', async () => {
  expect(
    await settled([
      { received: 100, own: 3 },
      { received: 104, own: 4 },
    ]),
  ).toMatchObject({ how: 'all', polls: 2 })
})

test('it does not wait for lost samples', async () => {
  expect(await settled([{ received: 90, lost: 10 }])).toMatchObject({ how: 'all', polls: 1 })
})

test('nothing more comes: quiet for 6 s', async () => {
  expect(await settled([{ received: 10 }, { received: 99 }])).toMatchObject({ how: 'quiet', nowMs: 6050 })
})

test('it waits while the spool gets smaller, and half a minute if it does not', async () => {
  const draining = Array.from({ length: 2000 }, (_, n) => ({
    received: 100,
    written: n,
    held: 5000 - n,
    spooled: 5000 - n,
  }))
  expect(await settled([...draining, { received: 100 }])).toMatchObject({ how: 'all', polls: 2001 })
  expect(await settled([{ received: 100, held: 7, spooled: 7 }])).toMatchObject({ how: 'stuck', nowMs: 30_000 })
})

test('it ends when nothing more comes, though the servers still write their own metrics', async () => {
  // Each second the server makes a sample, and holds it for 100 ms.
  const alive = Array.from({ length: 2000 }, (_, poll) => {
    const own = Math.floor(poll / 20)
    const held = poll % 20 < 2 ? 1 : 0
    return { received: 90 + own, own, written: 90 + own - held, held }
  })
  expect(await settled(alive)).toMatchObject({ how: 'quiet', nowMs: 6100 })
})

test('samples that the servers make themselves are not progress', async () => {
  const away = Array.from({ length: 2000 }, (_, own) => ({ received: 100 + own, own, held: 7 + own }))
  expect(await settled(away)).toMatchObject({ how: 'stuck', nowMs: 30_000 })
})

test('a wait that is given up ends', async () => {
  expect(await settled([{ received: 10, held: 10 }], AbortSignal.abort())).toMatchObject({ how: 'stuck', polls: 1 })
})
