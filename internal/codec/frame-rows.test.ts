import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isRefusal, MAX_STRING_BYTES } from '../sample/border.ts'
import { SeriesTable } from '../sample/series.ts'
import { writeNames } from '../sample/series-names.ts'
import { Shape } from '../sample/shape.ts'
import type { FieldKind } from '../sample/value.ts'
import { bySeries, type Decoded, decode } from './codec.contract.ts'
import { blankHeader, type MessageHeader } from './codec.ts'
import { frameCodec } from './frame.ts'
import { MAX_FRAME_BYTES, MAX_FRAME_SAMPLES } from './frame-layout.ts'
import { FrameRowEncoder } from './frame-rows.ts'

const AT = 1_763_900_000_000_000
const HEADER: MessageHeader = { ...blankHeader(), run: 'h/agent/1', seq: 3, firstSample: 40, sentAt: AT }

type Value = number | bigint | string | undefined

interface Row {
  readonly id: string
  readonly at: number
  readonly values: readonly Value[]
}

function shapeOf(kinds: readonly FieldKind[]): Shape {
  return kinds.reduce((shape, kind, i) => {
    const wider = shape.with(`f${i}`, kind)
    if (isRefusal(wider)) throw new Error(wider.detail)
    return wider
  }, new Shape('switch'))
}

/** @returns false where the frame is full */
function add(encoder: FrameRowEncoder, shape: Shape, { id, at, values }: Row): boolean {
  const names = writeNames('switch', [['switch', id]])
  const texts = values.map((value) => Buffer.from(typeof value === 'string' ? value : ''))
  // The bytes lie anywhere in a larger buffer, as the names of known rows do.
  const around = Buffer.concat([Buffer.from('xyz'), names, Buffer.from('xyz')])
  const textBytes = texts.reduce((sum, text) => sum + text.length, 0)
  if (!encoder.begin(around, 3, 3 + names.length, shape, at, textBytes)) return false
  for (const [i, value] of values.entries()) {
    if (value === undefined) encoder.none()
    else if (shape.fieldKinds[i] === 'int') {
      const bits = BigInt.asUintN(64, BigInt(value))
      encoder.int(Number(bits & 0xffff_ffffn) | 0, Number(bits >> 32n) | 0)
    } else if (shape.fieldKinds[i] === 'float') encoder.float(Number(value))
    else encoder.text(texts[i]!, 0, texts[i]!.length)
  }
  encoder.end()
  return true
}

function seenOf({ id, at, values }: Row): Decoded['seen'][number] {
  const fields = values.flatMap((value, i) => (value === undefined ? [] : [[`f${i}`, value] as const]))
  return { series: `switch\0switch\u0001${id}`, fields: Object.fromEntries(fields), at, tie: 0 }
}

function decodeAll(frames: readonly Buffer[]): Decoded[] {
  const decoder = frameCodec.decoder(new SeriesTable())
  return frames.map((frame) => decode(decoder, frame))
}

const VALUES: Record<'int' | 'float' | 'string', fc.Arbitrary<Value>> = {
  int: fc.oneof<fc.Arbitrary<Value>[]>(
    fc.maxSafeInteger().map((value) => (value === 0 ? 0 : value)),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
    fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
  ),
  float: fc.double({ noNaN: true, noDefaultInfinity: true }),
  string: fc.string({ unit: 'grapheme', maxLength: 20 }),
}
const table = fc
  .array(fc.constantFrom<'int' | 'float' | 'string'>('int', 'float', 'string'), { minLength: 1, maxLength: 6 })
  .chain((kinds) =>
    fc.record({
      kinds: fc.constant(kinds),
      rows: fc.uniqueArray(
        fc.record({
          id: fc.string({ unit: fc.constantFrom(...'abé_0'), minLength: 1, maxLength: 10 }),
          at: fc.integer({ min: AT, max: AT + 1e12 }),
          values: fc.tuple(...kinds.map((kind) => fc.option(VALUES[kind], { nil: undefined }))),
        }),
        { selector: ({ id }) => id, maxLength: 20 },
      ),
    }),
  )

