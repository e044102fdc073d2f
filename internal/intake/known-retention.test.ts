import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { KnownRetention } from './known-retention.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const DAY_MS = 86_400_000

it('knows what the store said last, also while it does not answer, and asks again', async () => {
  const answers: Array<number | undefined | Error> = [
    new Error('away'),
    new Error('away'),
    DAY_MS,
    DAY_MS,
    new Error('away'),
    Infinity,
    undefined,
  ]
  const said: unknown[] = []
  let asked = 0
  const known = new KnownRetention({
    ask: async () => {
      const answer = answers[asked++]
      if (answer instanceof Error) throw answer
      return answer
    },
    onChange: (ms) => said.push(ms),
    onProblem: (problem) => said.push(problem),
  })
  const seen: unknown[] = []
  for (const waitMs of [0, 10_000, 10_000, 300_000, 300_000, 10_000, 300_000]) {
    await vi.advanceTimersByTimeAsync(waitMs)
    seen.push(known.ms)
  }
  expect([asked, seen]).toEqual([7, [undefined, undefined, DAY_MS, DAY_MS, DAY_MS, undefined, undefined]])
  expect(said).toEqual(['away', DAY_MS, 'away', Infinity, undefined])
  known.close()
  await vi.advanceTimersByTimeAsync(DAY_MS)
  expect(asked).toBe(7)
})

it('forgets what another store said, and an answer of it that comes late', async () => {
  const answers: Array<(ms: number) => void> = []
  const known = new KnownRetention({
    ask: () => new Promise((resolve) => answers.push(resolve)),
    onChange: () => {},
    onProblem: () => {},
  })
  known.restart()
  answers[0]!(DAY_MS)
  await vi.advanceTimersByTimeAsync(0)
  expect(known.ms).toBeUndefined()
  answers[1]!(2 * DAY_MS)
  await vi.advanceTimersByTimeAsync(0)
  expect(known.ms).toBe(2 * DAY_MS)
  known.close()
})
