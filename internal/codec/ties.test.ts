import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Sample } from '../sample/sample.ts'
import { seriesApart } from '../sample/series.ts'
import { Ties } from './ties.ts'

const NOW = 1_795_400_000_000_000

const ns = (at: number, tie = 0): bigint => BigInt(at) * 1000n + BigInt(tie)

/** The times that a run of claims gets, in nanoseconds. */
function place(claims: Iterable<number>): bigint[] {
  const ties = new Ties()
  const sample: Sample = { series: seriesApart('m', []), values: [], at: 0, tie: 0 }
  return Array.from(claims, (at) => {
    ties.place(sample, at)
    return ns(sample.at, sample.tie)
  })
}

describe('Ties', () => {
  it('leaves a time alone that only one sample claims', () => {
    expect(place([NOW, NOW + 1, NOW - 5])).toEqual([ns(NOW), ns(NOW + 1), ns(NOW - 5)])
  })

  it('numbers samples of one microsecond, with any samples between them', () => {
    const times = [ns(NOW), ns(NOW + 7), ns(NOW, 1), ns(NOW + 7, 1), ns(NOW, 2)]
    expect(place([NOW, NOW + 7, NOW, NOW + 7, NOW])).toEqual(times)
  })

  it('moves on to the next microsecond when a thousand are taken', () => {
    const times = place(Array.from({ length: 2500 }, () => NOW))
    expect(new Set(times).size).toBe(2500)
    expect(times[2499]).toBe(ns(NOW + 2, 499))
  })

  it('does not move a sample whose own time is free', () => {
    const crowd = Array.from({ length: 5000 }, () => NOW)
    expect(place([...crowd, NOW + 10]).at(-1)).toBe(ns(NOW + 10))
  })

  const steps: Array<[string, number, number]> = [
    ['each microsecond', 1, 500_000],
    ['every tenth', 10, 200_000],
    ['every span', 64, 32_767],
    ['every millisecond', 1000, 32_767],
    ['milliseconds that fall into one slot', 64 * 2 ** 32, 8191],
  ]
  it.each(steps)('remembers the last 32,768 spans: %s', (_name, step, count) => {
    const many = Array.from({ length: count }, (_, i) => 64 + i * step)
    const times = place([...many, ...many])
    expect(new Set(times).size).toBe(times.length)
  })

  it('goes on remembering when one table has taken the place of the other', () => {
    const claims = Array.from({ length: 100_000 }, (_, i) => [NOW + i * 64, NOW + i * 64 - 64 * 16_000]).flat()
    expect(new Set(place(claims)).size).toBe(claims.length)
  })

  it('keeps apart senders of one series whose clocks count milliseconds and are 15 s apart', () => {
    const claims = Array.from({ length: 50_000 }, (_, i) => [NOW + i * 1000, NOW + i * 1000 - 15e6]).flat()
    expect(new Set(place(claims)).size).toBe(claims.length)
  })

  it('comes to an end beyond the integers of a double, too', () => {
    expect(place(Array.from({ length: 3000 }, () => 9.2e15))).toHaveLength(3000)
  })

  it('gives no time twice, as long as a million do not claim the same', () => {
    const claims = fc.array(
      fc.integer({ min: 0, max: 20 }).map((offset) => NOW + offset),
      { maxLength: 5000 },
    )
    fc.assert(fc.property(claims, (all) => new Set(place(all)).size === all.length))
  })
})
