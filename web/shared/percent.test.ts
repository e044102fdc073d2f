import fc from 'fast-check'
import { expect, it } from 'vitest'
import { levelOf, percentFigure } from './percent.ts'

it('never needs more than four characters, so that nothing on the page moves', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 100, noNaN: true }), (percent) => {
      expect(percentFigure(percent).text.length).toBeLessThanOrEqual(4)
    }),
  )
})

it.each([
  [0, 'ok'],
  [74.9, 'ok'],
  [75, 'warning'],
  [89.9, 'warning'],
  [90, 'critical'],
])('%d %% is %s', (percent, level) => expect(levelOf(percent)).toBe(level))
