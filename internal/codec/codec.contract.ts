import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Refusal } from '../sample/border.ts'
import type { Sample } from '../sample/sample.ts'
import { SeriesTable } from '../sample/series.ts'
import { type FieldValue, hasValue } from '../sample/value.ts'
import { type Arrival, blankHeader, type Codec, type Decoder, type MessageHeader, NOTHING_MORE } from './codec.ts'

export interface CodecCase {
  readonly codec: Codec
  /**
   * Samples with at least one value that the format can carry; time and tie come back as they are, given an arrival of
   * `ARRIVAL`.
   */
  readonly samples: fc.Arbitrary<Sample>
  /** The header as it is read back. */
  seen(header: MessageHeader): MessageHeader
}

export const ARRIVAL: Arrival = { receivedAt: 1_763_900_000_654_321, tie: 7 }

/** A sample as plain data: it is reused, so this is what can be kept of it. */
export interface Seen {
  readonly series: string
  readonly fields: Readonly<Record<string, FieldValue>>
  readonly at: number
  readonly tie: number
}

export function see({ series, values, at, tie }: Sample): Seen {
  const fields: Record<string, FieldValue> = {}
  for (const [i, name] of series.fieldNames.entries()) {
    const value = values[i]
    if (hasValue(value)) fields[name] = series.fieldKinds[i] === 'float' ? value : exact(value)
  }
  return { series: series.key, fields, at, tie }
}

/** Integers as a number where that is exact, text without lone surrogates. */
function exact(value: FieldValue): FieldValue {
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value === 'boolean') return value
  const integer = BigInt(value)
  return Number.isSafeInteger(Number(integer)) ? Number(integer) : integer
}

/** A codec may mix the series of a message, but keeps the order within each. */
export function bySeries(all: readonly Seen[]): Seen[] {
  return all.toSorted((a, b) => (a.series < b.series ? -1 : a.series > b.series ? 1 : 0))
}

export interface Decoded {
  readonly seen: Seen[]
  /** Of samples that were left out. */
  readonly refused: Array<{ readonly reason: string; readonly sample: Seen }>
  readonly refusal: Refusal | undefined
  readonly header: MessageHeader
}

export function decode(decoder: Decoder, payload: Buffer, arrival = ARRIVAL): Decoded {
  const seen: Seen[] = []
  const refusal = decoder.decode(payload, arrival, (sample) => seen.push(see(sample)))
  const refused = (decoder.refusedParts ?? []).flatMap((part) =>
    'sample' in part ? [{ reason: part.refusal.reason, sample: see(part.sample) }] : [],
  )
  return { seen, refused, refusal, header: { ...decoder.header } }
}

export function encode(codec: Codec, samples: readonly Sample[], header = blankHeader()): Buffer {
  const encoder = codec.encoder()
  for (const sample of samples) if (!encoder.add(sample)) throw new Error('the message is full')
  return encoder.finish(header)
}

