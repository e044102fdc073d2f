import { describe, expect, it } from 'vitest'
import { ResendPace } from './resend-pace.ts'

/** Takes what the pace allows until so many messages have left. @returns when that is, s */
function secondsFor(messages: number, pace: ResendPace, { fromMs = 0, freshPerSecond = 1 } = {}): number {
  let [nowMs, left] = [fromMs, messages]
  for (;;) {
    left -= pace.take(nowMs, freshPerSecond)
    if (left <= 0) return (nowMs - fromMs) / 1000
    nowMs += pace.nextMs
  }
}

/** What leaves in one second. */
function inASecond(pace: ResendPace, fromMs: number): number {
  let messages = 0
  for (let nowMs = fromMs; nowMs < fromMs + 1000; nowMs += pace.nextMs) messages += pace.take(nowMs, 1)
  return messages
}

const middle = (): number => 0.5

describe('the pace of held messages', () => {
  it.each([
    ['a minute of one message a second', 60, 1, 12],
    ['an hour of it', 3600, 1, 22],
    ['ten minutes of one in ten seconds', 60, 0.1, 12],
    ['a minute of 5,000 messages a second', 300_000, 5_000, 30],
  ])('%s has left within seconds', (_name, messages, freshPerSecond, mostS) => {
    const seconds = secondsFor(messages, new ResendPace(middle), { freshPerSecond })
    expect(seconds).toBeLessThan(mostS)
    expect(seconds).toBeGreaterThan(mostS / 3)
  })

  it('begins at half of what is fresh, at no common moment, and grows by half each second', () => {
    const all = Array.from({ length: 1000 }, (_, n) => new ResendPace(() => n / 1000))
    const atOnce = all.reduce((sum, pace) => sum + pace.take(0, 1), 0)
    expect(atOnce).toBe(0)
    // Each is asked when it said, as publishers do.
    const due = all.map((pace) => ({ pace, atMs: pace.nextMs }))
    const seconds = [1, 2, 3, 4].map((second) => {
      let messages = 0
      for (const one of due) {
        for (; one.atMs < second * 1000; one.atMs += one.pace.nextMs) messages += one.pace.take(one.atMs, 1)
      }
      return messages
    })
    expect(seconds[0]).toBeGreaterThan(300)
    expect(seconds[0]).toBeLessThan(700)
    for (let n = 1; n < seconds.length; n++) expect(seconds[n]! / seconds[n - 1]!).toBeLessThan(2)
    expect(seconds[3]).toBeGreaterThan(seconds[0]! * 2)
  })

  it('makes up for a quarter of a second at most, however long answers were missing', () => {
    const pace = new ResendPace(middle)
    for (let nowMs = 0; nowMs < 5000; nowMs += 25) pace.take(nowMs, 10)
    const perSecond = Array.from({ length: 40 }, (_, n) => pace.take(5000 + n * 25, 10)).reduce((a, b) => a + b)
    expect(perSecond).toBeGreaterThan(20)
    expect(pace.take(60_000, 10)).toBeLessThan(perSecond / 2)
  })

  it('after an interruption is half of what it was, and grows more slowly', () => {
    const pace = new ResendPace(middle)
    secondsFor(3600, pace)
    const before = inASecond(pace, 60_000)
    pace.interrupted()
    const after = inASecond(pace, 90_000)
    expect(after).toBeLessThan(before)
    expect(inASecond(pace, 91_000)).toBeLessThan(after * 1.8)
  })

  it('is not slower after an interruption before which nothing held was sent', () => {
    const [pace, other] = [new ResendPace(middle), new ResendPace(middle)]
    for (let n = 0; n < 10; n++) pace.interrupted()
    expect(secondsFor(3600, pace, { fromMs: 1000 })).toBe(secondsFor(3600, other, { fromMs: 1000 }))
  })

  it('never asks for more than leaves room for fresh messages, and begins anew once nothing is held', () => {
    const pace = new ResendPace(middle)
    secondsFor(300_000, pace)
    expect(pace.take(1e9, 1)).toBe(500)
    pace.emptied()
    expect(inASecond(pace, 2e9)).toBeLessThanOrEqual(1)
  })
})
