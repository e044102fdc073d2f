import { expect, it } from 'vitest'
import type { Program } from '../support/programs.ts'
import { cyclesOf } from './cycles.ts'

const line = { msg: 'fabric cycle', rows: 50, fetchMs: 4, parseMs: 1, swapMs: 3.5, publishMs: 0.5 }

it('knows the cycles of an agent by its log, and when each began', () => {
  const log = [
    { msg: 'started' },
    { ...line, time: '1970-01-01T00:00:01.000Z' },
    // Nothing new.
    { ...line, time: '1970-01-01T00:00:02.000Z', rows: 0 },
  ]
  const { time: _time, msg: _msg, ...figures } = log[1] as typeof line & { time: string }
  expect(cyclesOf({ log: () => log } as unknown as Program)).toEqual([
    { ...figures, beganAtMs: 991, announcedAtMs: 999.5, endedAtMs: 1000 },
  ])
})
