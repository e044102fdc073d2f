import { expect, it } from 'vitest'
import { Gathering } from './gathering.ts'

const WAIT_MS = 2
/** Of a message. */
const BYTES = 70

/** Reads of so many messages, so far apart. @returns for how many of them the next one waits */
function waitsOf(
  gathering: Gathering,
  reads: { count: number; messages: number; everyMs: number; fromMs?: number },
): number {
  const { count, messages, everyMs, fromMs = 0 } = reads
  let waits = 0
  for (let i = 1; i <= count; i++) if (gathering.waits(messages, messages * BYTES, fromMs + i * everyMs)) waits++
  return waits
}

it.each([
  ['many small reads', { count: 1000, messages: 3, everyMs: 0.12 }],
  ['reads that have waited', { count: 1000, messages: 50, everyMs: 2.2 }],
])('messages gather at 25,000 a second, in %s', (_name, reads) => {
  const waits = waitsOf(new Gathering(WAIT_MS, 0), reads)
  // All but those of the first span, in which the rate is not known.
  expect(waits).toBeGreaterThanOrEqual(reads.count - 1 - 20 / reads.everyMs)
  expect(waits).toBeLessThan(reads.count)
})

it.each([
  ['a message each millisecond', { count: 1000, messages: 1, everyMs: 1 }],
  ['a burst each second', { count: 100, messages: 1000, everyMs: 1000 }],
  ['a read without messages', { count: 1000, messages: 0, everyMs: 0.1 }],
])('nothing waits for so few: %s', (_name, reads) => {
  expect(waitsOf(new Gathering(WAIT_MS, 0), reads)).toBe(0)
})

it('the first message after a high rate does not wait', () => {
  const gathering = new Gathering(WAIT_MS, 0)
  expect(waitsOf(gathering, { count: 1000, messages: 3, everyMs: 0.12 })).toBeGreaterThan(0)
  expect(gathering.waits(1, BYTES, 5000)).toBe(false)
})

it('nothing waits after a large read', () => {
  const gathering = new Gathering(WAIT_MS, 0)
  for (let i = 1; i <= 100; i++) expect(gathering.waits(700, 700 * BYTES, i)).toBe(false)
  expect(gathering.waits(50, 50 * BYTES, 101)).toBe(true)
})

it('nothing waits where the wait is 0', () => {
  expect(waitsOf(new Gathering(0, 0), { count: 1000, messages: 50, everyMs: 0.1 })).toBe(0)
})
