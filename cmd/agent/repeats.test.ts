import { expect, it } from 'vitest'
import { Repeats } from './repeats.ts'

it('knows what came within the last hour', () => {
  const repeats = new Repeats()
  const HOUR_MS = 3_600_000
  const asked: Array<[key: number, atMs: number]> = [
    ...([
      [1, 0],
      [2, 5],
      [1, HOUR_MS - 1],
      [1, HOUR_MS],
      [1, HOUR_MS + 1],
      [2, HOUR_MS + 5],
    ] as Array<[number, number]>),
  ]
  expect(asked.map(([key, atMs]) => repeats.isNew(key, atMs))).toEqual([true, true, false, true, false, true])
})

it('forgets all at a bound, and then takes what comes again for new', () => {
  const repeats = new Repeats()
  for (let key = 0; key <= 100_000; key++) repeats.isNew(key, 0)
  expect([repeats.isNew(0, 0), repeats.isNew(100_000, 0)]).toEqual([true, false])
})
