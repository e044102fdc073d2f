import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { arbitrarySample, arbitraryValue } from '../../test/support/arbitrary-samples.ts'
import { encodeLine, encodeLineText } from '../format/line/encode.ts'
import { isRefusal } from '../sample/border.ts'
import type { Sample } from '../sample/sample.ts'
import { SeriesTable, seriesApart } from '../sample/series.ts'
import { Shape } from '../sample/shape.ts'
import { type FieldKind, hasValue, integerFitsKind, type Slot, type Tag } from '../sample/value.ts'
import { codecContract, decode, encode, type Seen, see } from './codec.contract.ts'
import { blankHeader, type MessageHeader, NOTHING_MORE, type RefusedSample } from './codec.ts'
import { frameCodec } from './frame.ts'

codecContract({
  codec: frameCodec,
  samples: arbitrarySample().filter((sample) => encodeLine(sample).length > 0),
  seen: (header) => header,
})

const AT = 1_763_900_000_123_456
const HEADER: MessageHeader = {
  ...{ run: 'web-01', seq: 3, firstSample: 40, sentAt: AT, sampleCount: 0 },
  ...{ heldFrom: 2, heldFirstSample: 24, withdrawnMessages: 1, withdrawnSamples: 12 },
}

type Field = [name: string, kind: FieldKind, value: Slot]

/** A sample of a series that no border has seen. */
function sampleOf(measurement: string, tags: Tag[], fields: Field[], at = AT, tie = 0): Sample {
  const none = new Shape(measurement)
  const shape = fields.reduce((narrower, [name, kind]) => new Shape(measurement, narrower, name, kind), none)
  const values = fields.map(([, , value]) => value)
  return { series: seriesApart(measurement, tags, 0, shape), values, at, tie }
}

/** The messages of docs/wire-format.md, byte by byte. */
const HEADER_BYTES = {
  beginning: '535346f5 01 00', // magic, version, flags
  counts: '0600 02000000 01000000', // length of the run id, samples, blocks
  numbers: '0300000000000000 2800000000000000', // seq, firstSample
  standing: '0200000000000000 1800000000000000 0100000000000000 0c00000000000000', // heldFrom and its firstSample, withdrawn
  sentAt: '403aedf841440600',
  runId: '7765622d3031', // web-01
}
const BLOCK_BYTES = {
  lengths: '22000000 02000000 01', // 34 bytes of names, 2 rows, with ties
  series: '0300 637075 0100 0400 686f7374 0100 61', // cpu, 1 tag: host = a
  fields: '0300 00 0400 69646c65 01 0100 6e 04 0200 7573', // 3 fields: float idle, int n, string us
  times: '403aedf841440600 413aedf841440600',
  ties: '0000 0700',
  idle: '00 0000000000002940 000000000000f03f', // all present: 12.5, 1
  n: '02', // none present
  us: '01 02 02000000 c3a9', // a bit a row; the second has "é"
}

/** The frame with some of its parts replaced. */
function frame(
  header: Partial<typeof HEADER_BYTES> = {},
  block: Partial<typeof BLOCK_BYTES> = {},
  behind = '',
): Buffer {
  const parts = [
    ...Object.values({ ...HEADER_BYTES, ...header }),
    ...Object.values({ ...BLOCK_BYTES, ...block }),
    behind,
  ]
  return Buffer.from(parts.join('').replaceAll(' ', ''), 'hex')
}

/** A second block behind the first, with the fields of that one: `idle` 3, and nothing else. */
function twoBlocks(nameBytes = '10000000', series = '0300 637075 0100 0400 686f7374 0100 62'): Buffer {
  const counts = { counts: '0600 03000000 02000000' }
  return frame(counts, {}, `${nameBytes} 01000000 02 ${series} 423aedf841440600 00 0000000000000840 02 02`)
}

function decodeFresh(payload: Buffer): ReturnType<typeof decode> {
  return decode(frameCodec.decoder(new SeriesTable()), payload)
}

