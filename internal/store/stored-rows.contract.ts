import { describe, expect, it } from 'vitest'
import { CONTRACT_DAY_US, DAY_US, type Harness, newName, newSeries, SECOND_US, sampleOf } from './harness.contract.ts'
import type { RowsQuery, StoredRow } from './store.ts'

/** What every store's reader promises of samples as they were stored. */
export function storedRowsContract(store: Harness): void {
  const { stored, signal } = store
  const at = (seconds: number): number => CONTRACT_DAY_US + seconds * SECOND_US
  const ask = async (query: Partial<RowsQuery> & { measurement: string }): Promise<unknown[]> => {
    const common = { tags: {}, startUs: at(-86_400), endUs: at(86_400), first: 'newest', limit: 100 } as const
    return (await store.reader.rows({ ...common, ...query }, signal)).map(inShort)
  }
  const inShort = ({ tags, at: us, values }: StoredRow): string => {
    const of = [...values].map(([name, value]) => `${name}=${value}`).sort()
    return `${Object.values(tags).sort().join(' ')} ${(us - CONTRACT_DAY_US) / SECOND_US}: ${of.join(' ')}`
  }

  describe('rows', () => {
    it('gives samples with all their values, the newest or the oldest first', async () => {
      const measurement = newName('rows')
      const kinds = { f: 'float', i: 'int', b: 'bool', s: 'string' } as const
      const [b, a] = ['b', 'a'].map((host) => newSeries(kinds, { host }, measurement))
      await stored([
        sampleOf(b!, [1.5, 2n ** 53n + 1n, true, 'x, "y" = ü'], at(0)),
        sampleOf(a!, [undefined, -3], at(0), 7),
        sampleOf(a!, [2.5], at(10)),
        sampleOf(b!, [undefined, undefined, false, ''], at(-20)),
        sampleOf(b!, [4], at(86_399)),
      ])
      const oldestFirst = [
        'b -20: b=false s=',
        'a 0: i=-3',
        'b 0: b=true f=1.5 i=9007199254740993 s=x, "y" = ü',
        'a 10: f=2.5',
        'b 86399: f=4',
      ]
      const [old, a0, b0, ten, last] = oldestFirst
      expect(await ask({ measurement, first: 'oldest' })).toEqual(oldestFirst)
      expect(await ask({ measurement })).toEqual([last, ten, a0, b0, old])
      // Those of one µs are never torn in another order.
      for (let limit = 1; limit <= 5; limit++) {
        expect(await ask({ measurement, limit })).toEqual([last, ten, a0, b0, old].slice(0, limit))
        expect(await ask({ measurement, limit, first: 'oldest' })).toEqual(oldestFirst.slice(0, limit))
      }
      expect(await ask({ measurement, startUs: at(0), endUs: at(10) })).toEqual([a0, b0])
      expect(await ask({ measurement, endUs: at(0) + 1 })).toEqual([a0, b0, old])
      expect(await ask({ measurement, tags: { host: 'a' } })).toEqual([ten, a0])
      expect(await ask({ measurement, tags: { host: 'c' } })).toEqual([])
      expect(await ask({ measurement, tags: { host: 'a', gpu: '' } })).toEqual([ten, a0])
      expect(await ask({ measurement, fields: ['f'] })).toEqual([last, 'a 10: f=2.5', 'b 0: f=1.5'])
      expect(await ask({ measurement, fields: ['i', 'no'] })).toEqual(['a 0: i=-3', 'b 0: i=9007199254740993'])
      expect(await ask({ measurement, fields: ['no'] })).toEqual([])
      expect(await ask({ measurement, fields: [] })).toEqual([])
      expect(await ask({ measurement: newName('nothing') })).toEqual([])
    })

    it('gives a value that was written again once', async () => {
      const series = newSeries({ f: 'float', g: 'float' }, { host: 'a' })
      await stored([sampleOf(series, [1, 5], at(0)), sampleOf(series, [2], at(1))])
      await stored([sampleOf(series, [3], at(0)), sampleOf(series, [undefined, 6], at(1))])
      expect(await ask({ measurement: series.measurement })).toEqual(['a 1: f=2 g=6', 'a 0: f=3 g=5'])
    })

    it('takes any name', async () => {
      for (const text of ['"; DROP TABLE series; --', "' OR 1=1 --", '$start $1 ? {0}', '🚀 ü', 'time_ns', '/.*/']) {
        const series = newSeries({ [text]: 'float' }, { [`tag ${text}`]: text }, `${newName('odd')} ${text}`)
        const { measurement } = series
        await stored([sampleOf(series, [1], at(0))])
        const row = `${text} 0: ${text}=1`
        expect(await ask({ measurement, tags: { [`tag ${text}`]: text }, fields: [text] })).toEqual([row])
        expect(await ask({ measurement, tags: { [`tag ${text}`]: `${text}x` } })).toEqual([])
        expect((await newest(measurement, 0)).map(inShort)).toEqual([row])
        expect(await store.reader.fieldKinds(measurement, signal)).toEqual(new Map([[text, 'float']]))
      }
    })

    it('does not answer after the signal', async () => {
      const query = { measurement: 'm', tags: {}, startUs: 0, endUs: 1, first: 'newest', limit: 1 } as const
      const aborted = AbortSignal.abort()
      await expect(store.reader.rows(query, aborted)).rejects.toMatchObject({ kind: 'away' })
      const all = { measurement: 'm', sinceUs: 0, values: true }
      await expect(store.reader.newest(all, aborted)).rejects.toMatchObject({ kind: 'away' })
      await expect(store.reader.fieldKinds('m', aborted)).rejects.toMatchObject({ kind: 'away' })
    })
  })

  const newest = (measurement: string, sinceUs: number): Promise<StoredRow[]> =>
    store.reader.newest({ measurement, sinceUs, values: true }, signal)

  describe('newest', () => {
    it('gives the newest sample of each series, also where these are days apart', async () => {
      const measurement = newName('newest')
      const series = (host: string) => newSeries({ pod: 'string', n: 'int' }, { host }, measurement)
      const [a, b, c] = [series('a'), series('b'), series('c')]
      await stored([
        sampleOf(a, ['first', 1], at(0)),
        sampleOf(a, ['last'], at(30)),
        sampleOf(b, ['b', 7], at(-DAY_US / SECOND_US)),
        sampleOf(c, ['c'], at(20)),
      ])
      await stored([sampleOf(a, ['late', 3], at(10))])
      const list = async (sinceUs: number): Promise<string[]> =>
        (await newest(measurement, sinceUs)).map(inShort).sort()
      expect(await list(at(-86_400))).toEqual(['a 30: pod=last', 'b -86400: n=7 pod=b', 'c 20: pod=c'])
      expect(await list(at(20))).toEqual(['a 30: pod=last', 'c 20: pod=c'])
      expect(await list(at(31))).toEqual([])
      const times = await store.reader.newest({ measurement, sinceUs: at(20), values: false }, signal)
      expect(times.map(({ tags, at: us }) => `${tags.host} ${us - CONTRACT_DAY_US}`).sort()).toEqual([
        'a 30000000',
        'c 20000000',
      ])
      expect(await newest(newName('nothing'), 0)).toEqual([])
    })
  })

  describe('kinds of fields', () => {
    it('are those that were stored', async () => {
      const series = newSeries({ f: 'float', i: 'int', b: 'bool', s: 'string' }, {})
      await stored([sampleOf(series, [1, 2, true, 'x'], at(0))])
      const kinds = await store.reader.fieldKinds(series.measurement, signal)
      expect(Object.fromEntries(kinds)).toEqual({ f: 'float', i: 'int', b: 'bool', s: 'string' })
      expect(await store.reader.fieldKinds(newName('nothing'), signal)).toEqual(new Map())
    })
  })
}
