import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readTime } from './times.ts'

const AT = Date.parse('2025-07-18T20:42:34Z') * 1000

describe('readTime', () => {
  it.each([
    ['2025-07-18T20:42:34Z', AT, 0],
    ['2025-07-18 20:42:34', AT, 0],
    ['2025/07/18 20:42:34.000', AT, 0],
    ['2025-07-18T22:42:34+02:00', AT, 0],
    ['2025-07-18T15:12:34-0530', AT, 0],
    ['2025-07-18t20:42:34.123456789z', AT + 123_456, 789],
    ['2025-07-18 20:42', AT - 34e6, 0],
    ['1752871354', AT, 0],
    ['1752871354.5', AT + 500_000, 0],
    ['1752871354000', AT, 0],
    ['1752871354000.25', AT + 250, 0],
    ['1752871354000000', AT, 0],
    ['1752871354000000123', AT, 123],
    ['0', 0, 0],
  ])('reads %s', (text, atUs, tie) => expect(readTime(text)).toEqual({ atUs, tie }))

  it.each([
    ...['', 'now', '2025-07-18', '2025-06-31T20:42:34Z', '2025-13-01T00:00:00Z', '2025-07-18T24:00:00Z'],
    ...['2025-07-18T20:60:34Z', '2025-07-18T20:42:60Z', '-5', '1e9', '17528713540000001234', '1960-01-01T00:00:00Z'],
  ])('finds no time in %j', (text) => expect(readTime(text)).toBeUndefined())

  it('reads each time as it was written', () => {
    const times = fc.date({ min: new Date(0), max: new Date('2200-01-01'), noInvalidDate: true })
    fc.assert(
      fc.property(times, (date) => {
        const atUs = date.getTime() * 1000
        expect(readTime(date.toISOString())).toEqual({ atUs, tie: 0 })
        expect(readTime(`${date.getTime() + 1e12}`)).toEqual({ atUs: atUs + 1e15, tie: 0 })
      }),
    )
  })
})
