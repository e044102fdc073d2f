import { describe, expect, it } from 'vitest'
import { BurstPace } from './burst-pace.ts'

const MIB = 2 ** 20

describe('the pace of a burst', () => {
  it('lets 4 MiB go at once, and then 8 MiB a second', () => {
    const pace = new BurstPace()
    for (let sent = 0; sent < 4; sent++) {
      expect(pace.waitMs(1000)).toBe(0)
      pace.count(MIB, 1000)
    }
    expect(pace.waitMs(1000)).toBe(0)
    pace.count(MIB, 1000)
    expect(pace.waitMs(1000)).toBe(125)
    expect(pace.waitMs(1100)).toBeCloseTo(25)
    expect(pace.waitMs(1125)).toBe(0)
  })

  it('never sends more than that, however large the messages are', () => {
    const pace = new BurstPace()
    let [nowMs, sent] = [5000, 0]
    while (sent < 100 * MIB) {
      nowMs += pace.waitMs(nowMs)
      pace.count(3 * MIB, nowMs)
      sent += 3 * MIB
      expect(sent).toBeLessThanOrEqual((4 + 3 + (8 * (nowMs - 5000)) / 1000) * MIB + 1)
    }
  })

  it('saves up nothing beyond one burst', () => {
    const pace = new BurstPace()
    pace.count(MIB, 0)
    pace.count(6 * MIB, 3_600_000)
    expect(pace.waitMs(3_600_000)).toBe(250)
  })
})
