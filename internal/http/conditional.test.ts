import { describe, expect, it } from 'vitest'
import { isConditional, isNotModified, validatorHeaders } from './conditional.ts'

const AT_MS = Date.UTC(1994, 10, 6, 8, 49, 37, 250)
const SAME = 'Sun, 06 Nov 1994 08:49:37 GMT'
const version = { etag: '"a-1"', modifiedAtMs: AT_MS }

describe('If-None-Match', () => {
  it.each([
    ['"a-1"', true],
    ['W/"a-1"', true],
    ['"b", "a-1"', true],
    ['"b","a-1",W/"c"', true],
    [', "b", , "a-1" ,', true],
    ['*', true],
    [' * ', true],
    ['"b"', false],
    ['"a-1 "', false],
    ['"A-1"', false],
    ['"a-1,b"', false],
    ['"x,"a-1","', false],
    ['a-1', false],
    ['w/"a-1"', false],
    ['"a-1', false],
    ['', false],
    ['"b", *', false],
  ])('%j: 304 is %j', (tags, is304) => {
    expect(isNotModified({ 'if-none-match': tags }, version)).toBe(is304)
    // A date has no say beside tags, whatever they are.
    expect(isNotModified({ 'if-none-match': tags, 'if-modified-since': SAME }, version)).toBe(is304)
  })

  it.each([
    ['commas', ' ,'.repeat(4_000)],
    ['quotes', '"'.repeat(8_000)],
    ['tags', '"x",'.repeat(2_000)],
    ['blanks', ' '.repeat(8_000)],
  ])('is read in one go, however many %s it has', (_what, many) => {
    for (const tags of [`${many}x`, `"a${many}`, `${many}"b"`]) {
      expect(isNotModified({ 'if-none-match': tags }, version)).toBe(false)
    }
  })

  it('compares weakly: the tag of the answer may be weak too', () => {
    for (const tags of ['"a-1"', 'W/"a-1"']) {
      expect(isNotModified({ 'if-none-match': tags }, { etag: 'W/"a-1"' })).toBe(true)
    }
  })
})

describe('If-Modified-Since', () => {
  it.each([
    [SAME, true],
    ['Sunday, 06-Nov-94 08:49:37 GMT', true],
    ['Sun Nov  6 08:49:37 1994', true],
    ['Sun, 06 Nov 1994 08:49:38 GMT', true],
    ['Sun, 06 Nov 2094 08:49:38 GMT', true],
    ['Sun, 06 Nov 1994 08:49:36 GMT', false],
    ['Sun Nov  6 08:49:36 1994', false],
    ['1994-11-06T08:49:37Z', false],
    ['Sun, 06 Nov 1994 08:49:37 +0000', false],
    ['06 Nov 2094', false],
    ['2094', false],
    ['yesterday', false],
    ['', false],
    [`${SAME}, ${SAME}`, false],
  ])('%j: 304 is %j', (since, is304) => {
    expect(isNotModified({ 'if-modified-since': since }, version)).toBe(is304)
  })

  it('of a resource without a date is no condition', () => {
    expect(isNotModified({ 'if-modified-since': SAME }, { etag: '"a-1"' })).toBe(false)
  })
})

it('a client that sends back what it got has this version', () => {
  expect(validatorHeaders(version)).toEqual({ etag: '"a-1"', 'last-modified': SAME })
  expect(validatorHeaders({ etag: '"a-1"' })).toEqual({ etag: '"a-1"' })
})

it('a request without either is answered in full', () => {
  expect([isConditional({}), isNotModified({}, version)]).toEqual([false, false])
  expect(isConditional({ 'if-none-match': '"x"' })).toBe(true)
  expect(isConditional({ 'if-modified-since': 'x' })).toBe(true)
})
