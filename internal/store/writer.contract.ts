import { describe, expect, it } from 'vitest'
import { readLineRecord, writeLineRecord } from '../format/line/record.ts'
import type { FieldKind, Slot } from '../sample/value.ts'
import { CONTRACT_DAY_US, DAY_US, type Harness, newName, newSeries, sampleOf } from './harness.contract.ts'

const KINDS: readonly FieldKind[] = ['float', 'int', 'bool', 'string']

export interface StoreTraits {
  /** Whether the store keeps unsigned integers. If not, it rejects the sample. */
  readonly uint: boolean
}

/** The promises of every store's writer. */
export function writerContract(store: Harness, traits: StoreTraits): void {
  const { filled, write, stored, history, signal } = store

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

    it('keeps every digit of the time and of the tie', async () => {
      const series = newSeries({ v: 'int' })
      const at = CONTRACT_DAY_US + 123_456
      // The latest is written first, because `texts` sorts by time.
      await stored([sampleOf(series, [3], at + 1), sampleOf(series, [2], at, 999), sampleOf(series, [1], at)])
      expect(await store.texts(series.measurement, 'v')).toEqual(['1', '2', '3'])
    })

    it('keeps samples of one microsecond separate by their tie', async () => {
      const series = newSeries({ v: 'int' })
      await stored(Array.from({ length: 1000 }, (_, tie) => sampleOf(series, [tie], CONTRACT_DAY_US, tie)))
      expect(await store.texts(series.measurement, 'v')).toEqual(Array.from({ length: 1000 }, (_, n) => `${n}`))
    })

    it('leaves out fields without a value, and refuses a sample without any value', async () => {
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

    it('keeps the values of a sample that its owner reuses', async () => {
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

    it('keeps the later value of the same series and time, field by field', async () => {
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

    it('takes a new field later, and series with different fields', async () => {
      const measurement = newName('m')
      const a = newSeries({ x: 'float' }, { host: 'a' }, measurement)
      await stored([sampleOf(a, [1], CONTRACT_DAY_US)])
      a.field('y', 'string')
      const b = newSeries({ z: 'bool' }, { host: 'b' }, measurement)
      await stored([sampleOf(a, [2, 'new'], CONTRACT_DAY_US + 1), sampleOf(b, [true], CONTRACT_DAY_US + DAY_US)])
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
      expect(batch.add(sampleOf(series, [-1], CONTRACT_DAY_US + DAY_US))).toBe('full')
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
      // The sample that did not fit is at most twice as large as its text.
      expect(batch.bytes).toBeGreaterThan(maxBytes - 2 * text.length - 1000)
      expect(await store.writer.write(batch, signal)).toEqual({ next: 'ack', rejected: [] })
      batch.release()
      const found = await store.texts(series.measurement, 'v')
      expect([found.length, found.every((value) => value === text)]).toEqual([taken, true])
    })

    it('refuses a sample that is too large for any batch', () => {
      const series = newSeries({ v: 'string' })
      const batch = store.writer.openBatch()
      const tooLarge = sampleOf(series, ['x'.repeat(store.writer.limits.maxBytes + 1)], CONTRACT_DAY_US)
      expect(batch.add(tooLarge)).toMatchObject({ reason: 'too_large' })
      expect(batch.samples).toBe(0)
      batch.release()
    })

    it('reuses a batch without old samples', async () => {
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

    it('writes as many batches concurrently as its limits say', async () => {
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

  describe('a batch made from the record of another', () => {
    it('stores the same samples', async () => {
      const a = newSeries({ f: 'float', i: 'int', b: 'bool', s: 'string' }, { host: 'a b', rack: 'x,y=z' })
      const b = newSeries({ other: 'float' })
      const batch = filled([
        sampleOf(a, [5e-324, -(2n ** 63n), true, 'two\nlines and a "quote\\'], CONTRACT_DAY_US, 7),
        sampleOf(b, [-0.1], -1, 999),
        sampleOf(a, [1e21, 2n ** 53n + 1n, undefined, ''], CONTRACT_DAY_US + 1),
        sampleOf(a, [undefined, undefined, false, 'Grüße, 東京 🚀\r\n'], CONTRACT_DAY_US + DAY_US),
      ])
      const record = batch.toRecord()
      batch.release()
      filled([sampleOf(b, [1], CONTRACT_DAY_US)]).release()
      const again = store.writer.batchOf(record)
      expect(again.samples).toBe(4)
      expect(again.toRecord()).toEqual(record)
      expect(await store.writer.write(again, signal)).toEqual({ next: 'ack', rejected: [] })
      again.release()
      expect(await store.texts(a.measurement, 'f')).toEqual(['5e-324', '1e+21'])
      expect(await store.texts(a.measurement, 'i')).toEqual(['-9223372036854775808', '9007199254740993'])
      expect(await store.texts(a.measurement, 'b')).toEqual(['true', 'false'])
      const strings = ['two\nlines and a "quote\\', '', 'Grüße, 東京 🚀\r\n']
      expect(await store.texts(a.measurement, 's')).toEqual(strings)
      expect(await store.texts(b.measurement, 'other')).toEqual(['-0.1'])
    })

    it('may be larger than the limits of the store', async () => {
      const series = newSeries({ v: 'string' })
      const text = 'x'.repeat(1000)
      const most = Math.floor(store.writer.limits.maxBytes / 3000)
      const batch = filled(Array.from({ length: most }, (_, i) => sampleOf(series, [text], CONTRACT_DAY_US + i)))
      const { body, ends } = readLineRecord(batch.toRecord())
      batch.release()
      const copies = 4
      const record = writeLineRecord({
        body: Buffer.concat(Array.from({ length: copies }, () => body)),
        ends: Uint32Array.from(
          { length: copies * most },
          (_, i) => body.length * Math.floor(i / most) + ends[i % most]!,
        ),
      })
      const large = store.writer.batchOf(record)
      expect(large.samples).toBe(copies * most)
      expect(await store.writer.write(large, signal)).toEqual({ next: 'ack', rejected: [] })
      large.release()
      expect(await store.texts(series.measurement, 'v')).toHaveLength(most)
    })

    it('rejects the same samples', async () => {
      const measurement = newName('conflict')
      const good = newSeries({ v: 'float' }, { host: 'good' }, measurement)
      const bad = newSeries({ v: 'string' }, { host: 'bad' }, measurement)
      await stored([sampleOf(good, [1], CONTRACT_DAY_US)])
      const batch = filled([
        sampleOf(good, [2], CONTRACT_DAY_US + 1),
        sampleOf(bad, ['Grüße'], CONTRACT_DAY_US + 2),
        sampleOf(good, [3], CONTRACT_DAY_US + 3),
      ])
      const again = store.writer.batchOf(batch.toRecord())
      const [first, second] = [await store.writer.write(batch, signal), await store.writer.write(again, signal)]
      for (const result of [first, second]) {
        if (result.next !== 'ack') throw new Error(result.problem)
        expect(result.rejected).toMatchObject([
          {
            index: 1,
            line: `${measurement},host=bad v="Grüße" ${CONTRACT_DAY_US + 2}000`,
            refusal: { reason: 'store_refused' },
          },
        ])
      }
      batch.release()
      again.release()
      expect(await store.texts(measurement, 'v')).toEqual(['1', '2', '3'])
    })

    it('cannot be made from other bytes', () => {
      expect(() => store.writer.batchOf(Buffer.from('anything'))).toThrow(RangeError)
    })
  })

  describe('a field with another type', () => {
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
        // No value for the field, so no conflict.
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
      // The whole sample is rejected, including its good fields.
      expect(await store.texts(measurement, 'w')).toEqual(['8'])
    })
  })

  it('does not write a batch after the signal, and can write it later', async () => {
    const series = newSeries({ v: 'int' })
    const batch = filled([sampleOf(series, [1], CONTRACT_DAY_US)])
    expect(await store.writer.write(batch, AbortSignal.abort())).toMatchObject({ next: 'retry' })
    expect(await store.writer.write(batch, signal)).toEqual({ next: 'ack', rejected: [] })
    batch.release()
    expect(await store.texts(series.measurement, 'v')).toEqual(['1'])
  })
}
