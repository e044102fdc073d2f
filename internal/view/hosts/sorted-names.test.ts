import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { indexAfter, SortedNames } from './sorted-names.ts'

const sorted = (names: Iterable<string>): readonly string[] => new SortedNames().update(new Set(names))

describe('SortedNames', () => {
  it('sorts naturally, and names that look alike too', () => {
    expect(sorted(['web-10', 'web-2', 'ä', 'B', 'a', '\u00e4', 'a\u0308', '10', '9'])).toEqual([
      ...['9', '10', 'a', 'a\u0308', '\u00e4', 'B', 'web-2', 'web-10'],
    ])
  })

  it('gives after each change what sorting anew gives', () => {
    const name = fc.oneof(
      fc.string({ maxLength: 3 }),
      fc.nat({ max: 30 }).map((n) => `web-${n}`),
    )
    fc.assert(
      fc.property(fc.array(fc.array(name)), (lists) => {
        const names = new SortedNames()
        for (const list of lists) expect(names.update(new Set(list))).toEqual(sorted(list))
      }),
    )
  })

  it('gives the same list while no name comes or goes', () => {
    const names = new SortedNames()
    expect(names.update(new Set(['a', 'b']))).toBe(names.update(new Set(['b', 'a'])))
  })

  it('finds where to go on, also after a name that is gone', () => {
    const names = ['web-1', 'web-2', 'web-10']
    expect(['', 'web-1', 'web-3', 'web-10', 'x'].map((name) => indexAfter(name, names))).toEqual([0, 1, 2, 3, 3])
  })
})
