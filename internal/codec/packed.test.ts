import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { arbitraryStats } from '../../test/support/stats-samples.ts'
import { SeriesTable } from '../sample/series.ts'
import { ARRIVAL, codecContract, decode } from './codec.contract.ts'
import { blankHeader } from './codec.ts'
import { packedCodec } from './packed.ts'

codecContract({
  codec: packedCodec,
  samples: arbitraryStats({ host: fc.constant(''), tie: ARRIVAL.tie }),
  seen: blankHeader,
})

function packed(cpu: number, mem: number, sentNs: bigint): Buffer {
  const message = Buffer.alloc(32)
  message.writeBigInt64LE(1_763_900_000n, 0)
  message.writeDoubleLE(cpu, 8)
  message.writeDoubleLE(mem, 16)
  message.writeBigInt64LE(sentNs, 24)
  return message
}

describe('a Packed message', () => {
  it('becomes a sample of system_stats without tags', () => {
    const at = 1_763_900_000_123_456
    expect(decode(packedCodec.decoder(new SeriesTable()), packed(12.5, 63.1, 1_763_900_000_123_456_789n))).toEqual({
      refusal: undefined,
      refused: [],
      seen: [{ series: 'system_stats', fields: { cpu: 12.5, mem: 63.1 }, at, tie: 7 }],
      header: { ...blankHeader(), sentAt: at, sampleCount: 1 },
    })
  })

  it('divides the send time exactly', () => {
    const decoder = packedCodec.decoder(new SeriesTable())
    const check = (sentNs: bigint): void => {
      expect(decode(decoder, packed(1, 2, sentNs)).header.sentAt).toBe(Number(sentNs / 1000n))
    }
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: 2n ** 53n * 1000n - 1n }), check), { numRuns: 5000 })
  })

  it.each([0n, 999n, -1n, -1_763_900_000_123_456_789n])('sent at %s ns has the time of its arrival', (sentNs) => {
    const { seen, header } = decode(packedCodec.decoder(new SeriesTable()), packed(1, 2, sentNs))
    expect([seen[0]?.at, header.sentAt]).toEqual([ARRIVAL.receivedAt, 0])
  })

  it('leaves out NaN and the infinities, and is refused when nothing is left', () => {
    const decoder = packedCodec.decoder(new SeriesTable())
    expect(decode(decoder, packed(Number.NaN, 2, 1n)).seen[0]?.fields).toEqual({ mem: 2 })
    expect(decode(decoder, packed(1, -Infinity, 1n)).seen[0]?.fields).toEqual({ cpu: 1 })
    expect(decode(decoder, packed(Number.NaN, Infinity, 1n))).toMatchObject({
      refusal: { reason: 'no_fields' },
      seen: [],
    })
    expect(decoder.cleaned).toBe(2)
  })

  it.each([0, 31, 33])('of %d bytes is refused', (length) => {
    expect(decode(packedCodec.decoder(new SeriesTable()), Buffer.alloc(length)).refusal?.reason).toBe('packed_size')
  })
})
