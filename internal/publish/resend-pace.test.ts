import { describe, expect, it } from 'vitest'
import { ResendPace } from './resend-pace.ts'

/** Takes what the pace allows until so many messages have left. @returns when that is, s */
function secondsFor(messages: number, pace: ResendPace, fromMs = 0): number {
  let [nowMs, left] = [fromMs, messages]
  for (;;) {
    left -= pace.take(nowMs)
    if (left <= 0) return (nowMs - fromMs) / 1000
    nowMs += pace.nextMs
  }
}

/** What leaves in one second. */
function inASecond(pace: ResendPace, fromMs: number): number {
  let messages = 0
  for (let nowMs = fromMs; nowMs < fromMs + 1000; nowMs += pace.nextMs) messages += pace.take(nowMs)
  return messages
}

const middle = (): number => 0.5

describe('the pace of held messages', () => {
  it.each([
    ['a minute of one message a second', 60, 5],
    ['an hour of it', 3600, 11],
    ['a minute of 5,000 messages a second', 300_000, 30],
  ])('%s has left within seconds', (_name, messages, mostS) => {
    const seconds = secondsFor(messages, new ResendPace(middle))
    expect(seconds).toBeLessThan(mostS)
    expect(seconds).toBeGreaterThan(mostS / 3)
  })

  it('begins at few messages a second, at no common moment, and doubles', () => {
    const all = Array.from({ length: 100 }, (_, n) => new ResendPace(() => n / 100))
    const atOnce = all.reduce((sum, pace) => sum + pace.take(0), 0)
    expect(atOnce).toBe(0)
    const pace = new ResendPace(middle)
    const seconds = [0, 1000, 2000, 3000].map((fromMs) => inASecond(pace, fromMs))
    expect(seconds[0]).toBeLessThanOrEqual(8)
    for (let n = 1; n < seconds.length; n++) expect(seconds[n]! / seconds[n - 1]!).toBeGreaterThan(1.4)
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
    expect(secondsFor(3600, pace, 1000)).toBe(secondsFor(3600, other, 1000))
  })

  it('never asks for more than leaves room for fresh messages, and begins anew once nothing is held', () => {
    const pace = new ResendPace(middle)
    secondsFor(300_000, pace)
    expect(pace.take(1e9)).toBe(500)
    pace.emptied()
    expect(inASecond(pace, 2e9)).toBeLessThanOrEqual(8)
  })
})
