import { bench, describe } from 'vitest'
import { counted } from '../../test/support/counted.ts'
import { isRefusal } from '../sample/border.ts'
import type { Sample } from '../sample/sample.ts'
import { SeriesTable } from '../sample/series.ts'
import { blankHeader, type Codec } from './codec.ts'
import { MessageDecoder } from './detect.ts'
import { frameCodec } from './frame.ts'
import { jsonCodec } from './json.ts'
import { packedCodec } from './packed.ts'

const SAMPLES = 10_000
const AT = 1_763_900_000_123_456

/** Samples of many hosts in turn, two floats of two decimals each. */
function samplesOf(hosts: number): Sample[] {
  const table = new SeriesTable()
  return Array.from({ length: SAMPLES }, (_, n) => {
    const series = table.intern('system_stats', [['host', `web-${n % hosts}`]], 0)
    if (isRefusal(series)) throw new Error(series.detail)
    series.field('cpu', 'float')
    series.field('mem', 'float')
    return { series, values: [((n * 37) % 10_000) / 100, ((n * 91) % 10_000) / 100], at: AT + n * 7, tie: 0 }
  })
}

/** @returns messages that carry all of the samples */
function encodeAll(codec: Codec, samples: readonly Sample[], perMessage: number): Buffer[] {
  const encoder = codec.encoder()
  const header = { ...blankHeader(), run: 'web-01/agent/5f3a', seq: 0 }
  const messages: Buffer[] = []
  for (const sample of samples) {
    encoder.add(sample)
    if (encoder.count < perMessage) continue
    messages.push(encoder.finish(header))
    header.seq++
  }
  return messages
}

const arrival = { receivedAt: AT, tie: 0 }

/** @returns how many samples came out */
function decodeAll(decoder: MessageDecoder, messages: readonly Buffer[]): number {
  let samples = 0
  const count = (): void => {
    samples++
  }
  for (const message of messages) {
    const refusal = decoder.decode(message, arrival, count)
    if (refusal !== undefined) throw new Error(refusal.detail)
  }
  return samples
}

const shapes: Array<[string, Codec, number, number]> = [
  ['packed', packedCodec, 1, 200],
  ['json', jsonCodec, 1, 200],
  ['frames of 100 samples of one series', frameCodec, 100, 1],
  ['frames of 100 samples of 100 series', frameCodec, 100, 100],
  ['frames of 5,000 samples of 5,000 series', frameCodec, 5000, 5000],
]

describe('decode', () => {
  for (const [name, codec, perMessage, hosts] of shapes) {
    const messages = encodeAll(codec, samplesOf(hosts), perMessage)
    const decoder = new MessageDecoder(new SeriesTable())
    bench(
      name,
      counted(SAMPLES, 'sample', () => decodeAll(decoder, messages)),
    )
  }
  const texts = encodeAll(jsonCodec, samplesOf(200), 1)
  bench('json by JSON.parse alone', () => {
    for (const text of texts) JSON.parse(text.toString())
  })
})

describe('encode', () => {
  for (const [name, codec, perMessage, hosts] of shapes) {
    const samples = samplesOf(hosts)
    bench(
      name,
      counted(SAMPLES, 'sample', () => encodeAll(codec, samples, perMessage).length * perMessage),
    )
  }
})