describe('a block with the fields of the block before', () => {
  const values = (decoder: ReturnType<typeof frameCodec.decoder>) =>
    decode(decoder, twoBlocks()).seen.map(({ series, fields }) => [series, fields.idle])

  it('is read, of a series that is new and of one that is known', () => {
    const decoder = frameCodec.decoder(new SeriesTable())
    const expected = [
      ['cpu\0host\u0001a', 12.5],
      ['cpu\0host\u0001a', 1],
      ['cpu\0host\u0001b', 3],
    ]
    expect(values(decoder)).toEqual(expected)
    expect(values(decoder)).toEqual(expected)
  })

  it('is read where its series has had other fields before', () => {
    const decoder = frameCodec.decoder(new SeriesTable())
    const other = {
      lengths: '17000000 01000000 00',
      series: '0300 637075 0100 0400 686f7374 0100 62',
      fields: '0100 00 0200 7573',
    }
    const before = frame({ counts: '0600 01000000 01000000' }, { ...other, times: '403aedf841440600', ties: '', idle: '00 0000000000000840', n: '', us: '' }) // biome-ignore format: two lines
    expect(decode(decoder, before).refusal).toBeUndefined()
    expect(decode(decoder, twoBlocks())).toMatchObject({ refusal: undefined, refused: [] })
  })

  it('is read where nothing of that block is taken', () => {
    const table = new SeriesTable()
    const known = table.intern('cpu', [['host', 'a']], 0)
    if (isRefusal(known)) throw new Error(known.detail)
    known.field('idle', 'bool')
    const { seen, refused } = decode(frameCodec.decoder(table), twoBlocks())
    expect(seen).toMatchObject([{ series: 'cpu\0host\u0001b', fields: { idle: 3 } }])
    expect(refused.map(({ reason, sample }) => [reason, sample.fields])).toEqual([
      ['field_type', { idle: 12.5 }],
      ['field_type', { idle: 1, us: 'é' }],
    ])
  })
})

