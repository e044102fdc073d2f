import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isRefusal } from '../sample/border.ts'
import type { Sample } from '../sample/sample.ts'
import { type Series, SeriesTable } from '../sample/series.ts'
import type { FieldKind, Slot } from '../sample/value.ts'
import {
  type Aggregate,
  type Batch,
  bySeries,
  type HistoryQuery,
  type HistorySeries,
  type Rejected,
  type StoreReader,
  type StoreWriter,
} from './store.ts'

/** One open store, with a way of its own to see what stands in it: `history` answers numbers only. */
export interface OpenStore {
  readonly writer: StoreWriter
  readonly reader: StoreReader
  /** Every value of a field as text, in the order of time: strings as they are, numbers as `String` writes them, booleans as true or false. */
  texts(measurement: string, field: string): Promise<string[]>
  /** Closes writer and reader. */
  close(): Promise<void>
}

export interface StoreTraits {
  /** Whether it can keep unsigned integers; one that cannot rejects the sample. */
  readonly uint: boolean
}

/** 10 January 2026, 0:00 UTC, in µs. All that the suite writes lies within two days of it, or just before 1970: the store must keep that. */
export const CONTRACT_DAY_US = Date.UTC(2026, 0, 10) * 1000

const SECOND = 1_000_000
const HOUR = 3600 * SECOND
const DAY = 24 * HOUR
const AGGREGATES: readonly Aggregate[] = ['mean', 'min', 'max', 'last', 'p50', 'p90', 'p99']
const KINDS: readonly FieldKind[] = ['float', 'int', 'bool', 'string']

/**
 * What every store promises, run by each implementation. The store may hold other data; no two tests share a measurement.
 *
 * @param open called once; the store must be ready to take samples
 */
