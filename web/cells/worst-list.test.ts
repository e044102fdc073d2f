import fc from 'fast-check'
import { expect, it } from 'vitest'
import { highest } from './worst-list.ts'

it('finds the highest numbers, the first of equal ones first', () => {
  const value = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.constant(null), fc.constant('Up'))
  fc.assert(
    fc.property(fc.array(value), fc.integer({ min: 1, max: 4 }), (values, most) => {
      const numbers = values.flatMap((one, index) => (typeof one === 'number' ? [{ one, index }] : []))
      const expected = numbers.sort((a, b) => b.one - a.one || a.index - b.index).slice(0, most)
      expect(highest(values, most)).toEqual(expected.map(({ index }) => index))
    }),
  )
})
