import { expect, it } from 'vitest'
import type { Batch } from '../../store/store.ts'
import { BatchQueue } from './batch-row.ts'

const batch: Batch = { samples: 0, bytes: 0, add: () => undefined, toRecord: () => Buffer.alloc(0), release: () => {} }

it('uses again what a settled batch had of messages, as if it were new', () => {
  const queue = new BatchQueue(() => {})
  const first = queue.entry(batch)
  first.sources.note('a', 0)
  queue.push(first)
  queue.giveBack(first, 'settled')
  const second = queue.entry(batch)
  expect(second.sentAt).toBe(first.sentAt)
  expect([second.messages, second.sources.of(0)]).toEqual([0, ''])
})

it('keeps little of a long queue once that is worked off', () => {
  const queue = new BatchQueue(() => {})
  const open = () => Array.from({ length: 1000 }, () => queue.entry(batch))
  const entries = open()
  for (const entry of entries) queue.recycle(entry)
  const before = new Set(entries.map(({ sentAt }) => sentAt))
  const kept = open().filter(({ sentAt }) => before.has(sentAt))
  expect(kept).toHaveLength(8)
})