describe('a frame', () => {
  const row = (idle: number, us: Slot): Field[] => [
    ['idle', 'float', idle],
    ['n', 'int', undefined],
    ['us', 'string', us],
  ]

  it('is made of these bytes', () => {
    const first = sampleOf('cpu', [['host', 'a']], row(12.5, undefined))
    const second = { ...first, values: [1, undefined, 'é'], at: AT + 1, tie: 7 }
    expect(encode(frameCodec, [first, second], HEADER).toString('hex')).toBe(frame().toString('hex'))
  })

  it('is read from these bytes', () => {
    expect(decodeFresh(frame())).toEqual({
      refusal: undefined,
      seen: [
        { series: 'cpu\0host\u0001a', fields: { idle: 12.5 }, at: AT, tie: 0 },
        { series: 'cpu\0host\u0001a', fields: { idle: 1, us: 'é' }, at: AT + 1, tie: 7 },
      ],
      refused: [],
      header: { ...HEADER, sampleCount: 2 },
    })
  })

  const malformed: Array<[string, Buffer, string]> = [
    ['another magic', frame({ beginning: '535346f4 01 00' }), 'frame_malformed'],
    ['another version', frame({ beginning: '535346f5 02 00' }), 'frame_version'],
    ['unknown flags', frame({ beginning: '535346f5 01 80' }), 'frame_malformed'],
    ['a run id beyond the end', frame({ counts: '0001 02000000 01000000' }), 'frame_truncated'],
    ['a run id that is too long', frame({ counts: '0101 02000000 01000000' }), 'frame_malformed'],
    ['a run id that is not UTF-8', frame({ runId: '7765622d30ff' }), 'frame_malformed'],
    ['4 billion samples', frame({ counts: '0600 ffffffff 01000000' }), 'too_large'],
    ['one sample too many', frame({ counts: '0600 03000000 01000000' }), 'frame_malformed'],
    ['one sample too few', frame({ counts: '0600 01000000 01000000' }), 'frame_malformed'],
    ['4 billion blocks', frame({ counts: '0600 02000000 ffffffff' }), 'frame_truncated'],
    ['no block', frame({ counts: '0600 02000000 00000000' }), 'frame_malformed'],
    ['a seq of 2^53', frame({ numbers: `0000000000002000 ${'00'.repeat(8)}` }), 'frame_malformed'],
    ['a time of sending before 1970', frame({ sentAt: 'ff'.repeat(8) }), 'frame_malformed'],
    ['a heldFrom of 2^53', frame({ standing: `0000000000002000 ${'00'.repeat(24)}` }), 'frame_malformed'],
    [
      'fewer than no samples before heldFrom',
      frame({ standing: `${'00'.repeat(8)} ${'ff'.repeat(8)} ${'00'.repeat(16)}` }),
      'frame_malformed',
    ],
    [
      'fewer than no messages withdrawn',
      frame({ standing: `${'00'.repeat(16)} ${'ff'.repeat(8)} ${'00'.repeat(8)}` }),
      'frame_malformed',
    ],
    ['fewer than no samples withdrawn', frame({ standing: `${'00'.repeat(24)} ${'ff'.repeat(8)}` }), 'frame_malformed'],
    ['4 billion bytes of names', frame({}, { lengths: 'ffffffff 02000000 01' }), 'frame_truncated'],
    ['4 billion rows', frame({}, { lengths: '22000000 ffffffff 01' }), 'frame_malformed'],
    ['no rows', frame({}, { lengths: '22000000 00000000 01' }), 'frame_malformed'],
    ['unknown flags of a block', frame({}, { lengths: '22000000 02000000 05' }), 'frame_malformed'],
    [
      'fields of the block before in the first',
      frame({}, { lengths: '10000000 02000000 03', fields: '' }),
      'frame_malformed',
    ],
    [
      'names behind the tags of such a block',
      twoBlocks('12000000', '0300 637075 0100 0400 686f7374 0100 62 0000'),
      'frame_malformed',
    ],
    ['half of a tag in such a block', twoBlocks('0f000000', '0300 637075 0100 0400 686f7374 0100'), 'frame_malformed'],
    ['names shorter than said', frame({}, { lengths: '23000000 02000000 01' }), 'frame_malformed'],
    ['names longer than said', frame({}, { lengths: '21000000 02000000 01' }), 'frame_malformed'],
    [
      'a measurement that is not UTF-8',
      frame({}, { series: '0300 6370ff 0100 0400 686f7374 0100 61' }),
      'frame_malformed',
    ],
    ['more tags than there are', frame({}, { series: '0300 637075 ffff 0400 686f7374 0100 61' }), 'frame_malformed'],
    [
      'a kind of field that there is not',
      frame({}, { fields: '0300 05 0400 69646c65 01 0100 6e 04 0200 7573' }),
      'frame_malformed',
    ],
    ['a field twice', frame({}, { fields: '0300 00 0400 69646c65 00 0100 6e 04 0100 6e20' }), 'frame_malformed'],
    ['a time beyond 2^53', frame({}, { times: '403aedf841440600 0000000000002000' }), 'frame_malformed'],
    ['a tie of 1000', frame({}, { ties: '0000 e803' }), 'frame_malformed'],
    ['an unknown presence', frame({}, { n: '03' }), 'frame_malformed'],
    ['bits of presence beyond the rows', frame({}, { us: '01 06 02000000 c3a9' }), 'frame_malformed'],
    ['a string beyond the end', frame({}, { us: '01 02 ffffffff c3a9' }), 'frame_truncated'],
    ['a string that is not UTF-8', frame({}, { us: '01 02 02000000 c3c3' }), 'frame_malformed'],
    ['strings that share a character', frame({}, { us: '00 01000000 01000000 c3a9' }), 'frame_malformed'],
    ['a byte behind its end', frame({}, {}, '00'), 'frame_malformed'],
  ]
  it.each(malformed)('with %s is refused as a whole', (_name, payload, reason) => {
    expect(decodeFresh(payload)).toMatchObject({ refusal: { reason }, seen: [] })
  })

  const unfit: Array<[string, Buffer, Array<[reason: string, series: string, idle: unknown]>]> = [
    [
      'a reserved tag',
      frame({}, { series: '0300 637075 0100 0400 74696d65 0100 61' }),
      [
        ['reserved_name', 'cpu\0time\u0001a', 12.5],
        ['reserved_name', 'cpu\0time\u0001a', 1],
      ],
    ],
    [
      'a reserved tag in a block with the fields of the block before',
      twoBlocks('10000000', '0300 637075 0100 0400 74696d65 0100 62'),
      [['reserved_name', 'cpu\0time\u0001b', 3]],
    ],
    [
      'an empty measurement',
      frame({}, { lengths: '1f000000 02000000 01', series: '0000 0100 0400 686f7374 0100 61' }),
      [
        ['bad_name', '\0host\u0001a', 12.5],
        ['bad_name', '\0host\u0001a', 1],
      ],
    ],
    [
      'a field named time, of which only one row has a value',
      frame({}, { fields: '0300 00 0400 69646c65 01 0100 6e 04 0400 74696d65', lengths: '24000000 02000000 01' }),
      [['reserved_name', 'cpu\0host\u0001a', 1]],
    ],
  ]
  it.each(unfit)('with %s is taken without the rows of that', (_name, payload, want) => {
    const { seen, refused, refusal, header } = decodeFresh(payload)
    expect(refused.map(({ reason, sample }) => [reason, sample.series, sample.fields.idle])).toEqual(want)
    expect([refusal, seen.length]).toEqual([undefined, header.sampleCount - want.length])
  })

  it('says in its header, where that could be read, what is refused', () => {
    expect(decodeFresh(frame({}, {}, '00')).header).toEqual({ ...HEADER, sampleCount: 2 })
    expect(decodeFresh(frame({ counts: '0600 ffffffff 01000000' })).header).toEqual(blankHeader())
  })

  it('can be sent later, with what is true then', () => {
    const payload = frame()
    const standing = { heldFrom: NOTHING_MORE, heldFirstSample: 42, withdrawnMessages: 7, withdrawnSamples: 99 }
    const later = frameCodec.restamp(payload, standing)
    expect(decodeFresh(later)).toEqual({ ...decodeFresh(payload), header: { ...HEADER, ...standing, sampleCount: 2 } })
    expect(payload).toEqual(frame())
  })

  it('says how far its run is, without samples too', () => {
    const payload = frameCodec.encoder().finish(HEADER)
    expect(decodeFresh(payload)).toEqual({
      ...{ refusal: undefined, seen: [], refused: [], header: { ...HEADER, sampleCount: 0 } },
    })
  })

  it('without a seq is not counted in its run', () => {
    expect(decodeFresh(encode(frameCodec, [], { ...HEADER, seq: -1 })).header).toMatchObject({
      run: 'web-01',
      seq: -1,
    })
    expect(decodeFresh(encode(frameCodec, [], { ...HEADER, run: '' })).header).toMatchObject({ run: '', seq: -1 })
  })

  it('carries what any source may say, and the border cleans it', () => {
    const tags: Tag[] = [['host', 'a\nb "c" 🚀\\'], ['empty', '']] // biome-ignore format: one line
    const { seen } = decodeFresh(encode(frameCodec, [sampleOf('m\t', tags, [['f\n', 'float', 1]])]))
    expect(seen).toMatchObject([{ series: 'm\\t\0host\u0001a\\nb "c" 🚀', fields: { 'f\\n': 1 } }])
  })

  it('leaves out NaN, the infinities and strings that are too long, and counts them', () => {
    const decoder = frameCodec.decoder(new SeriesTable())
    const nan = frame({}, { idle: '00 000000000000f87f 000000000000f0ff' })
    expect(decode(decoder, nan).seen.map((sample) => sample.fields)).toEqual([{}, { us: 'é' }])
    expect(decoder.cleaned).toBe(2)
    const long = frame({}, { us: `01 02 00000100 ${'61'.repeat(65_536)}` })
    expect(decode(decoder, long).seen.map((sample) => sample.fields)).toEqual([{ idle: 12.5 }, { idle: 1 }])
    expect(decoder.cleaned).toBe(3)
    const longest = frame({}, { us: `01 02 ffff0000 ${'61'.repeat(65_535)}` })
    expect(decode(decoder, longest).seen[1]?.fields).toMatchObject({ us: 'a'.repeat(65_535) })
  })
})

