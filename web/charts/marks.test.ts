import { expect, it } from 'vitest'
import { type Mark, marksNear, namesOf } from './marks.ts'

const mark = (atMs: number, text: string): Mark => ({ atMs, text, colour: 'critical' })
const MARKS = [mark(1_000, 'Xid 31'), mark(2_000, 'Xid 79'), mark(9_000, 'link down')]

it.each([
  [0, 500, []],
  [1_500, 500, ['Xid 31', 'Xid 79']],
  [9_001, 1, ['link down']],
])('at %d ms, those within %d ms are named', (atMs, withinMs, texts) =>
  expect(marksNear(MARKS, atMs, withinMs).map(({ text }) => text)).toEqual(texts),
)

it('names each with its time', () =>
  expect(namesOf(MARKS.slice(0, 2))).toMatch(/^\d\d:\d\d:01 Xid 31 · \d\d:\d\d:02 Xid 79$/))
