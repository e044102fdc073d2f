import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ParameterError } from '../../http/errors.ts'
import {
  friendlyStep,
  type HistoryParams,
  MAX_BUCKETS,
  parseDuration,
  parseHistoryParams,
  parseTime,
} from './history-params.ts'

const NOW = Date.UTC(2025, 10, 23, 12, 0, 0) * 1000

function refusedParameter(work: () => unknown): string | undefined {
  try {
    work()
  } catch (err) {
    if (err instanceof ParameterError) return err.parameter
    throw err
  }
  return undefined
}

describe('parseTime', () => {
  const cases: Array<[string, number]> = [
    ['now', NOW],
    ['-90s', NOW - 90e6],
    ['-5m', NOW - 300e6],
    ['-1h', NOW - 3_600e6],
    ['-7d', NOW - 7 * 86_400e6],
    ['-250ms', NOW - 250e3],
    ['1763900000123456', 1763900000123456],
    ['0', 0],
    ['2025-11-23T12:00:00Z', NOW],
    ['2025-11-23t12:00:00z', NOW],
    ['2025-11-23T12:00:00.5Z', NOW + 500_000],
    ['2025-11-23T12:00:00.000001Z', NOW + 1],
    ['2025-11-23T12:00:00.123456789Z', NOW + 123_456],
    ['2025-11-23T14:00:00+02:00', NOW],
    ['2025-11-23T14:00:00 02:00', NOW],
    ['2025-11-23T06:30:00-05:30', NOW],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29) * 1000],
  ]
  it.each(cases)('%s', (text, want) => expect(parseTime('start', text, NOW)).toBe(want))

  const refused = [
    '',
    'yesterday',
    '5m',
    '-',
    '--5m',
    '-5',
    '-5w',
    '-1.5h',
    '-0s',
    '+5m',
    'now-5m',
    '1e15',
    '1763900000',
    '1763900000123',
    '12345678901234567',
    '9999999999999999',
    '-99999999d',
    '2025-11-23',
    '2025-11-23T12:00:00',
    '2025-11-23T12:00Z',
    '2025-02-29T00:00:00Z',
    '2025-02-32T00:00:00Z',
    '2025-13-01T00:00:00Z',
    '2025-11-23T25:00:00Z',
    '2025-11-23T12:00:00.1234567890Z',
    '1969-12-31T23:59:59Z',
    '2300-01-01T00:00:00Z',
  ]
  it.each(refused)('refuses %j', (text) => {
    expect(refusedParameter(() => parseTime('end', text, NOW))).toBe('end')
  })

  it('says what an integer means that was meant as seconds or milliseconds', () => {
    expect(() => parseTime('start', '1763900000', NOW)).toThrow('1970-01-01T00:29:23.900Z')
  })

  it('reads every time that a Date can write, to the millisecond', () => {
    fc.assert(
      fc.property(fc.date({ min: new Date(0), max: new Date('2254-12-31T00:00:00Z'), noInvalidDate: true }), (date) => {
        expect(parseTime('start', date.toISOString(), NOW)).toBe(date.getTime() * 1000)
      }),
    )
  })

  it('fails only with a ParameterError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[-0-9TZ:.+ msd]{0,30}$/)), (text) => {
        const parameter = refusedParameter(() => expect(Number.isInteger(parseTime('start', text, NOW))).toBe(true))
        expect(parameter === undefined || parameter === 'start').toBe(true)
      }),
    )
  })
})

describe('parseDuration', () => {
  const cases: Array<[string, number]> = [
    ['250ms', 250e3],
    ['1s', 1e6],
    ['5m', 300e6],
    ['1h', 3_600e6],
    ['1d', 86_400e6],
  ]
  it.each(cases)('%s', (text, want) => expect(parseDuration('every', text)).toBe(want))

  it.each(['', '0s', '0ms', '1', 's', '1.5s', '-1s', '1us', '1w', '1h30m', '9999999999s', ' 1s'])(
    'refuses %j',
    (text) => {
      expect(refusedParameter(() => parseDuration('every', text))).toBe('every')
    },
  )
})

describe('friendlyStep', () => {
  const cases: Array<[string, string]> = [
    ['1s', '1s'],
    ['5m', '1s'],
    ['10m', '2s'],
    ['1h', '15s'],
    ['6h', '2m'],
    ['24h', '5m'],
    ['7d', '1h'],
    ['30d', '3h'],
    ['365d', '2d'],
  ]
  it.each(cases)('a range of %s: %s', (range, step) => {
    expect(friendlyStep(parseDuration('range', range))).toBe(parseDuration('step', step))
  })
})

describe('parseHistoryParams', () => {
  const base: HistoryParams = { measurement: 'cpu', field: 'usage_user' }

  it('fills in what is left out: the last five minutes, by the second, as means', () => {
    expect(parseHistoryParams({ host: 'web-01' }, base, NOW)).toEqual({
      measurement: 'cpu',
      fields: ['usage_user'],
      tags: { host: 'web-01' },
      startUs: NOW - 300e6,
      endUs: NOW,
      everyUs: 1e6,
      aggregate: 'mean',
    })
  })

  it('takes fields once each, in the order asked for, and tags with equals signs in their values', () => {
    const query = parseHistoryParams({ host: 'h' }, { ...base, field: 'b,a,b', tag: ['path=/a=b', 'cpu=cpu0'] }, NOW)
    expect(query.fields).toEqual(['b', 'a'])
    expect(query.tags).toEqual({ path: '/a=b', cpu: 'cpu0', host: 'h' })
  })

  it('takes a tag without a value, which asks for series without the tag', () => {
    expect(parseHistoryParams({ host: 'h' }, { ...base, tag: ['stacked='] }, NOW).tags).toEqual({
      stacked: '',
      host: 'h',
    })
  })

  it('gives as many buckets as are allowed', () => {
    const query = parseHistoryParams({ host: 'h' }, { ...base, start: `-${MAX_BUCKETS}s`, every: '1s' }, NOW)
    expect(query.everyUs).toBe(1e6)
  })

  const refused: Array<[string, Partial<HistoryParams>, string]> = [
    ['a start after the end', { start: 'now', end: '-5m' }, 'start'],
    ['an empty range', { start: 'now' }, 'start'],
    ['one bucket too many', { start: `-${MAX_BUCKETS + 1}s`, every: '1s' }, 'every'],
    ['an empty field', { field: 'a,,b' }, 'field'],
    ['33 fields', { field: Array.from({ length: 33 }, (_, i) => `f${i}`).join(',') }, 'field'],
    ['nine tags', { tag: Array.from({ length: 9 }, (_, i) => `t${i}=1`) }, 'tag'],
    ['a tag without a key', { tag: ['=cpu0'] }, 'tag'],
    ['a tag without an equals sign', { tag: ['cpu'] }, 'tag'],
    ['a tag twice', { tag: ['cpu=a', 'cpu=b'] }, 'tag'],
    ['the host as a tag', { tag: ['host=b'] }, 'tag'],
  ]
  it.each(refused)('refuses %s', (_name, params, parameter) => {
    expect(refusedParameter(() => parseHistoryParams({ host: 'h' }, { ...base, ...params }, NOW))).toBe(parameter)
  })
})