describe('a field that is known as another kind', () => {
  const cases: Array<[FieldKind, FieldKind, Slot, unknown]> = [
    ['float', 'int', 5, 5],
    ['float', 'int', -5, -5],
    ['float', 'uint', 2n ** 63n, 2 ** 63],
    ['float', 'int', 2n ** 53n + 1n, 'field_type'],
    ['int', 'uint', 2n ** 63n - 1n, 2n ** 63n - 1n],
    ['int', 'uint', 2n ** 63n, 'field_type'],
    ['uint', 'int', 5, 5],
    ['uint', 'int', -5, 'field_type'],
    ['int', 'float', 5, 'field_type'],
    ['string', 'int', 5, 'field_type'],
    ['float', 'bool', true, 'field_type'],
    ['bool', 'string', 'true', 'field_type'],
  ]
  it.each(cases)('%s: a value of %s, %s, gives %s', (known, kind, value, want) => {
    const table = new SeriesTable()
    const series = table.intern('m', [], 0)
    if (isRefusal(series)) throw new Error(series.detail)
    series.field('f', known)
    const { seen, refused } = decode(
      frameCodec.decoder(table),
      encode(frameCodec, [sampleOf('m', [], [['f', kind, value]])]),
    )
    expect(refused[0]?.reason ?? seen[0]?.fields.f).toBe(want)
  })

  it('costs the rows that have a value of it, whatever else is in the frame', () => {
    const NAMES = ['a', 'b', 'c']
    const kinds = fc.constantFrom<FieldKind>('float', 'int', 'uint', 'bool', 'string')
    const cell = kinds.chain((kind) => fc.record({ kind: fc.constant(kind), value: fc.option(arbitraryValue[kind]) }))
    const row = fc.record({ series: fc.nat(2), cells: fc.tuple(cell, cell, cell) })
    const knownKinds = fc.array(fc.tuple(kinds, kinds, kinds), { minLength: 3, maxLength: 3 })
    const check = (
      known: FieldKind[][],
      rows: Array<{ series: number; cells: Array<{ kind: FieldKind; value: Slot | null }> }>,
    ) => {
      const table = new SeriesTable()
      for (const [i, fields] of known.entries()) {
        const series = table.intern(`m${i}`, [], 0)
        if (isRefusal(series)) throw new Error(series.detail)
        for (const [f, kind] of fields.entries()) series.field(NAMES[f]!, kind)
      }
      const samples = rows.map(({ series, cells }, i) =>
        sampleOf(
          `m${series}`,
          [],
          cells.map(({ kind, value }, f) => [NAMES[f]!, kind, value ?? undefined]),
          AT + i,
        ),
      )
      const written = samples.filter((sample) => sample.values.some(hasValue))
      const fits = ({ series, values }: Sample): boolean =>
        values.every((value, f) => {
          const [kind, target] = [series.fieldKinds[f]!, known[Number(series.measurement[1])]![f]!]
          if (!hasValue(value) || kind === target) return true
          return (kind === 'int' || kind === 'uint') && integerFitsKind(value as number | bigint, target)
        })
      const { seen, refused, refusal } = decode(frameCodec.decoder(table), encode(frameCodec, written))
      expect(refusal).toBeUndefined()
      const times = (all: ReadonlyArray<{ at: number }>): number[] => all.map(({ at }) => at).sort((a, b) => a - b)
      expect(times(seen)).toEqual(times(written.filter(fits)))
      const inOrder = (all: readonly Seen[]): Seen[] => all.toSorted((a, b) => a.at - b.at)
      expect(inOrder(refused.map(({ sample }) => sample))).toEqual(written.filter((one) => !fits(one)).map(see))
      for (const { sample } of refused) expect(sample.series).toMatch(/^m\d$/)
    }
    fc.assert(fc.property(knownKinds, fc.array(row, { minLength: 1, maxLength: 8 }), check), { numRuns: 300 })
  })

  it('is told of as line protocol can write it, whatever the names', () => {
    const decoder = frameCodec.decoder(new SeriesTable())
    const check = (measurement: string, tags: Tag[], name: string): void => {
      const payload = encode(frameCodec, [sampleOf(measurement, tags, [[name, 'float', 1]])])
      decoder.decode(payload, { receivedAt: AT, tie: 0 }, () => {})
      for (const { sample } of decoder.refusedParts as RefusedSample[]) expect(encodeLineText(sample)).not.toBe('')
    }
    const name = fc.oneof(
      fc.constantFrom('time', '', '#', '\n'.repeat(65_000), 'é'.repeat(32_000)),
      fc.string({ unit: 'binary' }),
    )
    fc.assert(fc.property(name, fc.array(fc.tuple(name, name), { maxLength: 3 }), name, check), { numRuns: 50 })
  })
})