describe('the names of fields', () => {
  const wide = shapeOf(Array.from({ length: 30 }, () => 'float'))
  const row = (id: string): Row => ({ id, at: AT, values: wide.fieldNames.map(() => 1) })

  it('stand in a frame once for all rows of one shape', () => {
    const encoder = new FrameRowEncoder()
    for (let n = 0; n < 10; n++) add(encoder, wide, row(`sw${n}`))
    const frame = encoder.finish(HEADER)
    expect(frame.toString('latin1').split('f29').length - 1).toBe(1)
    expect(decodeAll([frame])[0]!.seen).toEqual(Array.from({ length: 10 }, (_, n) => seenOf(row(`sw${n}`))))
  })

  it('stand there again after another shape, after a row that had them and no value, and in the next frame', () => {
    const encoder = new FrameRowEncoder()
    const narrow = shapeOf(['float'])
    const rows: Array<readonly [Shape, Row]> = [
      [wide, { id: 'none', at: AT, values: wide.fieldNames.map(() => undefined) }],
      [wide, row('a')],
      [narrow, { id: 'n', at: AT, values: [undefined] }],
      [wide, row('b')],
      [narrow, { id: 'n', at: AT, values: [2] }],
      [wide, row('c')],
    ]
    const frames = [0, 1].map(() => {
      for (const [shape, one] of rows) add(encoder, shape, one)
      return encoder.finish(HEADER)
    })
    const seen = [1, 3, 4, 5].map((i) => seenOf(rows[i]![1]))
    expect(decodeAll(frames).map((decoded) => decoded.seen)).toEqual([seen, seen])
    expect(frames.map((frame) => frame.toString('latin1').split('f29').length - 1)).toEqual([2, 2])
  })
})

