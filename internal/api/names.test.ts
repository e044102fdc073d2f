import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cleanText } from '../sample/border.ts'
import { escapeName, hiddenName, otherPairs, parseNames, parsePair } from './names.ts'

/** Any name that a publisher can send, as it is stored. */
const stored = fc
  .oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[a,=\\\n" ü]{1,8}$/))
  .map(cleanText)
  .filter((name) => name !== '')

describe('names in parameters', () => {
  it('can all be written in a list', () => {
    fc.assert(
      fc.property(fc.array(stored, { minLength: 1 }), (names) => {
        expect(parseNames('host', names.map(escapeName).join(','))).toEqual(names)
      }),
    )
  })

  it('can all be written as key and value', () => {
    fc.assert(
      fc.property(stored, stored, (key, value) => {
        expect(parsePair('tag', `${escapeName(key)}=${value}`)).toEqual([key, value])
      }),
    )
  })

  it('are found as a publisher sent them, before they were cleaned', () => {
    expect(parseNames('host', 'line\nbreak,tab\t\\')).toEqual(['line\\nbreak', 'tab\\t'])
  })

  it.each(['', ',', 'a,', 'a,,b', '\u0001'])('%j has an empty name', (list) => {
    expect(() => parseNames('host', list)).toThrow('a host name is empty')
  })

  it.each(['', 'a', '=', '=b', 'a\\=b', 'a\\=', 'a=\u0001'])('%j is no pair', (pair) => {
    expect(() => parsePair('tag', pair)).toThrow('does not have the form key=value')
  })

  it('may leave out the value of a pair', () => {
    expect([parsePair('tag', 'a='), parsePair('tag', 'a\\=b='), parsePair('tag', 'a=b=')]).toEqual([
      ['a', ''],
      ['a=b', ''],
      ['a', 'b='],
    ])
  })

  it('may hide another name', () => {
    expect(otherPairs('a=b=c=d')).toEqual([
      ['a=b', 'c=d'],
      ['a=b=c', 'd'],
    ])
    expect(otherPairs('a\\=b=c')).toEqual([])
    expect(hiddenName('x,a,b', ['a', 'b', 'a,b'])).toBe('a,b')
    for (const list of ['xa,b', 'a,bx', 'a\\,b', 'b,a']) expect(hiddenName(list, ['a', 'b', 'a,b'])).toBeUndefined()
  })
})
