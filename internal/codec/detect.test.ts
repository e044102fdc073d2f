import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { arbitrarySample } from '../../test/support/arbitrary-samples.ts'
import { SeriesTable } from '../sample/series.ts'
import { decode, encode } from './codec.contract.ts'
import { blankHeader } from './codec.ts'
import { detectFormat, MessageDecoder } from './detect.ts'
import { frameCodec } from './frame.ts'

const SAMPLE = fc.sample(arbitrarySample(), { numRuns: 1, seed: 5 })[0]!
const FRAME = encode(frameCodec, [SAMPLE])
const JSON_TEXT = '{"cpu_usage":12.5,"mem_usage":63.1,"send_time_unix_nano":1763900000123456789}'
const JSON_OF_32 = '{"cpu_usage":1.25,"mem_usage":2}'

/** A Packed message whose seconds begin with this byte, and whose send time ends with that one. */
function packed(first: number, last = 0x18): Buffer {
  const message = Buffer.alloc(32, 1)
  message.writeDoubleLE(12.5, 8)
  message.writeDoubleLE(63.1, 16)
  message[0] = first
  message[31] = last
  return message
}

function patched(payload: Buffer, at: number, byte: number): Buffer {
  const copy = Buffer.from(payload)
  copy[at] = byte
  return copy
}

describe('MessageDecoder', () => {
  const taken: Array<[string, Buffer, string]> = [
    ['a frame', FRAME, 'frame'],
    ['a frame without samples', encode(frameCodec, []), 'frame'],
    ['JSON', Buffer.from(JSON_TEXT), 'json'],
    ['32 bytes of JSON', Buffer.from(JSON_OF_32), 'json'],
    ['33 bytes of JSON', Buffer.from(`${JSON_OF_32}\n`), 'json'],
    ['Packed', packed(0x20), 'packed'],
    ['Packed that begins with a brace', packed(0x7b), 'packed'],
    ['readings of GPUs', Buffer.from('[{"metric":"DCGM_FI_DEV_GPU_UTIL","uuid":"GPU-1","value":57}]'), 'gpu-rows'],
    ['Packed that begins with a bracket', packed(0x5b, 0x5d), 'packed'],
    ['Packed that ends with a brace', packed(0x20, 0x7d), 'packed'],
  ]
  it.each(taken)('%s', (_name, payload, format) => {
    expect(detectFormat(payload)).toBe(format)
    expect(decode(new MessageDecoder(new SeriesTable()), payload).refusal).toBeUndefined()
  })

  const refused: Array<[string, Buffer, string]> = [
    ['nothing', Buffer.alloc(0), 'not_a_message'],
    ['text', Buffer.from('hello'), 'not_a_message'],
    ['31 bytes', packed(0x20).subarray(0, 31), 'not_a_message'],
    ['33 bytes', Buffer.alloc(33, 1), 'not_a_message'],
    ['white space before JSON', Buffer.from(` ${JSON_TEXT}`), 'not_a_message'],
    ['a list that is not closed', Buffer.from('[{"metric":"DCGM_FI_DEV_GPU_UTIL","uuid":"GPU-1"'), 'json_syntax'],
    ['an empty list', Buffer.from('[]'), 'json_shape'],
    ['broken JSON', Buffer.from(JSON_TEXT.slice(0, -1)), 'json_syntax'],
    ['JSON of the wrong shape', Buffer.from('{"level":"info","msg":"hello"}'), 'json_shape'],
    ['1 MB of JSON', Buffer.from(`{"cpu_usage":1,"pad":"${'x'.repeat(1_000_000)}"}`), 'too_large'],
    ['a frame of another version', patched(FRAME, 4, 2), 'frame_version'],
    ['a frame that is cut off', FRAME.subarray(0, FRAME.length - 1), 'frame_truncated'],
    ['a frame cut off at 32 bytes', FRAME.subarray(0, 32), 'frame_truncated'],
    ['a frame that claims 4 billion samples', patched(FRAME, 11, 0xff), 'too_large'],
    ['a frame of 9 MB', Buffer.concat([FRAME, Buffer.alloc(9_000_000)]), 'too_large'],
    ['32 bytes that begin and end with braces', packed(0x7b, 0x7d), 'json_syntax'],
  ]
  const decoder = new MessageDecoder(new SeriesTable())
  it.each(refused)('refuses %s, and reads the next message', (_name, payload, reason) => {
    expect(decode(decoder, payload)).toMatchObject({ refusal: { reason }, seen: [] })
    expect(decode(decoder, Buffer.from(JSON_TEXT)).seen).toMatchObject([{ fields: { cpu: 12.5, mem: 63.1 } }])
    expect(decode(decoder, packed(0x20)).seen).toMatchObject([{ fields: { cpu: 12.5, mem: 63.1 } }])
    expect(decode(decoder, FRAME)).toMatchObject({ refusal: undefined, header: { sampleCount: 1 } })
  })

  it('leaves nothing of one message in the header of the next', () => {
    const one = new MessageDecoder(new SeriesTable())
    const { header } = one
    decode(
      one,
      encode(frameCodec, [SAMPLE], { ...blankHeader(), run: 'a', seq: 3, firstSample: 5, heldFrom: 2, sentAt: 9 }),
    )
    expect(header).toEqual({
      ...blankHeader(),
      ...{ run: 'a', seq: 3, firstSample: 5, heldFrom: 2, sentAt: 9, sampleCount: 1 },
    })
    for (const payload of [Buffer.from('hello'), Buffer.alloc(9_000_000), Buffer.alloc(32)]) {
      expect(decode(one, payload).header).toEqual({ ...blankHeader(), sampleCount: payload.length === 32 ? 1 : 0 })
      expect(one.header).toBe(header)
    }
  })

  it('has a bound that can be set', () => {
    const small = new MessageDecoder(new SeriesTable(), { maxMessageBytes: 40 })
    expect(decode(small, Buffer.from(JSON_TEXT)).refusal?.reason).toBe('too_large')
    expect(decode(small, Buffer.from(JSON_OF_32)).refusal).toBeUndefined()
  })

  it('adds up what all formats left out', () => {
    const one = new MessageDecoder(new SeriesTable())
    const infinite = packed(0x20)
    infinite.writeDoubleLE(Infinity, 8)
    decode(one, infinite)
    decode(one, Buffer.from('{"cpu_usage":1e999,"mem_usage":2}'))
    expect(one.cleaned).toBe(2)
  })

  it('never throws, for any bytes', () => {
    const beginning = fc.constantFrom(
      Buffer.alloc(0),
      FRAME.subarray(0, 5),
      FRAME.subarray(0, 48),
      Buffer.from('{"cpu_usage":'),
    )
    const noise = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ minLength: 32, maxLength: 32 }))
    const check = (first: Buffer, rest: Uint8Array): void => {
      const { seen, refusal, header } = decode(decoder, Buffer.concat([first, rest]))
      expect(seen).toHaveLength(refusal === undefined ? header.sampleCount : 0)
    }
    fc.assert(fc.property(beginning, noise, check), { numRuns: 2000 })
  })
})