describe('FrameRowEncoder', () => {
  it('makes frames from which the usual decoder reads exactly the rows, one after the other', () => {
    const encoder = new FrameRowEncoder()
    fc.assert(
      fc.property(fc.array(table, { minLength: 1, maxLength: 3 }), (tables) => {
        const rows = tables.map(({ rows: of }) =>
          of.filter(({ values }) => values.some((value) => value !== undefined)),
        )
        const frames = tables.map(({ kinds, rows: of }) => {
          const shape = shapeOf(kinds)
          for (const row of of) expect(add(encoder, shape, row)).toBe(true)
          return encoder.finish(HEADER)
        })
        for (const [i, frame] of frames.entries()) {
          const { seen, refusal, header } = decode(frameCodec.decoder(new SeriesTable()), frame)
          expect(refusal).toBeUndefined()
          expect(bySeries(seen)).toEqual(bySeries(rows[i]!.map(seenOf)))
          expect(header).toEqual({ ...HEADER, sampleCount: rows[i]!.length })
        }
      }),
      { numRuns: 300 },
    )
  })

  it('is full at the size of a frame: no row is lost between two, and each may be sent on', () => {
    const encoder = new FrameRowEncoder()
    const shape = shapeOf(['int', 'float', 'string'])
    const rows = Array.from({ length: 30_000 }, (_, i) => ({ id: `sw${i}`, at: AT + i, values: [i, i / 3, `t${i}`] }))
    const frames: Buffer[] = []
    for (const row of rows) {
      if (add(encoder, shape, row)) continue
      frames.push(encoder.finish(HEADER))
      expect(add(encoder, shape, row)).toBe(true)
    }
    frames.push(encoder.finish(HEADER))
    const decoded = decodeAll(frames)
    expect(frames.length).toBeGreaterThan(1)
    for (const frame of frames) expect(frame.length).toBeLessThanOrEqual(2 ** 20)
    expect(decoded.flatMap(({ seen }) => seen)).toEqual(rows.map(seenOf))
  })

  it('is full at the most samples of a frame', () => {
    const encoder = new FrameRowEncoder()
    const [shape, names] = [shapeOf(['float']), writeNames('switch', [])]
    // Rows of 40 bytes find no end of the samples in a frame of the usual size: room for texts makes this one larger.
    const roomBytes = 4_000_000
    let added = 0
    for (; encoder.begin(names, 0, names.length, shape, AT, added === 0 ? roomBytes : 0); added++) {
      encoder.float(added)
      encoder.end()
    }
    expect([added, encoder.count]).toEqual([MAX_FRAME_SAMPLES, MAX_FRAME_SAMPLES])
    const { refusal, header } = decodeAll([encoder.finish(HEADER)])[0]!
    expect([refusal, header.sampleCount]).toEqual([undefined, MAX_FRAME_SAMPLES])
  })

  it('leaves out a text that no store takes, and the texts that no frame has room for', () => {
    const encoder = new FrameRowEncoder()
    const kinds: FieldKind[] = ['int', ...Array<FieldKind>(200).fill('string')]
    const shape = shapeOf(kinds)
    const longest = 'x'.repeat(MAX_STRING_BYTES)
    const rows: Row[] = [
      { id: 'small', at: AT, values: [1, 'a', `${longest}x`, 'b', ...Array<Value>(197)] },
      { id: 'large', at: AT, values: [2, ...Array<Value>(200).fill(longest)] },
      { id: 'behind', at: AT, values: [3, 'c', ...Array<Value>(199)] },
    ]
    const frames: Buffer[] = []
    for (const row of rows) {
      if (add(encoder, shape, row)) continue
      frames.push(encoder.finish(HEADER))
      expect(add(encoder, shape, row)).toBe(true)
    }
    frames.push(encoder.finish(HEADER))
    const seen = decodeAll(frames).flatMap((one) => one.seen)
    expect(decodeAll(frames).map(({ refusal }) => refusal)).toEqual(frames.map(() => undefined))
    expect(seen.map(({ series }) => series.split('\u0001')[1])).toEqual(['small', 'large', 'behind'])
    expect(seen[0]!.fields).toEqual({ f0: 1, f1: 'a', f3: 'b' })
    const kept = Object.keys(seen[1]!.fields).length - 1
    expect([seen[1]!.fields.f0, seen[1]!.fields.f1, kept]).toEqual([2, longest, Math.floor(MAX_FRAME_BYTES / 2 / MAX_STRING_BYTES)]) // biome-ignore format: one line
    expect(seen[2]!.fields).toEqual({ f0: 3, f1: 'c' })
    for (const frame of frames) expect(frame.length).toBeLessThanOrEqual(MAX_FRAME_BYTES)
  })

  it('makes no sample of a row without a value, and a frame without rows', () => {
    const encoder = new FrameRowEncoder()
    const shape = shapeOf(['int', 'float', 'string'])
    add(encoder, shape, { id: 'a', at: AT, values: [undefined, undefined, undefined] })
    expect(encoder.count).toBe(0)
    expect(decodeAll([encoder.finish(HEADER)])[0]).toEqual({
      ...{ seen: [], refused: [], refusal: undefined, header: { ...HEADER, sampleCount: 0 } },
    })
    add(encoder, shape, { id: 'a', at: AT, values: [undefined, undefined, undefined] })
    add(encoder, shape, { id: 'b', at: AT, values: [1, undefined, undefined] })
    expect(decodeAll([encoder.finish(HEADER)])[0]!.seen).toEqual([seenOf({ id: 'b', at: AT, values: [1] })])
  })

  it('gives each frame bytes of its own, and of a small one no large buffer', () => {
    const encoder = new FrameRowEncoder()
    const shape = shapeOf(['string'])
    const frames = ['a', 'b'].map((text) => {
      add(encoder, shape, { id: text, at: AT, values: [text.repeat(10_000)] })
      return encoder.finish(HEADER)
    })
    expect(decodeAll(frames).map(({ seen }) => seen[0]!.fields.f0)).toEqual(['a'.repeat(10_000), 'b'.repeat(10_000)])
    for (const { buffer, length } of frames) expect(buffer.byteLength).toBeLessThan(2 * length)
  })
})
