import { describe, expect, it } from 'vitest'
import { Newest } from './newest.ts'

const SECOND = 1000

/** Takes events of `column@second` values. */
function newestAfter(...events: string[]): Newest {
  const newest = new Newest()
  for (const event of events) {
    const values = event.split(' ').map((text) => {
      const [column, second] = text.split('@') as [string, string]
      return { column, atMs: Number(second) * SECOND, value: Number(second) }
    })
    newest.take(values)
  }
  return newest
}

const there = (newest: Newest) => [...newest.columns].filter((column) => !newest.isGone(column)).join(' ')

describe('what is no longer measured', () => {
  const seconds = (columns: string, from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, i) =>
      columns
        .split(' ')
        .map((column) => `${column}@${from + i}`)
        .join(' '),
    )

  it.each([
    ['is gone seconds later', [...seconds('a b', 0, 10), ...seconds('a', 11, 16)], 'a'],
    ['is not gone after a few missed seconds', [...seconds('a b', 0, 10), ...seconds('a', 11, 15)], 'a b'],
    ['comes back', [...seconds('a b', 0, 10), ...seconds('a', 11, 60), ...seconds('a b', 61, 62)], 'a b'],
    ['is not gone while everything is silent', seconds('a b', 0, 10), 'a b'],
    [
      'is not gone because another source is quicker',
      ['a@0 b@0', ...seconds('a', 1, 10), 'a@10 b@10', ...seconds('a', 11, 39)],
      'a b',
    ],
    ['is gone from the first event on', ['gone@100 a@500 b@500'], 'a b'],
    ['is gone also where the first event comes in parts', ['a@500', 'gone@100'], 'a'],
    ['is gone when the stream begins anew', [...seconds('a b', 0, 10), 'b@10 a@600'], 'a'],
    ['is not gone because the clock of the host was set back', ['a@9000 b@9000', 'a@1800 b@1800'], 'a b'],
    ['is gone when the clock of the host was set ahead', ['a@10 b@10', ...seconds('a', 9000, 9006)], 'a'],
  ])('%s', (_name, events, want) => expect(there(newestAfter(...events))).toBe(want))
})

it('has the newer value where two series are one column, whichever comes last', () => {
  expect(newestAfter('a@500', 'a@100 b@500').of('a')).toBe(500)
  expect(newestAfter('a@100', 'a@500').of('a')).toBe(500)
  expect(newestAfter('a@100').of('b')).toBeUndefined()
})

it('forgets what is gone where mounts come and go for ever', () => {
  const newest = new Newest()
  for (let second = 0; second < 5000; second++) {
    newest.take([{ column: `mount-${second}`, atMs: second * SECOND, value: 1 }])
  }
  expect([...newest.columns].length).toBeLessThanOrEqual(1001)
})
