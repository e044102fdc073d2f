import { expect, test } from 'vitest'
import { countUntilStill } from './count.ts'

async function counted(answers: readonly number[]) {
  let nowMs = 0
  let asked = 0
  const count = await countUntilStill({
    countStored: async () => answers[Math.min(asked++, answers.length - 1)]!,
    range: { startUs: 0, endUs: 1 },
    expected: 100,
    signal: new AbortController().signal,
    nowMs: () => nowMs,
    sleep: async (ms) => {
      nowMs += ms
    },
  })
  return { count, asked, nowMs }
}

test('ends when all expected samples are there', async () => {
  expect(await counted([100])).toEqual({ count: 100, asked: 1, nowMs: 0 })
})

test('waits as long as the number rises', async () => {
  expect(await counted([10, 50, 50, 99, 100])).toMatchObject({ count: 100, asked: 5 })
})

test('takes a number that has not changed for 4 s, even one that is too large', async () => {
  expect(await counted([10, 97])).toMatchObject({ count: 97, nowMs: 4500 })
  expect(await counted([140])).toMatchObject({ count: 140, nowMs: 4000 })
})
