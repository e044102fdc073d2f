import { describe, expect, test } from 'vitest'
import { Backoff } from './backoff.ts'

const pauses = (random: number) => {
  const backoff = new Backoff({ firstMs: 100, largestMs: 500, random: () => random })
  return { backoff, next: (count: number) => Array.from({ length: count }, () => backoff.nextMs()) }
}

describe('the pauses between attempts', () => {
  test.each([
    ['the longest double up to the largest', 1, [100, 200, 400, 500, 500]],
    ['the shortest stay at a fifth of the first', 0, [20, 20, 20, 20, 20]],
    ['are spread evenly between the two', 0.5, [60, 110, 210, 260, 260]],
  ])('%s', (_name, random, expected) => {
    expect(pauses(random).next(5)).toEqual(expected)
  })

  test('start again with the first after a reset', () => {
    const { backoff, next } = pauses(1)
    next(5)
    backoff.reset()
    expect(next(2)).toEqual([100, 200])
  })
})
