import { expect, it } from 'vitest'
import { UnreadGrowth } from './unread-growth.ts'

/** Looks each so many ms, while so much more becomes unread at each. */
function grown(looks: ReadonlyArray<readonly [ms: number, bytes: number]>): UnreadGrowth {
  const growth = new UnreadGrowth()
  let nowMs = 1000
  growth.seen(0, nowMs)
  growth.looked(nowMs)
  let bytes = 0
  for (const [ms, more] of looks) {
    nowMs += ms
    bytes += more
    growth.looked(nowMs)
    growth.seen(bytes, nowMs)
  }
  return growth
}

it('says what is unread after two more looks', () => {
  const growth = grown([
    [50, 1000],
    [50, 1000],
    [50, 2000],
  ])
  expect(growth.soonBytes).toBe(4000 + 4000)
})

it('does not take what is read for growth', () => {
  const growth = grown([
    [50, 3000],
    [50, 0],
    [50, -1000],
  ])
  expect(growth.soonBytes).toBe(2000)
})

it('expects late looks where looks are late, and not after a single late one', () => {
  const busy = grown([
    [500, 5000],
    [500, 5000],
  ])
  expect(busy.soonBytes).toBe(20_000)
  const collected = grown([
    [50, 0],
    [1000, 10_000],
  ])
  expect(collected.soonBytes).toBe(10_000 + 1000)
})
