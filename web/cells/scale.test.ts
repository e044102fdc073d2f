import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SHADES, scaleOf, shadeOf, shadesBetween } from './scale.ts'

describe('a scale', () => {
  it.each([
    [[3, null, 1, 2], { low: 1, high: 3 }],
    [[null, 5], { low: 5, high: 5 }],
    [[null], null],
    [[], null],
  ])('of %o is %o', (values, scale) => expect(scaleOf(values)).toEqual(scale))

  it('gives each value a shade, and the higher one no lighter shade', () => {
    const value = fc.double({ noNaN: true, noDefaultInfinity: true })
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 20 }), (values) => {
        const scale = scaleOf(values)!
        const shades = values.toSorted((a, b) => a - b).map((one) => shadeOf(one, scale))
        expect(shades).toEqual(shades.toSorted((a, b) => a - b))
        for (const shade of shades) expect(shade).toBeOneOf([...Array(SHADES).keys()])
        if (scale.high > scale.low) expect([shades[0], shades.at(-1)]).toEqual([0, SHADES - 1])
      }),
    )
  })

  it('shows equal values in one shade', () => expect(shadeOf(7, { low: 7, high: 7 })).toBe(0))

  it('goes from one colour to the other', () => {
    const shades = shadesBetween('rgb(0, 10, 255)', 'rgb(31, 10, 0)')
    expect(shades).toHaveLength(SHADES)
    expect(shades[0]).toBe('rgb(0, 10, 255)')
    expect(shades[1]).toBe('rgb(1, 10, 247)')
    expect(shades.at(-1)).toBe('rgb(31, 10, 0)')
  })
})
