import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { naturally } from './naturally.ts'

describe('naturally', () => {
  it.each([
    [
      ['sw10', 'sw2', 'sw1'],
      ['sw1', 'sw2', 'sw10'],
    ],
    [
      ['a_10', 'a_9', 'a', 'a_9_2'],
      ['a', 'a_9', 'a_9_2', 'a_10'],
    ],
    [
      ['SW-02', 'SW-2', 'SW-1', 'SW-002'],
      ['SW-1', 'SW-002', 'SW-02', 'SW-2'],
    ],
    [
      ['10', '9', '100000000000000000001', '100000000000000000000'],
      ['9', '10', '100000000000000000000', '100000000000000000001'],
    ],
    [
      ['b', '', 'a1b', 'a1a'],
      ['', 'a1a', 'a1b', 'b'],
    ],
  ])('%j', (given, expected) => expect(given.toSorted(naturally)).toEqual(expected))

  it('is an order', () => {
    const id = fc.string({ unit: fc.constantFrom('0', '1', '9', 'a', '_'), maxLength: 6 })
    fc.assert(
      fc.property(id, id, id, (a, b, c) => {
        expect(Math.sign(naturally(a, b))).toBe(-Math.sign(naturally(b, a)) || 0)
        expect(naturally(a, b) === 0).toBe(a === b)
        if (naturally(a, b) <= 0 && naturally(b, c) <= 0) expect(naturally(a, c)).toBeLessThanOrEqual(0)
      }),
      { numRuns: 3_000 },
    )
  })
})
