import { expect, test } from 'vitest'
import { DueRing } from './due-ring.ts'

test('gives back in order, again and again around the ring', () => {
  const ring = new DueRing(3)
  for (let round = 0; round < 5; round++) {
    ring.push(round * 10)
    ring.push(round * 10 + 1)
    expect(ring.room).toBe(1)
    const last: number[] = []
    ring.forLast(2, (dueUs) => last.push(dueUs))
    expect(last).toEqual([round * 10, round * 10 + 1])
    expect([ring.shift(), ring.shift()]).toEqual(last)
    expect(ring.size).toBe(0)
  }
})

test('shows only the last ones', () => {
  const ring = new DueRing(4)
  for (const due of [1, 2, 3]) ring.push(due)
  const last: number[] = []
  ring.forLast(1, (dueUs) => last.push(dueUs))
  expect(last).toEqual([3])
})
