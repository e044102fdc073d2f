import { describe, expect, it } from 'vitest'
import { ReplayWindow } from './replay-window.ts'

/** A store in which writes wait for each other: the time of one, beside so many others, ms. */
interface Store {
  readonly writeMs: (underWay: number) => number
}

const FAR: Store = { writeMs: () => 80 }
/** One core: two side by side take twice as long. */
const NEAR_AND_BUSY: Store = { writeMs: (underWay) => 20 * underWay }
const TWO_AT_A_TIME: Store = { writeMs: (underWay) => 60 * Math.max(1, underWay / 2) }

function after(writes: number, { writeMs }: Store, window = new ReplayWindow(), most = 4): ReplayWindow {
  for (let n = 0; n < writes; n++) window.stored(writeMs(window.size), most)
  return window
}

describe('the window of the replay', () => {
  it.each([
    ['before the first write', 0, FAR, [1]],
    ['a far store, after a few writes', 2, FAR, [2]],
    ['a far store: up to the bound', 30, FAR, [4]],
    ['a near store that is busy: two and a half at most, which take 25 ms longer', 300, NEAR_AND_BUSY, [2, 3]],
    ['a store that takes two at a time: one more, which waits', 300, TWO_AT_A_TIME, [2, 3]],
  ])('%s', (_name, writes, store, sizes) => {
    const window = after(writes, store)
    const found = new Set<number>()
    for (let n = 0; n < 200; n++) found.add((writes < 30 ? window : after(1, store, window)).size)
    expect([...found].toSorted()).toEqual(sizes)
  })

  it('shrinks to one when the store becomes slower', () => {
    const window = after(30, FAR)
    expect(after(30, { writeMs: () => 500 }, window).size).toBe(1)
  })

  it('learns in time that a store has become slower for good, and not because of the replay', () => {
    const window = after(3000, { writeMs: () => 500 }, after(30, FAR))
    expect(after(2000, { writeMs: () => 500 }, window).size).toBe(4)
  })

  it('is halved when something fresh waits, once in the time of a write, and is never below one', () => {
    const window = after(30, FAR)
    window.congested(1000)
    expect(window.size).toBe(2)
    window.congested(1079)
    expect(window.size).toBe(2)
    window.congested(1080)
    window.congested(1200)
    window.congested(1300)
    expect(window.size).toBe(1)
    expect(after(3, FAR, window).size).toBe(2)
  })

  it('takes a smaller bound at the next write', () => {
    const window = after(30, FAR)
    expect(after(1, FAR, window, 2).size).toBe(2)
  })
})