describe('FrameEncoder', () => {
  it('is full at 65,536 samples', () => {
    const encoder = frameCodec.encoder()
    const sample = sampleOf('m', [], [['f', 'float', 1]])
    while (encoder.add(sample));
    expect([encoder.count, frameCodec.maxSamples]).toEqual([65_536, 65_536])
    expect(decodeFresh(encoder.finish(HEADER)).header.sampleCount).toBe(65_536)
  })

  it('never exceeds 8 MiB, and takes any one sample', () => {
    const encoder = frameCodec.encoder()
    const fields = Array.from({ length: 512 }, (_, i): Field => [`f${i}`, 'string', '€'.repeat(21_000)])
    const sample = sampleOf('m', [], fields)
    while (encoder.add(sample));
    expect(encoder.count).toBe(2)
    const message = encoder.finish(HEADER)
    expect(message.length).toBeLessThanOrEqual(8 * 1024 * 1024)
    expect(Object.keys(decodeFresh(message).seen[0]!.fields)).toHaveLength(66)
  })

  it('gives the rows so far an empty place in a field that comes later', () => {
    const encoder = frameCodec.encoder()
    const early = sampleOf('m', [], [['a', 'float', 1]])
    encoder.add(early)
    early.series.field('b', 'int')
    encoder.add({ ...early, values: [undefined, 2] })
    expect(decodeFresh(encoder.finish(HEADER)).seen.map((sample) => sample.fields)).toEqual([{ a: 1 }, { b: 2 }])
    encoder.add(early)
    expect(decodeFresh(encoder.finish(HEADER)).seen.map((sample) => sample.fields)).toEqual([{ a: 1 }])
  })

  it('leaves out what is not of its field’s kind', () => {
    const fields: Field[] = [
      ['float', 'float', 1n],
      ['fraction', 'int', 1.5],
      ['large', 'int', 2n ** 63n],
      ['negative', 'uint', -1],
      ['text', 'bool', 'true'],
      ['number', 'string', 1],
      ['good', 'int', 2 ** 60],
    ]
    const { seen } = decodeFresh(encode(frameCodec, [sampleOf('m', [], fields)]))
    expect(seen[0]?.fields).toEqual({ good: 2n ** 60n })
  })

  it('refuses to write a run id that no decoder takes', () => {
    expect(() => frameCodec.encoder().finish({ ...HEADER, run: 'a'.repeat(257) })).toThrow(RangeError)
  })
})
