import { describe, expect, it } from 'vitest'
import {
  CONTRACT_DAY_US,
  DAY_US,
  type Harness,
  HOUR_US,
  newName,
  newSeries,
  SECOND_US,
  sampleOf,
} from './harness.contract.ts'
import { randomData, reference, snapped } from './reference.contract.ts'
import { type Aggregate, type HistoryQuery, MAX_HISTORY_POINTS } from './store.ts'
import { storedRowsContract } from './stored-rows.contract.ts'
import type { StoreTraits } from './writer.contract.ts'

const AGGREGATES: readonly Aggregate[] = ['mean', 'min', 'max', 'last', 'p50', 'p90', 'p99']

/** The promises of every store's reader. */
export function readerContract(store: Harness, { uint }: StoreTraits): void {
  const { stored, history, signal } = store

  storedRowsContract(store)

  describe('names', () => {
    const odd = [
      'with space, comma=equals',
      '"quoted" \'twice\'',
      '"; DROP TABLE series; --',
      "' OR 1=1 --",
      '$start $1 ? {0}',
      'back\\slash',
      '🚀 東京 ü',
      'time_ns',
      'series',
      'rowid',
      'SELECT',
      '/.*/',
      'x) FROM (y',
    ]
    it.each(odd)('takes %j for a measurement, tags and fields', async (text) => {
      const measurement = `${newName('odd')} ${text}`
      const tags = { [`tag ${text}`]: text, host: text }
      const series = newSeries({ [text]: 'float', plain: 'float' }, tags, measurement)
      await stored([sampleOf(series, [1, 2], CONTRACT_DAY_US), sampleOf(series, [3], CONTRACT_DAY_US + 1)])
      const query = { measurement, fields: [text, 'plain'], aggregate: 'max' as const }
      const want = [
        { tags, field: text, points: [[CONTRACT_DAY_US, 3]] },
        { tags, field: 'plain', points: [[CONTRACT_DAY_US, 2]] },
      ]
      expect(await history(query)).toEqual(want)
      expect(await history({ ...query, tags })).toEqual(want)
      expect(await history({ ...query, tags: { host: `${text}x` } })).toEqual([])
      // Whether there was anything, ever: one bucket of two centuries.
      const ever = Date.UTC(2200, 0, 1) * 1000
      const anyTime = { ...query, startUs: 0, endUs: ever, everyUs: ever, aggregate: 'last' as const }
      expect((await history({ ...anyTime, tags })).map(({ field }) => field)).toEqual([text, 'plain'])
      expect(await store.reader.hosts(CONTRACT_DAY_US, signal)).toContainEqual({
        host: text,
        lastSeenAt: CONTRACT_DAY_US + 1,
      })
      expect(await store.reader.hasHost(text, signal)).toBe(true)
      expect(await store.reader.hasHost(`${text}x`, signal)).toBe(false)
    })

    it('distinguishes upper and lower case', async () => {
      const measurement = newName('Case')
      const capital = newSeries({ Load: 'float', load: 'float' }, { host: 'A', Host: 'x' }, measurement)
      const small = newSeries({ load: 'float' }, { host: 'a' }, measurement.toLowerCase())
      await stored([sampleOf(capital, [1, 2], CONTRACT_DAY_US), sampleOf(small, [3], CONTRACT_DAY_US)])
      const values = async (of: string, field: string): Promise<unknown> =>
        (await history({ measurement: of, fields: [field] })).map(({ points }) => points)
      expect(await values(measurement, 'Load')).toEqual([[[CONTRACT_DAY_US, 1]]])
      expect(await values(measurement, 'load')).toEqual([[[CONTRACT_DAY_US, 2]]])
      expect(await values(measurement.toLowerCase(), 'load')).toEqual([[[CONTRACT_DAY_US, 3]]])
      expect(await history({ measurement, fields: ['load'], tags: { host: 'a' } })).toEqual([])
    })

    it('gives at most 100,000 points, in one field or in two together, and says what to ask for', async () => {
      const series = newSeries({ v: 'float', w: 'float' }, { host: 'a' })
      const seconds = MAX_HISTORY_POINTS / 2 + 1
      await stored(Array.from({ length: seconds }, (_, s) => sampleOf(series, [s, s], CONTRACT_DAY_US + s * SECOND_US)))
      const query: HistoryQuery = {
        ...{ measurement: series.measurement, tags: {}, aggregate: 'last', everyUs: SECOND_US },
        ...{ startUs: CONTRACT_DAY_US, endUs: CONTRACT_DAY_US + DAY_US, fields: ['v'] },
      }
      expect((await store.reader.history(query, signal))[0]?.points).toHaveLength(seconds)
      await expect(store.reader.history({ ...query, fields: ['v', 'w'] }, signal)).rejects.toMatchObject({
        kind: 'too_much',
        message: 'more than 100,000 points: ask for a shorter range, or for larger buckets',
      })
    })

    it('finds nothing for names that were never written', async () => {
      const series = newSeries({ v: 'float' }, { host: 'a' })
      await stored([sampleOf(series, [1], CONTRACT_DAY_US)])
      const { measurement } = series
      for (const nothing of ['nothing', '', '"; DROP TABLE series; --', "' OR 1=1 --", 'v" OR "v', 'v) FROM x; --']) {
        expect(await history({ measurement: nothing, fields: ['v'] })).toEqual([])
        expect(await history({ measurement, fields: [nothing] })).toEqual([])
        expect(await history({ measurement, fields: ['v'], tags: { host: nothing } })).toEqual([])
        expect(await history({ measurement, fields: ['v'], tags: { [nothing || 'none']: 'a' } })).toEqual([])
      }
      expect(await history({ measurement, fields: ['nothing', 'v'] })).toHaveLength(1)
    })
  })

  describe('history', () => {
    it.each<[Aggregate, Record<number, number>]>([
      ['mean', { 0: 3, 10: 17, 30: -2 }],
      ['min', { 0: 1, 10: 4, 30: -2 }],
      ['max', { 0: 7, 10: 30, 30: -2 }],
      ['last', { 0: 1, 10: 30, 30: -2 }],
      // Rank floor(3 × 0.5 + 0.5) = 2 of 1 1 7; floor(2 × 0.5 + 0.5) = 1 of 4 30.
      ['p50', { 0: 1, 10: 4, 30: -2 }],
      ['p90', { 0: 7, 10: 30, 30: -2 }],
      ['p99', { 0: 7, 10: 30, 30: -2 }],
    ])('gives the %s of each bucket in [start, end), without empty buckets', async (aggregate, want) => {
      const series = newSeries({ v: 'float' }, { host: 'a' })
      const at = (seconds: number): number => CONTRACT_DAY_US + seconds * SECOND_US
      const valueAt = { 2: 7, 5: 1, 9: 1, 10: 4, 19.999999: 30, 35: -2, 1.9: 99, 40: 99 }
      const read = Object.entries(valueAt).map(([seconds, value]) => [Number(seconds), value] as const)
      await stored(read.map(([seconds, value]) => sampleOf(series, [value], at(seconds))))
      const found = await history({
        ...{ measurement: series.measurement, fields: ['v'], aggregate },
        ...{ startUs: at(2), endUs: at(40), everyUs: 10 * SECOND_US },
      })
      const points = Object.entries(want).map(([seconds, value]) => [at(Number(seconds)), value])
      expect(found).toEqual([{ tags: { host: 'a' }, field: 'v', points }])
    })

    it('uses the ranks of InfluxQL for percentiles', async () => {
      const series = newSeries({ v: 'int' })
      // Buckets of 1 to 101 values. Each has the values 1 to n out of order: the multiples of a prime, modulo n, are 0 to n−1.
      const sizes = Array.from({ length: 101 }, (_, i) => i + 1)
      const samples = sizes.flatMap((n) =>
        Array.from({ length: n }, (_, i) =>
          sampleOf(series, [((i * 7919) % n) + 1], CONTRACT_DAY_US + n * SECOND_US + i),
        ),
      )
      await stored(samples)
      for (const percent of [50, 90, 99] as const) {
        const aggregate: Aggregate = `p${percent}`
        const [found] = await history({
          ...{ measurement: series.measurement, fields: ['v'], aggregate, everyUs: SECOND_US },
        })
        const ranks = sizes.map((n) => [CONTRACT_DAY_US + n * SECOND_US, Math.floor((n * percent) / 100 + 0.5)])
        expect(found?.points).toEqual(ranks)
      }
    })

    it('counts buckets from the epoch, also before 1970', async () => {
      const series = newSeries({ v: 'float' })
      const times = [-20, -15, -10, -1, 0, 9, 10]
      await stored(times.map((at) => sampleOf(series, [at], at)))
      const [found] = await history({
        ...{ measurement: series.measurement, fields: ['v'], aggregate: 'min' },
        ...{ startUs: -19, endUs: 10, everyUs: 10 },
      })
      expect(Object.fromEntries(found?.points ?? [])).toEqual({ '-20': -15, '-10': -10, 0: 0 })
    })

    it('answers numbers and booleans; booleans have no mean and no percentile, and strings have no points', async () => {
      const series = newSeries({ f: 'float', i: 'int', b: 'bool', s: 'string' })
      await stored([
        sampleOf(series, [1.5, 2n ** 53n + 2n, true, 'x'], CONTRACT_DAY_US),
        sampleOf(series, [0.5, 2, false, 'y'], CONTRACT_DAY_US + 1),
      ])
      const found = async (aggregate: Aggregate): Promise<unknown> => {
        const answer = await history({ measurement: series.measurement, fields: ['s', 'b', 'i', 'f'], aggregate })
        return Object.fromEntries(answer.map(({ field, points }) => [field, points[0]?.[1]]))
      }
      expect(await found('last')).toEqual({ b: 0, i: 2, f: 0.5 })
      expect(await found('max')).toEqual({ b: 1, i: 2 ** 53 + 2, f: 1.5 })
      expect(await found('min')).toEqual({ b: 0, i: 2, f: 0.5 })
      expect(await found('mean')).toEqual({ i: 2 ** 52 + 2, f: 1 })
      expect(await found('p90')).toEqual({ i: 2 ** 53 + 2, f: 1.5 })
    })

    it('leaves out a bucket whose mean is beyond the largest double, and no other', async () => {
      const largest = Number.MAX_VALUE
      const series = newSeries({ huge: 'float', small: 'float' }, { host: 'a' })
      const other = newSeries({ huge: 'float' }, { host: 'b' }, series.measurement)
      const at = (seconds: number): number => CONTRACT_DAY_US + seconds * SECOND_US
      await stored([
        sampleOf(series, [largest, 1], at(0)),
        sampleOf(series, [largest, 3], at(1)),
        sampleOf(series, [5, 4], at(10)),
        sampleOf(series, [-largest, 5], at(20)),
        sampleOf(series, [-largest, 5], at(21)),
        sampleOf(other, [7], at(0)),
      ])
      const ask = async (aggregate: Aggregate): Promise<unknown> => {
        const query = { measurement: series.measurement, fields: ['huge', 'small'], everyUs: 10 * SECOND_US }
        const found = await history({ ...query, aggregate })
        return found.map(({ tags, field, points }) => [`${tags.host} ${field}`, Object.fromEntries(points)])
      }
      expect(await ask('mean')).toEqual([
        ['a huge', { [at(10)]: 5 }],
        ['b huge', { [at(0)]: 7 }],
        ['a small', { [at(0)]: 2, [at(10)]: 4, [at(20)]: 5 }],
      ])
      for (const aggregate of ['min', 'max', 'last', 'p50', 'p90', 'p99'] as const) {
        expect(await ask(aggregate), aggregate).toContainEqual([
          'a huge',
          { [at(0)]: largest, [at(10)]: 5, [at(20)]: -largest },
        ])
      }
    })

    it('gives integers beyond 2^53 exactly, as text where a number would round them', async () => {
      const odd = 2n ** 53n + 1n
      const values = [odd, -odd, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 2n, 2n ** 53n - 1n, 10n ** 18n]
      const series = newSeries({ i: 'int', f: 'float' }, { host: 'a', id: '[,9007199254740993,17' })
      await stored(values.map((value, s) => sampleOf(series, [value, Number(value)], CONTRACT_DAY_US + s * SECOND_US)))
      const ask = async (field: string, aggregate: Aggregate): Promise<unknown> => {
        const query = { measurement: series.measurement, fields: [field], everyUs: SECOND_US }
        const [found] = await history({ ...query, aggregate })
        expect(found?.tags).toEqual({ host: 'a', id: '[,9007199254740993,17' })
        return found?.points.map(([, value]) => value)
      }
      const exact = [
        '9007199254740993',
        '-9007199254740993',
        '9223372036854775807',
        '-9223372036854775808',
        9007199254740994,
        9007199254740991,
        1e18,
      ]
      for (const aggregate of AGGREGATES) {
        expect(await ask('f', aggregate), aggregate).toEqual(values.map(Number))
        expect(await ask('i', aggregate), aggregate).toEqual(aggregate === 'mean' ? values.map(Number) : exact)
      }
    })

    if (uint)
      it('gives unsigned integers up to 2^64 exactly', async () => {
        const series = newSeries({ u: 'uint' }, { host: 'a' })
        await stored([sampleOf(series, [2n ** 64n - 1n], CONTRACT_DAY_US), sampleOf(series, [1n], CONTRACT_DAY_US + 1)])
        const ask = async (aggregate: Aggregate): Promise<unknown> =>
          (await history({ measurement: series.measurement, fields: ['u'], aggregate }))[0]?.points[0]?.[1]
        expect(await ask('max')).toBe('18446744073709551615')
        expect(await ask('mean')).toBe(2 ** 63)
      })

    it('gives the mean of integers whose sum is beyond 64 bits', async () => {
      const series = newSeries({ i: 'int' }, { host: 'a' })
      const largest = 2n ** 63n - 1n
      await stored([0, 1, 2].map((s) => sampleOf(series, [largest], CONTRACT_DAY_US + s)))
      const [found] = await history({ measurement: series.measurement, fields: ['i'], aggregate: 'mean' })
      expect(found?.points).toEqual([[CONTRACT_DAY_US, 2 ** 63]])
    })

    it('gives one entry per field and tag set, sorted by field as in the query, then by tags', async () => {
      const measurement = newName('sorted')
      for (const tags of ['host=b', 'host=a cpu=10', '', 'host=a cpu=9', 'cpu=9', 'host=a', 'host=ä🚀'].map(tagsOf)) {
        const series = newSeries({ x: 'float', y: 'float' }, tags, measurement)
        await stored([sampleOf(series, [1, 2], CONTRACT_DAY_US)])
      }
      const found = await history({ measurement, fields: ['y', 'x'] })
      const sorted = ['', 'cpu=10 host=a', 'cpu=9', 'cpu=9 host=a', 'host=a', 'host=b', 'host=ä🚀'].map(tagsOf)
      expect(found).toEqual([
        ...sorted.map((tags) => ({ tags, field: 'y', points: [[CONTRACT_DAY_US, 2]] })),
        ...sorted.map((tags) => ({ tags, field: 'x', points: [[CONTRACT_DAY_US, 1]] })),
      ])
      const matching = async (tags: string): Promise<unknown> =>
        (await history({ measurement, fields: ['x'], tags: tagsOf(tags) })).map((series) => series.tags)
      expect(await matching('host=a')).toEqual(['cpu=10 host=a', 'cpu=9 host=a', 'host=a'].map(tagsOf))
      expect(await matching('host=a cpu=9')).toEqual(['cpu=9 host=a'].map(tagsOf))
      // An empty value matches series without the tag.
      expect(await matching('host=a cpu=')).toEqual(['host=a'].map(tagsOf))
      expect(await matching('cpu=9 host=')).toEqual(['cpu=9'].map(tagsOf))
      // Also of a tag that no series has: the page asks so for interfaces that stand on no other.
      expect(await matching('host=a cpu=9 stacked=')).toEqual(['cpu=9 host=a'].map(tagsOf))
    })

    it('gives nothing where nothing was written', async () => {
      const series = newSeries({ v: 'float' })
      const { measurement } = series
      await stored([sampleOf(series, [1], CONTRACT_DAY_US)])
      expect(await history({ measurement, fields: [] })).toEqual([])
      expect(await history({ measurement, fields: ['v'], startUs: CONTRACT_DAY_US + 1 })).toEqual([])
      expect(await history({ measurement, fields: ['v'], endUs: CONTRACT_DAY_US })).toEqual([])
      expect(await history({ measurement, fields: ['v'], endUs: CONTRACT_DAY_US + 1 })).toHaveLength(1)
    })

    it('agrees with the reference on random data', async () => {
      const { measurement, written, samples } = randomData(20_260_110)
      const third = Math.ceil(samples.length / 3)
      for (let from = 0; from < samples.length; from += third) await stored(samples.slice(from, from + third))
      const ranges = [
        { from: -DAY_US, to: DAY_US, everyUs: DAY_US },
        { from: -DAY_US, to: DAY_US, everyUs: HOUR_US },
        { from: -HOUR_US, to: 1, everyUs: 7 * SECOND_US },
        { from: -17 * SECOND_US + 1, to: 95 * SECOND_US - 1, everyUs: SECOND_US },
        { from: HOUR_US, to: 2 * HOUR_US, everyUs: 60 * SECOND_US },
      ]
      for (const aggregate of AGGREGATES) {
        for (const { from, to, everyUs } of ranges) {
          for (const tags of ['', 'host=a', 'host=b cpu=cpu1', 'host=c cpu='].map(tagsOf)) {
            const query: HistoryQuery = {
              ...{ measurement, fields: ['i', 'f', 'late'], tags, aggregate, everyUs },
              ...{ startUs: CONTRACT_DAY_US + from, endUs: CONTRACT_DAY_US + to },
            }
            const want = reference(written, query)
            expect(snapped(await store.reader.history(query, signal), want)).toEqual(want)
          }
        }
      }
    })
  })

  describe('hosts', () => {
    it('gives each host once, with the time of its newest sample in any measurement', async () => {
      const prefix = newName('host')
      const [a, b, c] = ['a', 'b', 'c'].map((letter) => `${prefix} ${letter}`) as [string, string, string]
      const at = (seconds: number): number => CONTRACT_DAY_US + seconds * SECOND_US
      await stored([
        sampleOf(newSeries({ v: 'float' }, { host: a, cpu: '0' }), [1], at(30)),
        sampleOf(newSeries({ v: 'string' }, { host: a }), ['x'], at(50)),
        sampleOf(newSeries({ v: 'float' }, { host: a, cpu: '1' }), [1], at(40)),
        sampleOf(newSeries({ v: 'bool' }, { host: b }), [true], at(20) + 7, 999),
        sampleOf(newSeries({ v: 'int' }, { host: c }), [1], at(-DAY_US / SECOND_US)),
        sampleOf(newSeries({ v: 'int' }, { hostname: `${prefix} d` }), [1], at(10)),
      ])
      const since = async (sinceUs: number): Promise<unknown> => {
        const found = await store.reader.hosts(sinceUs, signal)
        const ours = found.filter(({ host }) => host.startsWith(prefix))
        return ours.map(({ host, lastSeenAt }) => `${host.at(-1)} ${lastSeenAt - CONTRACT_DAY_US}`)
      }
      expect(await since(at(-DAY_US / SECOND_US))).toEqual(['a 50000000', 'b 20000007', `c ${-DAY_US}`])
      expect(await since(at(20) + 7)).toEqual(['a 50000000', 'b 20000007'])
      expect(await since(at(20) + 8)).toEqual(['a 50000000'])
      expect(await since(at(50) + 1)).toEqual([])
      for (const host of [a, b, c]) expect(await store.reader.hasHost(host, signal)).toBe(true)
      for (const host of [`${prefix} d`, prefix, '', a.toUpperCase()]) {
        expect(await store.reader.hasHost(host, signal)).toBe(false)
      }
    })
  })

  it('does not answer after the signal', async () => {
    const series = newSeries({ v: 'int' })
    await stored([sampleOf(series, [1], CONTRACT_DAY_US)])
    const aborted = AbortSignal.abort()
    await expect(store.reader.hosts(CONTRACT_DAY_US, aborted)).rejects.toMatchObject({ kind: 'away' })
    await expect(store.reader.hasHost('a', aborted)).rejects.toMatchObject({ kind: 'away' })
    await expect(store.reader.probe(aborted)).rejects.toMatchObject({ kind: 'away' })
    await store.reader.probe(signal)
    const query = { measurement: series.measurement, fields: ['v'] }
    await expect(history(query, aborted)).rejects.toMatchObject({ kind: 'away' })
    expect(await history(query)).toHaveLength(1)
  })
}

/** `key=value key=value` as tags. */
function tagsOf(text: string): Record<string, string> {
  const pairs = text.split(' ').filter((pair) => pair !== '')
  return Object.fromEntries(pairs.map((pair) => pair.split('=')))
}