export function storeContract(name: string, open: () => Promise<OpenStore>, traits: StoreTraits): void {
  describe(`the store contract: ${name}`, () => {
    let store: OpenStore
    const signal = new AbortController().signal

    beforeAll(async () => {
      store = await open()
    })
    afterAll(async () => {
      await store?.close()
    })

    const filled = (samples: Iterable<Sample>): Batch => {
      const batch = store.writer.openBatch()
      for (const sample of samples) expect(batch.add(sample)).toBeUndefined()
      return batch
    }
    /** Writes as many batches as it takes, and gives back what the store refused. */
    const write = async (samples: readonly Sample[]): Promise<Rejected[]> => {
      const rejected: Rejected[] = []
      const most = store.writer.limits.maxSamples
      for (let from = 0; from < samples.length; from += most) {
        const batch = filled(samples.slice(from, from + most))
        const result = await store.writer.write(batch, signal)
        if (result.next !== 'ack') throw new Error(`${result.next}: ${result.problem}`)
        rejected.push(...result.rejected)
        batch.release()
      }
      return rejected
    }
    const stored = async (samples: readonly Sample[]): Promise<void> => expect(await write(samples)).toEqual([])
    const history = (query: Partial<HistoryQuery> & { measurement: string }): Promise<HistorySeries[]> =>
      store.reader.history({ ...WHOLE_DAY, ...query }, signal)

    describe('writing', () => {
      it('is ready', async () => {
        expect(await store.writer.check(signal)).toBe('')
      })

      it('acks an empty batch', async () => {
        expect(await store.writer.write(store.writer.openBatch(), signal)).toEqual({ next: 'ack', rejected: [] })
      })

      const texts: Array<[kind: FieldKind, values: Slot[], want: string[]]> = [
        ['float', [1.5, -0.25, 1e21, 5e-324], ['1.5', '-0.25', '1e+21', '5e-324']],
        ['int', [0, -1, 2 ** 53 - 1], ['0', '-1', '9007199254740991']],
        ['int', [2n ** 53n + 1n, 2n ** 63n - 1n], ['9007199254740993', '9223372036854775807']],
        ['int', [-(2n ** 53n) - 1n, -(2n ** 63n)], ['-9007199254740993', '-9223372036854775808']],
        ['bool', [true, false], ['true', 'false']],
        ['string', ['plain', ''], ['plain', '']],
        ['string', ['say "hi"', "it's"], ['say "hi"', "it's"]],
        ['string', ['two\nlines', 'a tab\there'], ['two\nlines', 'a tab\there']],
        ['string', ['C:\\temp\\', '\\"'], ['C:\\temp\\', '\\"']],
        ['string', ['rocket 🚀', 'Grüße, 東京'], ['rocket 🚀', 'Grüße, 東京']],
        ['string', ["'; DROP TABLE x; --", '$1 ? %s'], ["'; DROP TABLE x; --", '$1 ? %s']],
      ]
      it.each(texts)('keeps every %s: %o', async (kind, values, want) => {
        const series = newSeries({ v: kind })
        await stored(values.map((value, i) => sampleOf(series, [value], CONTRACT_DAY_US + i)))
        expect(await store.texts(series.measurement, 'v')).toEqual(want)
      })

      it(`${traits.uint ? 'keeps' : 'rejects'} unsigned integers`, async () => {
        const series = newSeries({ u: 'uint' })
        const values = [0, 2 ** 53 - 1, 2n ** 53n + 1n, 2n ** 64n - 1n]
        const rejected = await write(values.map((value, i) => sampleOf(series, [value], CONTRACT_DAY_US + i)))
        expect(rejected.map(({ index, refusal }) => [index, refusal.reason])).toEqual(
          traits.uint ? [] : values.map((_, index) => [index, 'store_refused']),
        )
        const found = await store.texts(series.measurement, 'u')
        expect(found).toEqual(traits.uint ? values.map(String) : [])
      })

      it('keeps the digits of the time and of the tie', async () => {
        const series = newSeries({ v: 'int' })
        const at = CONTRACT_DAY_US + 123_456
        // The later in time is written first: `texts` gives the order of time.
        await stored([sampleOf(series, [3], at + 1), sampleOf(series, [2], at, 999), sampleOf(series, [1], at)])
        expect(await store.texts(series.measurement, 'v')).toEqual(['1', '2', '3'])
      })

      it('keeps samples of one microsecond apart by their tie', async () => {
        const series = newSeries({ v: 'int' })
        await stored(Array.from({ length: 1000 }, (_, tie) => sampleOf(series, [tie], CONTRACT_DAY_US, tie)))
        expect(await store.texts(series.measurement, 'v')).toEqual(Array.from({ length: 1000 }, (_, n) => `${n}`))
      })

      it('leaves out what has no value, and refuses a sample without any', async () => {
        const series = newSeries({ a: 'float', b: 'int', c: 'string' })
        await stored([
          sampleOf(series, [1], CONTRACT_DAY_US),
          sampleOf(series, [undefined, 2, undefined], CONTRACT_DAY_US + 1),
          sampleOf(series, [Number.NaN, undefined, 'x'], CONTRACT_DAY_US + 2),
          sampleOf(series, [Number.POSITIVE_INFINITY, 3], CONTRACT_DAY_US + 3),
        ])
        expect(await store.texts(series.measurement, 'a')).toEqual(['1'])
        expect(await store.texts(series.measurement, 'b')).toEqual(['2', '3'])
        expect(await store.texts(series.measurement, 'c')).toEqual(['x'])
        const batch = store.writer.openBatch()
        for (const values of [[], [undefined, undefined], [Number.NaN], [Number.NEGATIVE_INFINITY]]) {
          expect(batch.add(sampleOf(series, values, CONTRACT_DAY_US))).toMatchObject({ reason: 'no_fields' })
        }
        expect(batch.samples).toBe(0)
        batch.release()
      })

      it('keeps what was handed over, whatever its owner does with the sample afterwards', async () => {
        const series = newSeries({ v: 'int' })
        const reused = sampleOf(series, [1], CONTRACT_DAY_US)
        const batch = filled([reused])
        reused.values[0] = 2
        reused.at += 1
        reused.tie = 5
        expect(batch.add(reused)).toBeUndefined()
        reused.values.length = 0
        expect(await store.writer.write(batch, signal)).toEqual({ next: 'ack', rejected: [] })
        batch.release()
        expect(await store.texts(series.measurement, 'v')).toEqual(['1', '2'])
      })

      it('takes the later value of the same series and time, field by field', async () => {
        const series = newSeries({ a: 'int', b: 'int' })
        const at = CONTRACT_DAY_US
        await stored([sampleOf(series, [1, 1], at), sampleOf(series, [2], at), sampleOf(series, [3, 3], at + 1)])
        await stored([sampleOf(series, [undefined, 4], at + 1)])
        expect(await store.texts(series.measurement, 'a')).toEqual(['2', '3'])
        expect(await store.texts(series.measurement, 'b')).toEqual(['1', '4'])
      })

      it('changes nothing when the same batch is written twice', async () => {
        const series = newSeries({ v: 'float' })
        const batch = filled([sampleOf(series, [1], CONTRACT_DAY_US), sampleOf(series, [2], CONTRACT_DAY_US + 1)])
        for (let times = 0; times < 2; times++) {
          expect(await store.writer.write(batch, signal)).toEqual({ next: 'ack', rejected: [] })
        }
        batch.release()
        expect(await store.texts(series.measurement, 'v')).toEqual(['1', '2'])
        const [found] = await history({ measurement: series.measurement, fields: ['v'], aggregate: 'mean' })
        expect(found?.points).toEqual([[CONTRACT_DAY_US, 1.5]])
      })

      it('takes a field that comes later, and series with fields of their own', async () => {
        const measurement = newName('m')
        const a = newSeries({ x: 'float' }, { host: 'a' }, measurement)
        await stored([sampleOf(a, [1], CONTRACT_DAY_US)])
        a.field('y', 'string')
        const b = newSeries({ z: 'bool' }, { host: 'b' }, measurement)
        await stored([sampleOf(a, [2, 'new'], CONTRACT_DAY_US + 1), sampleOf(b, [true], CONTRACT_DAY_US + DAY)])
        expect(await store.texts(measurement, 'x')).toEqual(['1', '2'])
        expect(await store.texts(measurement, 'y')).toEqual(['new'])
        expect(await store.texts(measurement, 'z')).toEqual(['true'])
      })
    })

    describe('batches', () => {
      it('is full exactly at maxSamples', async () => {
        const series = newSeries({ v: 'int' })
        const most = store.writer.limits.maxSamples
        const batch = store.writer.openBatch()
        for (let i = 0; i < most; i++) {
          const answer = batch.add(sampleOf(series, [i], CONTRACT_DAY_US + i))
          if (answer !== undefined) throw new Error(`sample ${i} of ${most} was not taken: ${JSON.stringify(answer)}`)
        }
        const bytes = batch.bytes
        expect(batch.add(sampleOf(series, [-1], CONTRACT_DAY_US + DAY))).toBe('full')
        expect([batch.samples, batch.bytes]).toEqual([most, bytes])
        expect(await store.writer.write(batch, signal)).toEqual({ next: 'ack', rejected: [] })
        batch.release()
        const found = await store.texts(series.measurement, 'v')
        expect([found.length, found.at(-1)]).toEqual([most, `${most - 1}`])
      })

      it('is full before maxBytes is passed', async () => {
        const series = newSeries({ v: 'string' })
        const text = 'x'.repeat(30_000)
        const { maxBytes, maxSamples } = store.writer.limits
        const batch = store.writer.openBatch()
        let taken = 0
        while (batch.add(sampleOf(series, [text], CONTRACT_DAY_US + taken)) === undefined) taken++
        expect(batch.samples).toBe(taken)
        expect(taken).toBeLessThan(maxSamples)
        expect(batch.bytes).toBeLessThanOrEqual(maxBytes)
        // The one that was too many is at most twice as large as its text.
        expect(batch.bytes).toBeGreaterThan(maxBytes - 2 * text.length - 1000)
        expect(await store.writer.write(batch, signal)).toEqual({ next: 'ack', rejected: [] })
        batch.release()
        const found = await store.texts(series.measurement, 'v')
        expect([found.length, found.every((value) => value === text)]).toEqual([taken, true])
      })

      it('refuses a sample that no batch could hold', () => {
        const series = newSeries({ v: 'string' })
        const batch = store.writer.openBatch()
        const tooLarge = sampleOf(series, ['x'.repeat(store.writer.limits.maxBytes + 1)], CONTRACT_DAY_US)
        expect(batch.add(tooLarge)).toMatchObject({ reason: 'too_large' })
        expect(batch.samples).toBe(0)
        batch.release()
      })

      it('leaves nothing behind in a batch that is used again', async () => {
        const first = newSeries({ a: 'int', b: 'string' })
        const second = newSeries({ a: 'int', b: 'string' })
        const dropped = filled(Array.from({ length: 100 }, (_, i) => sampleOf(first, [i, 'old'], CONTRACT_DAY_US + i)))
        expect(dropped.bytes).toBeGreaterThan(0)
        dropped.release()
        const again = store.writer.openBatch()
        expect([again.samples, again.bytes]).toEqual([0, 0])
        again.add(sampleOf(second, [1], CONTRACT_DAY_US))
        expect(await store.writer.write(again, signal)).toEqual({ next: 'ack', rejected: [] })
        again.release()
        expect(await store.texts(first.measurement, 'a')).toEqual([])
        expect(await store.texts(second.measurement, 'a')).toEqual(['1'])
        expect(await store.texts(second.measurement, 'b')).toEqual([])
      })

      it('writes as many batches side by side as it says', async () => {
        const series = newSeries({ v: 'int' })
        const batches = Array.from({ length: store.writer.limits.inFlight }, (_, n) =>
          filled(Array.from({ length: 500 }, (_, i) => sampleOf(series, [n * 500 + i], CONTRACT_DAY_US + n * 500 + i))),
        )
        const results = await Promise.all(batches.map((batch) => store.writer.write(batch, signal)))
        for (const result of results) expect(result).toEqual({ next: 'ack', rejected: [] })
        for (const batch of batches) batch.release()
        const found = await store.texts(series.measurement, 'v')
        expect(found).toEqual(Array.from({ length: 500 * batches.length }, (_, n) => `${n}`))
      })
    })

    describe('a field that comes with another type', () => {
      const values: Readonly<Record<FieldKind, Slot>> = { float: 1, int: 1, uint: 1, bool: true, string: 'one' }
      const pairs = KINDS.flatMap((had) => KINDS.filter((came) => came !== had).map((came) => [came, had] as const))

      it.each(pairs)('rejects %s into %s, and stores the rest', async (came, had) => {
        const measurement = newName('conflict')
        const good = newSeries({ v: had }, { host: 'good' }, measurement)
        const bad = newSeries({ v: came, w: 'float' }, { host: 'bad' }, measurement)
        await stored([sampleOf(good, [values[had]], CONTRACT_DAY_US)])
        const rejected = await write([
          sampleOf(good, [values[had]], CONTRACT_DAY_US + 1),
          sampleOf(bad, [values[came], 7], CONTRACT_DAY_US + 2),
          sampleOf(good, [values[had]], CONTRACT_DAY_US + 3),
          // Without a value for the field there is no conflict.
          sampleOf(bad, [undefined, 8], CONTRACT_DAY_US + 4),
          sampleOf(bad, [values[came]], CONTRACT_DAY_US + 5, 9),
        ])
        const nanoseconds = `${BigInt(CONTRACT_DAY_US) * 1000n}`.slice(0, -4)
        const text = { float: '1', int: '1i', uint: '1u', bool: 'true', string: '"one"' }[came]
        expect(rejected.map(({ index, line }) => [index, line])).toEqual([
          [1, `${measurement},host=bad v=${text},w=7 ${nanoseconds}2000`],
          [4, `${measurement},host=bad v=${text} ${nanoseconds}5009`],
        ])
        for (const { refusal } of rejected) {
          expect(refusal.reason).toBe('store_refused')
          expect(refusal.detail).toContain('field type conflict')
        }
        expect(await store.texts(measurement, 'v')).toHaveLength(3)
        // The whole sample is refused, its good fields too.
        expect(await store.texts(measurement, 'w')).toEqual(['8'])
      })
    })

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
        expect(await store.reader.hosts(CONTRACT_DAY_US, signal)).toContainEqual({
          host: text,
          lastSeenAt: CONTRACT_DAY_US + 1,
        })
      })

      it('tells capital letters from small ones', async () => {
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

      it('knows nothing of names that nobody wrote', async () => {
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
      it.each<[Aggregate, Array<[number, number]>]>([
        ['mean', [[0, 3], [10, 17], [30, -2]]], // biome-ignore format: a pair a bucket
        ['min', [[0, 1], [10, 4], [30, -2]]], // biome-ignore format: a pair a bucket
        ['max', [[0, 7], [10, 30], [30, -2]]], // biome-ignore format: a pair a bucket
        ['last', [[0, 1], [10, 30], [30, -2]]], // biome-ignore format: a pair a bucket
        // Rank floor(3 × 0.5 + 0.5) = 2 of 1 1 7; floor(2 × 0.5 + 0.5) = 1 of 4 30.
        ['p50', [[0, 1], [10, 4], [30, -2]]], // biome-ignore format: a pair a bucket
        ['p90', [[0, 7], [10, 30], [30, -2]]], // biome-ignore format: a pair a bucket
        ['p99', [[0, 7], [10, 30], [30, -2]]], // biome-ignore format: a pair a bucket
      ])('gives the %s of each bucket, [start, end), empty ones left out', async (aggregate, want) => {
        const series = newSeries({ v: 'float' }, { host: 'a' })
        const at = (seconds: number): number => CONTRACT_DAY_US + seconds * SECOND
        const read: Array<[number, number]> = [[2, 7], [5, 1], [9, 1], [10, 4], [19.999999, 30], [35, -2], [1.9, 99], [40, 99]] // biome-ignore format: a pair a sample
        await stored(read.map(([seconds, value]) => sampleOf(series, [value], at(seconds))))
        const found = await history({
          ...{ measurement: series.measurement, fields: ['v'], aggregate },
          ...{ startUs: at(2), endUs: at(40), everyUs: 10 * SECOND },
        })
        const points = want.map(([seconds, value]) => [at(seconds), value])
        expect(found).toEqual([{ tags: { host: 'a' }, field: 'v', points }])
      })

      it('takes the ranks of percentiles as InfluxQL does', async () => {
        const series = newSeries({ v: 'int' })
        // Buckets of 1 to 101 values, each 1, 2, 3 … n in an order that is not sorted.
        const sizes = Array.from({ length: 101 }, (_, i) => i + 1)
        const samples = sizes.flatMap((n) =>
          Array.from({ length: n }, (_, i) =>
            sampleOf(series, [((i * 7919) % n) + 1], CONTRACT_DAY_US + n * SECOND + i),
          ),
        )
        // 7919 is a prime, so that its multiples modulo n are all of 0 … n−1.
        await stored(samples)
        for (const [aggregate, percent] of [
          ['p50', 50],
          ['p90', 90],
          ['p99', 99],
        ] as const) {
          const [found] = await history({
            ...{ measurement: series.measurement, fields: ['v'], aggregate, everyUs: SECOND },
          })
          const ranks = sizes.map((n) => [CONTRACT_DAY_US + n * SECOND, Math.floor((n * percent) / 100 + 0.5)])
          expect(found?.points).toEqual(ranks)
        }
      })

      it('counts buckets from the epoch, before it too', async () => {
        const series = newSeries({ v: 'float' })
        const times = [-20, -15, -10, -1, 0, 9, 10]
        await stored(times.map((at) => sampleOf(series, [at], at)))
        const [found] = await history({
          ...{ measurement: series.measurement, fields: ['v'], aggregate: 'min' },
          ...{ startUs: -19, endUs: 10, everyUs: 10 },
        })
        expect(found?.points).toEqual([[-20, -15], [-10, -10], [0, 0]]) // biome-ignore format: a pair a bucket
      })

      it('answers numbers and booleans; a mean or a percentile has no booleans, and strings have nothing', async () => {
        const series = newSeries({ f: 'float', i: 'int', b: 'bool', s: 'string' })
        await stored([
          sampleOf(series, [1.5, 2n ** 53n + 2n, true, 'x'], CONTRACT_DAY_US),
          sampleOf(series, [0.5, 2, false, 'y'], CONTRACT_DAY_US + 1),
        ])
        const found = async (aggregate: Aggregate): Promise<unknown> => {
          const answer = await history({ measurement: series.measurement, fields: ['s', 'b', 'i', 'f'], aggregate })
          return answer.map(({ field, points }) => [field, ...points.map(([, value]) => value)])
        }
        expect(await found('last')).toEqual([['b', 0], ['i', 2], ['f', 0.5]]) // biome-ignore format: a pair a field
        expect(await found('max')).toEqual([['b', 1], ['i', 2 ** 53 + 2], ['f', 1.5]]) // biome-ignore format: a pair a field
        expect(await found('min')).toEqual([['b', 0], ['i', 2], ['f', 0.5]]) // biome-ignore format: a pair a field
        expect(await found('mean')).toEqual([['i', 2 ** 52 + 2], ['f', 1]]) // biome-ignore format: a pair a field
        expect(await found('p90')).toEqual([['i', 2 ** 53 + 2], ['f', 1.5]]) // biome-ignore format: a pair a field
      })

      it('gives one entry a field and tag set, sorted by field as asked for, then by tags', async () => {
        const measurement = newName('sorted')
        const sets: Array<Record<string, string>> = [{ host: 'b' }, { host: 'a', cpu: '10' }, {}, { host: 'a', cpu: '9' }, { cpu: '9' }, { host: 'a' }, { host: 'ä🚀' }] // biome-ignore format: a table
        for (const tags of sets) {
          const series = newSeries({ x: 'float', y: 'float' }, tags, measurement)
          await stored([sampleOf(series, [1, 2], CONTRACT_DAY_US)])
        }
        const found = await history({ measurement, fields: ['y', 'x'] })
        const sorted = [{}, { cpu: '10', host: 'a' }, { cpu: '9' }, { cpu: '9', host: 'a' }, { host: 'a' }, { host: 'b' }, { host: 'ä🚀' }] // biome-ignore format: a table
        expect(found).toEqual([
          ...sorted.map((tags) => ({ tags, field: 'y', points: [[CONTRACT_DAY_US, 2]] })),
          ...sorted.map((tags) => ({ tags, field: 'x', points: [[CONTRACT_DAY_US, 1]] })),
        ])
        const hosts = async (tags: Record<string, string>): Promise<unknown> =>
          (await history({ measurement, fields: ['x'], tags })).map((series) => series.tags)
        expect(await hosts({ host: 'a' })).toEqual([{ cpu: '10', host: 'a' }, { cpu: '9', host: 'a' }, { host: 'a' }])
        expect(await hosts({ host: 'a', cpu: '9' })).toEqual([{ cpu: '9', host: 'a' }])
        // An empty value means: without this tag.
        expect(await hosts({ host: 'a', cpu: '' })).toEqual([{ host: 'a' }])
        expect(await hosts({ cpu: '9', host: '' })).toEqual([{ cpu: '9' }])
      })

      it('has nothing where nothing was written', async () => {
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
        const ranges = [[-DAY, DAY, DAY], [-DAY, DAY, HOUR], [-HOUR, 1, 7 * SECOND], [-17 * SECOND + 1, 95 * SECOND - 1, SECOND], [HOUR, 2 * HOUR, 60 * SECOND]] as const // biome-ignore format: a table
        const filters: Array<Record<string, string>> = [{}, { host: 'a' }, { host: 'b', cpu: 'cpu1' }, { host: 'c', cpu: '' }] // biome-ignore format: a table
        for (const aggregate of AGGREGATES) {
          for (const [from, to, everyUs] of ranges) {
            for (const tags of filters) {
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
        const at = (seconds: number): number => CONTRACT_DAY_US + seconds * SECOND
        await stored([
          sampleOf(newSeries({ v: 'float' }, { host: a, cpu: '0' }), [1], at(30)),
          sampleOf(newSeries({ v: 'string' }, { host: a }), ['x'], at(50)),
          sampleOf(newSeries({ v: 'float' }, { host: a, cpu: '1' }), [1], at(40)),
          sampleOf(newSeries({ v: 'bool' }, { host: b }), [true], at(20) + 7, 999),
          sampleOf(newSeries({ v: 'int' }, { host: c }), [1], at(-DAY / SECOND)),
          sampleOf(newSeries({ v: 'int' }, { hostname: `${prefix} d` }), [1], at(10)),
        ])
        const since = async (sinceUs: number): Promise<unknown> => {
          const found = await store.reader.hosts(sinceUs, signal)
          return found
            .filter(({ host }) => host.startsWith(prefix))
            .map(({ host, lastSeenAt }) => [host.at(-1), lastSeenAt])
        }
        expect(await since(at(0) - DAY)).toEqual([['a', at(50)], ['b', at(20) + 7], ['c', at(0) - DAY]]) // biome-ignore format: a table
        expect(await since(at(20) + 7)).toEqual([['a', at(50)], ['b', at(20) + 7]]) // biome-ignore format: a table
        expect(await since(at(20) + 8)).toEqual([['a', at(50)]])
        expect(await since(at(50) + 1)).toEqual([])
      })
    })

    describe('given up', () => {
      it('does not answer a query, nor write a batch, after its signal', async () => {
        const series = newSeries({ v: 'int' })
        await expect(store.reader.hosts(CONTRACT_DAY_US, AbortSignal.abort())).rejects.toMatchObject({ kind: 'away' })
        const query = { ...WHOLE_DAY, measurement: series.measurement, fields: ['v'] }
        await expect(store.reader.history(query, AbortSignal.abort())).rejects.toMatchObject({ kind: 'away' })
        const batch = filled([sampleOf(series, [1], CONTRACT_DAY_US)])
        expect(await store.writer.write(batch, AbortSignal.abort())).toMatchObject({ next: 'retry' })
        expect(await store.writer.write(batch, signal)).toEqual({ next: 'ack', rejected: [] })
        batch.release()
        expect(await store.texts(series.measurement, 'v')).toEqual(['1'])
      })
    })
  })
}

const WHOLE_DAY = {
  fields: [],
  tags: {},
  startUs: CONTRACT_DAY_US,
  endUs: CONTRACT_DAY_US + DAY,
  everyUs: DAY,
  aggregate: 'last',
} as const satisfies Omit<HistoryQuery, 'measurement'>

let names = 0
const run = Date.now().toString(36)

/** A name that no test has used, nor an earlier run in the same store. */
function newName(what: string): string {
  return `${what}_${run}_${++names}`
}

function newSeries(
  fields: Readonly<Record<string, FieldKind>>,
  tags: Readonly<Record<string, string>> = {},
  measurement = newName('m'),
): Series {
  const series = new SeriesTable().intern(measurement, Object.entries(tags), 0)
  if (isRefusal(series)) throw new Error(series.detail)
  for (const [name, kind] of Object.entries(fields)) {
    const index = series.field(name, kind)
    if (isRefusal(index)) throw new Error(index.detail)
  }
  return series
}

function sampleOf(series: Series, values: readonly Slot[], at: number, tie = 0): Sample {
  return { series, values: [...values], at, tie }
}

/** A value of a field as it was written; of two with the same time the later in the list counts. */
interface Written {
  readonly tags: Readonly<Record<string, string>>
  readonly field: string
  readonly atUs: number
  readonly tie: number
  readonly value: number
}

/** Samples of five series over two days, out of order, with gaps and repeats; the same for the same seed. */
function randomData(seed: number): { measurement: string; written: Written[]; samples: Sample[] } {
  const random = randomNumbers(seed)
  const measurement = newName('random')
  const sets: Array<Record<string, string>> = [{ host: 'a', cpu: 'cpu0' }, { host: 'a', cpu: 'cpu1' }, { host: 'b', cpu: 'cpu0' }, { host: 'b', cpu: 'cpu1' }, { host: 'c' }] // biome-ignore format: a table
  const series = sets.map((tags) => newSeries({ f: 'float', i: 'int', late: 'float' }, tags, measurement))
  const written: Written[] = []
  const samples: Sample[] = []
  for (let n = 0; n < 6000; n++) {
    const which = Math.floor(random() * sets.length)
    // Half of them crowd around midnight, so that seconds repeat and times collide; the rest spread over two days.
    const spread = n % 2 === 0 ? 100 : 2 * 86_400
    const atUs = CONTRACT_DAY_US + Math.round((random() - 0.5) * spread * 4) * (SECOND / 4)
    const tie = Math.floor(random() * 2)
    const values: Slot[] = [
      random() < 0.9 ? Math.round((random() - 0.3) * 1e6) / 100 : undefined,
      random() < 0.9 ? Math.round((random() - 0.5) * 2000) : undefined,
      n > 3000 && random() < 0.5 ? random() : undefined,
    ]
    if (values.every((value) => value === undefined)) continue
    samples.push(sampleOf(series[which]!, values, atUs, tie))
    values.forEach((value, i) => {
      const field = series[which]!.fieldNames[i]!
      if (typeof value === 'number') written.push({ tags: sets[which]!, field, atUs, tie, value })
    })
  }
  return { measurement, written, samples }
}

/** Mulberry32: numbers in [0, 1) that are the same on every machine. */
function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** What `history` has to answer, said as plainly as can be. */
function reference(written: readonly Written[], query: HistoryQuery): HistorySeries[] {
  const found: HistorySeries[] = []
  for (const field of query.fields) {
    const series = new Map<string, { tags: Readonly<Record<string, string>>; values: Map<string, Written> }>()
    for (const one of written) {
      if (one.field !== field || one.atUs < query.startUs || one.atUs >= query.endUs) continue
      if (Object.entries(query.tags).some(([key, value]) => (one.tags[key] ?? '') !== value)) continue
      const key = JSON.stringify(one.tags)
      const known = series.get(key) ?? { tags: one.tags, values: new Map<string, Written>() }
      series.set(key, known)
      known.values.set(`${one.atUs} ${one.tie}`, one)
    }
    const ofField = [...series.values()].map(({ tags, values }) => ({ tags, field, points: buckets(values, query) }))
    found.push(...ofField.sort(bySeries))
  }
  return found
}

function buckets(values: Map<string, Written>, { everyUs, aggregate }: HistoryQuery): Array<[number, number]> {
  const ordered = [...values.values()].sort((a, b) => a.atUs - b.atUs || a.tie - b.tie)
  const byBucket = new Map<number, number[]>()
  for (const { atUs, value } of ordered) {
    const start = Math.floor(atUs / everyUs) * everyUs
    const inBucket = byBucket.get(start) ?? []
    byBucket.set(start, inBucket)
    inBucket.push(value)
  }
  return [...byBucket].map(([start, inBucket]) => [start, aggregated(inBucket, aggregate)])
}

function aggregated(values: readonly number[], aggregate: Aggregate): number {
  const ascending = values.toSorted((a, b) => a - b)
  const ofRank = (percent: number): number => ascending[Math.floor((values.length * percent) / 100 + 0.5) - 1]!
  switch (aggregate) {
    case 'mean':
      return values.reduce((sum, value) => sum + value, 0) / values.length
    case 'min':
      return ascending[0]!
    case 'max':
      return ascending.at(-1)!
    case 'last':
      return values.at(-1)!
    case 'p50':
      return ofRank(50)
    case 'p90':
      return ofRank(90)
    case 'p99':
      return ofRank(99)
  }
}

/** Values that differ from the wanted by rounding only (the sum behind a mean may be taken in any order) are taken for equal. */
function snapped(found: readonly HistorySeries[], want: readonly HistorySeries[]): HistorySeries[] {
  return found.map((series, s) => ({
    ...series,
    points: series.points.map(([at, value], p) => {
      const wanted = want[s]?.points[p]?.[1] ?? Number.NaN
      return [at, Math.abs(value - wanted) <= 1e-9 * Math.max(1, Math.abs(wanted)) ? wanted : value] as const
    }),
  }))
}
