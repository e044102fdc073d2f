import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { packedSeries, packSnappy, type TestSeries } from '../../../test/support/remote-write.ts'
import { readRemoteWrite } from './remote-write.ts'
import { unpackSnappy } from './snappy.ts'

const STALE = Buffer.from([2, 0, 0, 0, 0, 0, 0xf0, 0x7f]).readDoubleLE(0)

function read(body: Buffer, version: '1.0' | '2.0'): { series: TestSeries[]; leftOut: number } {
  const series: TestSeries[] = []
  const leftOut = readRemoteWrite(body, version, ({ labels, values, timesMs, histograms, exemplars }) =>
    series.push({
      labels: labels.map((label) => [...label]),
      samples: values.map((value, i) => [value, timesMs[i]!]),
      histograms,
      exemplars,
    }),
  )
  return { series, leftOut }
}

const text = fc.string({ unit: 'binary', maxLength: 12 })
const series = fc.record({
  labels: fc.array(fc.tuple(text, text), { maxLength: 5 }),
  samples: fc.array(
    fc.tuple(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer({ min: -1e12, max: 4e12 })),
    {
      maxLength: 4,
    },
  ),
  histograms: fc.nat(2),
  exemplars: fc.nat(2),
})

describe('readRemoteWrite', () => {
  it.each(['1.0', '2.0'] as const)('reads what was written, version %s', (version) => {
    fc.assert(
      fc.property(fc.array(series, { maxLength: 5 }), (written) => {
        expect(read(packedSeries(written, version), version)).toEqual({ series: written, leftOut: 0 })
      }),
    )
  })

  it.each([STALE, Number.NaN, Infinity, -Infinity])('leaves out %s', (value) => {
    const one: TestSeries = {
      labels: [['__name__', 'm']],
      samples: [
        [value, 1],
        [1.5, 2],
      ],
      histograms: 0,
      exemplars: 0,
    }
    for (const version of ['1.0', '2.0'] as const) {
      const found = read(packedSeries([one], version), version)
      expect([found.series[0]?.samples, found.leftOut]).toEqual([[[1.5, 2]], 1])
    }
  })

  it.each(['1.0', '2.0'] as const)(
    'refuses any other bytes with a RangeError, and never anything else: %s',
    (version) => {
      const damaged = fc
        .tuple(fc.array(series, { minLength: 1, maxLength: 3 }), fc.nat(), fc.nat(255))
        .map(([some, at, byte]) => {
          const bytes = packedSeries(some, version)
          if (bytes.length > 0) bytes[at % bytes.length] = byte
          return bytes
        })
      fc.assert(
        fc.property(
          fc.oneof(
            damaged,
            fc.uint8Array().map((bytes) => Buffer.from(bytes)),
          ),
          (bytes) => {
            try {
              read(bytes, version)
            } catch (error) {
              expect(error).toBeInstanceOf(RangeError)
            }
          },
        ),
        { numRuns: 500 },
      )
    },
  )

  it('refuses a symbol that is not there, and a label without a value', () => {
    // A series with one reference, to a symbol that the request does not have.
    expect(() => read(Buffer.from([0x22, 0, 0x2a, 4, 0x0a, 2, 0, 9]), '2.0')).toThrow('there is no symbol 9')
    expect(() => read(Buffer.from([0x22, 0, 0x2a, 3, 0x0a, 1, 0]), '2.0')).toThrow('a label without a value')
  })
})

describe('unpackSnappy', () => {
  it('unpacks what was packed, with literals of any length and copies that overlap', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constant('abcd'), fc.constant('aaaaaaaaaaaaaaaaaaaaaaaa'), fc.string()), {
          maxLength: 60,
        }),
        (parts) => {
          const bytes = Buffer.from(parts.join(''))
          expect(unpackSnappy(packSnappy(bytes), bytes.length).equals(bytes)).toBe(true)
        },
      ),
    )
    const long = Buffer.alloc(200_000, 'x1')
    expect(unpackSnappy(packSnappy(long), 1e6).equals(long)).toBe(true)
  })

  it('unpacks a block as the description of the format has it', () => {
    // A literal of 5, then a copy of 6 from 5 before, which overlaps.
    expect(unpackSnappy(Buffer.from('0b1068656c6c6f0905', 'hex'), 100).toString()).toBe('hellohelloh')
  })

  it.each<[string, string]>([
    ['no length', ''],
    ['a length that goes on', 'ffffffffff'],
    ['a literal that is cut off', '0510686565'],
    ['a copy from before the beginning', '05' + '0068' + '0105'],
    ['more than it says', '02' + '1068656c6c6f'],
    ['less than it says', '0a' + '1068656c6c6f'],
  ])('refuses %s', (_what, hex) => {
    expect(() => unpackSnappy(Buffer.from(hex, 'hex'), 100)).toThrow(RangeError)
  })

  it('refuses what unpacks to more than it may, before it unpacks it', () => {
    expect(() => unpackSnappy(Buffer.from('ffffffff07' + '00', 'hex'), 1000)).toThrow(
      'it unpacks to 2147483647 bytes, at most 1000',
    )
  })

  it('refuses any bytes with a RangeError, and never anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          expect(unpackSnappy(Buffer.from(bytes), 10_000).length).toBeLessThanOrEqual(10_000)
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})
