import { strict as assert } from 'node:assert'
import { blankHeader, type Codec, type Decoder } from '../../internal/codec/codec.ts'
import { MessageDecoder } from '../../internal/codec/detect.ts'
import { frameCodec } from '../../internal/codec/frame.ts'
import { GpuRowsDecoder } from '../../internal/codec/gpu-rows.ts'
import { jsonCodec } from '../../internal/codec/json.ts'
import { packedCodec } from '../../internal/codec/packed.ts'
import { isRefusal, REJECT_REASONS } from '../../internal/sample/border.ts'
import type { Sample } from '../../internal/sample/sample.ts'
import { type Series, SeriesTable } from '../../internal/sample/series.ts'
import type { FieldKind, Slot, Tag } from '../../internal/sample/value.ts'
import type { Random } from '../support/random.ts'
import { mutate, mutateText } from './mutate.ts'
import type { Target } from './target.ts'

const NOW_US = 1_763_900_000_654_321
/** Small, so that the table is full now and then, and idle series make room in it. */
const MAX_SERIES = 2000
const RANDOM_BYTES = 300
/**
 * The nanoseconds of a Packed message reach to the year 2262, a little beyond the exact µs of a double. The time window
 * of the server refuses such times.
 */
const MAX_TIME_US = 2 ** 63 / 1000

/** Messages of one format, for its own decoder or for the one that detects formats. */
class DecoderTarget implements Target {
  readonly name: string
  readonly #decoder: Decoder
  readonly #good: readonly Buffer[]
  readonly #make: (random: Random) => Buffer
  readonly #expected: string
  #nowUs = NOW_US

  constructor(name: string, decoder: Decoder, good: readonly Buffer[], make: (random: Random) => Buffer) {
    this.name = name
    this.#decoder = decoder
    this.#good = good
    this.#make = make
    this.#expected = this.#readGood()
  }

  make(random: Random): Buffer {
    return random.below(16) === 0 ? random.bytes(random.below(RANDOM_BYTES)) : this.#make(random)
  }

  take(input: Buffer): boolean {
    const before = Buffer.from(input)
    let emitted = 0
    // Time passes, so that series become idle.
    this.#nowUs += 1e6
    const refusal = this.#decoder.decode(input, { receivedAt: this.#nowUs, tie: emitted }, (sample) => {
      emitted++
      assertSound(sample)
    })
    assert.ok(before.equals(input), 'the input was written to')
    if (refusal === undefined) {
      const { refusedParts = [] } = this.#decoder
      const given = emitted + refusedParts.filter((part) => 'sample' in part).length
      assert.equal(given, this.#decoder.header.sampleCount, 'samples given or refused, and samples in the header')
    } else {
      assert.ok(REJECT_REASONS.includes(refusal.reason) && refusal.detail !== '', 'a refusal without a reason')
      assert.equal(emitted, 0, `samples of a message that is refused: ${refusal.detail}`)
    }
    return refusal === undefined
  }

  check(): void {
    assert.equal(this.#readGood(), this.#expected, 'good messages are read in another way than at first')
  }

  #readGood(): string {
    const seen: unknown[] = []
    for (const message of this.#good) {
      const refusal = this.#decoder.decode(message, { receivedAt: NOW_US, tie: 7 }, ({ series, values, at, tie }) => {
        seen.push([series.key, values.map(String), at, tie])
      })
      assert.equal(refusal, undefined)
      seen.push(Object.values(this.#decoder.header))
    }
    return JSON.stringify(seen)
  }
}

function assertSound({ series, values, at, tie }: Sample): void {
  assert.ok(Number.isInteger(tie) && tie >= 0 && tie <= 999, `tie ${tie}`)
  assert.ok(Number.isInteger(at) && Math.abs(at) <= MAX_TIME_US, `time ${at}`)
  assert.ok(values.length <= series.fieldKinds.length, 'more values than fields')
  let present = 0
  for (const [i, value] of values.entries()) {
    if (value === undefined || Number.isNaN(value)) continue
    present++
    const kind = series.fieldKinds[i]!
    assert.ok(isOfKind(value, kind), `${String(value)} in a field of kind ${kind}`)
  }
  assert.ok(present > 0 || series.fieldKinds.length > 0, 'a sample without a field')
}

function isOfKind(value: Slot, kind: FieldKind): boolean {
  switch (kind) {
    case 'float':
      return typeof value === 'number' && Number.isFinite(value)
    case 'int':
    case 'uint':
      return typeof value === 'bigint' || Number.isInteger(value)
    case 'bool':
      return typeof value === 'boolean'
    case 'string':
      return typeof value === 'string'
  }
}

const JSON_GOOD = [
  '{"timestamp":1763900000,"cpu_usage":12.5,"mem_usage":63.1,"send_time_unix_nano":1763900000123456789}',
  '{"timestamp":1763900000,"cpu_usage":0,"mem_usage":null,"host":"web-01","source":"web-01/agent/1","seq":17}',
  '{ "host" : "\\u00e9 \\"quoted\\"", "more": {"a": [1, 2, {"b": null}]}, "mem_usage": 1e-7, "cpu_usage": -0.5 }',
]
const JSON_TOKENS = [
  ...['{', '}', '[', ']', ':', ',', '"', '\\', '\\u', '\\ud800', '\\"', ' ', '\n', '\0', '\ufeff', 'é', '🚀'],
  ...['null', 'true', 'NaN', '-', '-0', '1e999', '-1e-999', '1E+5', '0x10', '01', '1.', '.5', '9'.repeat(400)],
  ...['9223372036854775807', '-9223372036854775808', '9007199254740993', '1763900000123456789', '"cpu_usage"'],
  ...['"host"', '"seq"', '"__proto__"', '"constructor"', '[['.repeat(3000), '{"a":'.repeat(3000)],
]

