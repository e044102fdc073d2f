import { describe, expect, it } from 'vitest'
import { figureText } from '../../internal/text/figure.ts'
import { metricFigure, metricPanel, rateFigure, valueText } from './metric-panel.ts'

describe('a value of a metric', () => {
  it.each([
    [0, '0'],
    [152.2, '152'],
    [7, '7'],
    [12.34, '12.3'],
    [1234, '1.23 k'],
    [9.22e18, '9.22 E'],
    [5.48295e-7, '5.48e-7'],
    [-1500, '-1.50 k'],
    [1e30, '1.00e+30'],
  ])('%d reads %s', (value, text) => expect(figureText(metricFigure(value))).toBe(text))

  it('says that it is a rate', () => {
    expect(figureText(rateFigure(1234))).toBe('1.23 k/s')
    expect(figureText(rateFigure(5))).toBe('5 /s')
  })
})

it.each([
  [1234, 'value', '1.23 k'],
  [1234, 'rate', '1.23 k/s'],
  ['Active', 'value', 'Active'],
  [null, 'value', '–'],
] as const)('%s by %s reads %s', (value, by, text) => expect(valueText(value, by)).toBe(text))

describe('the chart of a metric', () => {
  const read = (by: 'value' | 'rate', values: readonly (number | string)[]): (number | null)[] => {
    const got: (number | null)[] = []
    const reader = metricPanel('switch', 'errors', by).makeReader()
    values.forEach((value, second) => {
      reader({ measurement: 'switch', tags: {}, fields: { errors: value }, at: second * 1e6 }, (_, __, put) =>
        got.push(put),
      )
    })
    return got
  }

  it('has the values themselves, also of integers that came as text', () => {
    expect(read('value', [1, '9007199254740993'])).toEqual([1, 9007199254740992])
  })

  it('has the growth of a counter, and a gap where it fell', () =>
    expect(read('rate', [5, 8, 2, 4])).toEqual([3, null, 2]))
})
