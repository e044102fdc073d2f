import { expect, it } from 'vitest'
import type { Batch } from '../../store/store.ts'
import { BatchRow } from './batch-row.ts'

const batch: Batch = { samples: 0, bytes: 0, add: () => undefined, toRecord: () => Buffer.alloc(0), release: () => {} }

it('gives the notes of a settled batch to the next, as if they were new', () => {
  const row = new BatchRow()
  const first = row.open(batch)
  first.spans.note('a', 0)
  first.endMessage(1, 7)
  row.push(first)
  first.state = 'settled'
  row.free(first)
  const second = row.open(batch)
  expect(second.notes).toBe(first.notes)
  expect([second.messages, second.sentAt, second.spans.of(0)]).toEqual([0, new Float64Array(0), ''])
})

it('keeps few notes of a long row once its batches are settled', () => {
  const row = new BatchRow()
  const open = () => Array.from({ length: 1000 }, () => row.open(batch))
  const opened = open()
  for (const queued of opened) row.recycle(queued)
  const before = new Set(opened.map(({ notes }) => notes))
  const kept = open().filter(({ notes }) => before.has(notes))
  expect(kept).toHaveLength(8)
})