/** What every codec promises by codec.ts. */
export function codecContract({ codec, samples, seen }: CodecCase): void {
  const message = fc.array(samples, { minLength: 1, maxLength: Math.min(codec.maxSamples, 6) })
  const headers = fc.record<MessageHeader>({
    run: fc.constantFrom('web-01/agent/5f3a', 'é "quoted"', 'a'.repeat(256)),
    seq: fc.constantFrom(0, 1, 4_294_967_296, 2 ** 53 - 1),
    firstSample: fc.constantFrom(0, 17, 2 ** 53 - 1),
    heldFrom: fc.constantFrom(0, 3, NOTHING_MORE),
    heldFirstSample: fc.constantFrom(0, 5, 2 ** 53 - 1),
    withdrawnMessages: fc.constantFrom(0, 4_294_967_297),
    withdrawnSamples: fc.constantFrom(0, 2 ** 53 - 1),
    sentAt: fc.constantFrom(0),
    sampleCount: fc.constant(-1),
  })

  describe(`${codec.name}: contract of a codec`, () => {
    it('gives back what was put in, in the order of each series, and the header', () => {
      const decoder = codec.decoder(new SeriesTable())
      const check = (some: Sample[], header: MessageHeader): void => {
        const { seen: got, refusal, header: gotHeader } = decode(decoder, encode(codec, some, header))
        expect(refusal).toBeUndefined()
        expect(bySeries(got)).toEqual(bySeries(some.map(see)))
        expect(gotHeader).toEqual({ ...seen(header), sentAt: gotHeader.sentAt, sampleCount: some.length })
      }
      fc.assert(fc.property(message, headers, check), { numRuns: 150 })
    })

    it('copies its input, and returns a Buffer that it does not write to again', () => {
      const check = (first: Sample, second: Sample): void => {
        const encoder = codec.encoder()
        const sample = { ...first, values: [...first.values] }
        encoder.add(sample)
        sample.values.fill(undefined)
        sample.at = 0
        const early = encoder.finish(blankHeader())
        encoder.add(second)
        encoder.finish(blankHeader())
        expect(decode(codec.decoder(new SeriesTable()), early).seen).toEqual([see(first)])
      }
      fc.assert(fc.property(samples, samples, check))
    })

    it('gives the same samples for a later moment, and leaves the message as it is', () => {
      const check = (some: Sample[], header: MessageHeader, later: MessageHeader): void => {
        const payload = encode(codec, some, header)
        const before = payload.toString('hex')
        const { heldFrom, heldFirstSample, withdrawnMessages, withdrawnSamples } = later
        const standing = { heldFrom, heldFirstSample, withdrawnMessages, withdrawnSamples }
        const read = (message: Buffer): Decoded => decode(codec.decoder(new SeriesTable()), message)
        const want = read(encode(codec, some, { ...header, ...standing }))
        expect(read(codec.restamp(payload, standing))).toEqual(want)
        expect(payload.toString('hex')).toBe(before)
      }
      fc.assert(fc.property(message, headers, headers, check), { numRuns: 50 })
    })

    it('hands over one sample again and again', () => {
      const decoder = codec.decoder(new SeriesTable())
      const handed = new Set<Sample>()
      for (const sample of fc.sample(samples, 20)) {
        decoder.decode(encode(codec, [sample]), ARRIVAL, (reused) => handed.add(reused))
      }
      expect(handed.size).toBe(1)
    })

    it('counts, says when it is full, and goes on after finish', () => {
      const [sample] = fc.sample(samples, 1)
      if (sample === undefined) throw new Error('no sample')
      const encoder = codec.encoder()
      for (let round = 0; round < 2; round++) {
        expect(encoder.count).toBe(0)
        let added = 0
        while (encoder.add(sample)) added++
        expect([added > 0, added <= codec.maxSamples, encoder.count]).toEqual([true, true, added])
        const { seen: got, refusal } = decode(codec.decoder(new SeriesTable()), encoder.finish(blankHeader()))
        expect([got.length, refusal]).toEqual([added, undefined])
      }
    })

    it('takes a sample without a value and forgets it', () => {
      const encoder = codec.encoder()
      for (const sample of fc.sample(samples, 20)) {
        const none = [undefined, Number.NaN, Infinity, -Infinity]
        expect(encoder.add({ ...sample, values: sample.values.map((_, i) => none[i % 4]) })).toBe(true)
      }
      expect(encoder.count).toBe(0)
    })

    it('goes on with a series that the table has given up meanwhile', () => {
      const table = new SeriesTable({ maxSeries: 1, idleUs: 1000 })
      const decoder = codec.decoder(table)
      const [sample] = fc.sample(samples, 1)
      const payload = encode(codec, [sample!])
      decode(decoder, payload)
      table.intern('another', [], ARRIVAL.receivedAt + 2000)
      expect([...table].map(({ key }) => key)).toEqual(['another'])
      const later = { ...ARRIVAL, receivedAt: ARRIVAL.receivedAt + 4000 }
      let series: unknown
      decoder.decode(payload, later, (again) => {
        series = again.series
      })
      const [found] = table
      expect(found).toBe(series)
      expect(found).toMatchObject({ key: sample!.series.key, usedAt: later.receivedAt })
    })

    it('refuses a message that is cut off, wherever, and reads the next', () => {
      const decoder = codec.decoder(new SeriesTable())
      for (const some of fc.sample(message, 10)) {
        const payload = encode(codec, some, { ...blankHeader(), run: 'h/agent/1', seq: 3 })
        for (let length = 0; length < payload.length; length++) {
          const cut = decode(decoder, payload.subarray(0, length))
          expect([cut.refusal?.reason, cut.seen], `cut at ${length}`).toEqual([expect.any(String), []])
        }
        expect(bySeries(decode(decoder, payload).seen)).toEqual(bySeries(some.map(see)))
      }
    })

    it('never throws, gives or refuses each sample, or nothing, and reads the next message unharmed', () => {
      const decoder = codec.decoder(new SeriesTable())
      const change = fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) })
      const mutated = fc.tuple(message, fc.array(change, { minLength: 1, maxLength: 4 })).map(([some, changes]) => {
        const payload = encode(codec, some, { ...blankHeader(), run: 'h/agent/1', seq: 3 })
        for (const { at, byte } of changes) payload[at % payload.length] = byte
        return payload
      })
      const noise = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes))
      const good = fc.sample(message, 1)[0]!
      const goodPayload = encode(codec, good)
      const check = (payload: Buffer): void => {
        const { seen: got, refused, refusal, header } = decode(decoder, payload)
        expect(got.length + refused.length).toBe(refusal === undefined ? header.sampleCount : 0)
        expect(bySeries(decode(decoder, goodPayload).seen)).toEqual(bySeries(good.map(see)))
      }
      fc.assert(fc.property(fc.oneof({ weight: 3, arbitrary: mutated }, noise), check), { numRuns: 1000 })
    })
  })
}
