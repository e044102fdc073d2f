import { expect, test } from 'vitest'
import { doneOf } from './window.ts'

test.each([
  ['what a server holds for a moment counts as done', { messages: 80_000, held: 50_000 }, 1, 80_000],
  ['what piles up in its memory or on its disk does not', { messages: 300_000, held: 150_000 }, 1, 200_000],
  ['of frames, by the samples in them', { messages: 5000, held: 50_250 }, 100, 4997],
])('%s', (_, ledger, samplesPerMessage, done) => {
  expect(doneOf(ledger, samplesPerMessage)).toBe(done)
})