/** Nothing in them is sent only when it changes, so that they are read alike each time. */
const GPU_ROWS_GOOD = [
  '[{"timestamp":"2025-07-18T20:42:34Z","metric_name":"DCGM_FI_DEV_GPU_UTIL","uuid":"GPU-1","value":"57"}]',
  '[{"metric":"DCGM_FI_DEV_FB_USED","gpu":3,"value":12},{"metric":"own","gpu":3,"value":"1e-3"},{"metric":"x"}]',
  '["1763900000","DCGM_FI_DEV_GPU_TEMP","0","","GPU-1","","n1","","","","40",""]',
]
const GPU_ROWS_TOKENS = [
  ...['[', ']', '{', '}', ',', ':', '"', '\\', 'null', 'true', '1e999', '-1', '"N/A"', '"9223372036854775794"'],
  ...['"labels_raw":"a=\\"b\\",c"', '"nvlink":"3"', '"pod":"p"', '"time":', '"Hostname":"n2"', '[['.repeat(3000)],
]

function framesOfManyKinds(): Buffer[] {
  const table = new SeriesTable()
  const make = (measurement: string, tags: readonly Tag[], fields: ReadonlyArray<[string, FieldKind]>): Series => {
    const series = table.intern(measurement, tags, 0)
    if (isRefusal(series)) throw new Error(series.detail)
    for (const [name, kind] of fields) series.field(name, kind)
    return series
  }
  const cpu = make('cpu', [['host', 'a']], [['usage_user', 'float']])
  const all = make(
    'all kinds',
    [
      ['host', 'é,= '],
      ['rack', '7'],
    ],
    [
      ['f', 'float'],
      ['i', 'int'],
      ['u', 'uint'],
      ['b', 'bool'],
      ['s', 'string'],
    ],
  )
  const header = { ...blankHeader(), run: 'web-01/agent/5f3a', seq: 5, firstSample: 40, sentAt: NOW_US }
  const frame = (samples: readonly Sample[]): Buffer => {
    const encoder = frameCodec.encoder()
    for (const sample of samples) encoder.add(sample)
    return encoder.finish(header)
  }
  const at = NOW_US
  const rows: Sample[] = Array.from({ length: 20 }, (_, n) => ({
    series: all,
    values: [
      n % 3 === 0 ? undefined : n / 7,
      n,
      2n ** 63n + BigInt(n),
      n % 2 === 0,
      n % 5 === 0 ? undefined : `text ${n}`,
    ],
    at: at + n,
    tie: n,
  }))
  return [
    frame([]),
    frame([{ series: cpu, values: [12.5], at, tie: 0 }]),
    frame([1, 2, 3].map((n) => ({ series: cpu, values: [n], at: at + n, tie: 0 }))),
    frame(rows),
    frame([{ series: cpu, values: [1], at, tie: 0 }, ...rows.slice(0, 9)]),
  ]
}

function messagesOf(codec: Codec): Buffer[] {
  const series = new SeriesTable().intern('system_stats', [], 0)
  if (isRefusal(series)) throw new Error(series.detail)
  for (const name of ['cpu', 'mem']) series.field(name, 'float')
  return [
    [12.5, 63.1],
    [0, -1e300],
  ].map((values) => {
    const encoder = codec.encoder()
    encoder.add({ series, values, at: NOW_US, tie: 0 })
    return encoder.finish({ ...blankHeader(), sentAt: NOW_US })
  })
}

/** The four decoders, and the decoder of all formats with a mixture of them. */
export function decoderTargets(): Target[] {
  const table = (): SeriesTable => new SeriesTable({ maxSeries: MAX_SERIES })
  const frames = framesOfManyKinds()
  const packed = messagesOf(packedCodec)
  const json = JSON_GOOD.map((text) => Buffer.from(text))
  const makeFrame = (random: Random): Buffer => mutate(random, frames)
  const makeJson = (random: Random): Buffer =>
    random.below(2) === 0 ? mutate(random, json) : mutateText(random, JSON_GOOD, JSON_TOKENS)
  // Mostly of the right size: any other is refused by its size alone.
  const makePacked = (random: Random): Buffer => {
    const bytes = mutate(random, packed)
    return random.below(8) === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(32)]).subarray(0, 32)
  }
  const gpuRows = GPU_ROWS_GOOD.map((text) => Buffer.from(text))
  const makeGpuRows = (random: Random): Buffer =>
    random.below(2) === 0 ? mutate(random, gpuRows) : mutateText(random, GPU_ROWS_GOOD, GPU_ROWS_TOKENS)
  const any = [makeFrame, makeJson, makePacked, makeGpuRows]
  return [
    new DecoderTarget('frame decoder', frameCodec.decoder(table()), frames, makeFrame),
    new DecoderTarget('JSON decoder', jsonCodec.decoder(table()), json, makeJson),
    new DecoderTarget('Packed decoder', packedCodec.decoder(table()), packed, makePacked),
    new DecoderTarget('decoder of rows of GPUs', new GpuRowsDecoder(table()), gpuRows, makeGpuRows),
    new DecoderTarget('all formats', new MessageDecoder(table()), [...frames, ...json, ...gpuRows], (random) =>
      random.pick(any)(random),
    ),
  ]
}
