import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import type { Progress as LoadProgress } from '../../bench/load/load.ts'
import { Progress } from './progress.ts'

const NOTHING = { atMs: 0, ofMs: 0, sent: 0, perSecond: undefined, held: undefined, e2eP99Us: undefined }

/** What is written to a terminal of so many columns; without columns, to a pipe. */
function shown(progress: Partial<LoadProgress> & Pick<LoadProgress, 'step'>, columns?: number): string {
  const out = new PassThrough({ encoding: 'utf8' })
  const terminal = Object.assign(out, { isTTY: columns !== undefined, columns: columns ?? 0 })
  new Progress(terminal as unknown as NodeJS.WriteStream).load({ ...NOTHING, ...progress })
  return String(out.read())
}

const measured = { step: 'measure', atMs: 3020, ofMs: 30_000, perSecond: 25_000.4, held: 1200, e2eP99Us: 4321 } as const

it.each<[Parameters<typeof shown>[0], string]>([
  [measured, '  measure 3/30 s: 25,000 messages/s, held 1,200, e2e p99 4.32 ms\n'],
  [{ step: 'warm-up', atMs: 1000, perSecond: 5, held: 0 }, '  warm-up 1 s: 5 messages/s, held 0\n'],
  [{ step: 'measure', atMs: 1000, perSecond: 5 }, '  measure 1 s: 5 messages/s\n'],
  [{ step: 'settle', atMs: 2000, held: 7 }, '  settle 2 s: held 7\n'],
  [{ step: 'count' }, '  count 0 s\n'],
])('%o says what is known, and nothing else', (progress, line) => {
  expect(shown(progress)).toBe(line)
})

it.each([
  [80, '\r\x1b[K  measure 3/30 s: 25,000 messages/s, held 1,200, e2e p99 4.32 ms'],
  [20, '\r\x1b[K  measure 3/30 s: 2'],
])('at a terminal of %d columns stays in one line', (columns, text) => {
  expect(shown(measured, columns)).toBe(text)
})
