import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { MessageHeader } from '../../internal/codec/codec.ts'
import { MessageDecoder } from '../../internal/codec/detect.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import type { LoadBroker } from './load-types.ts'
import type { MessageWriter } from './messages.ts'
import { type MessageOptions, workersOf, writerOf } from './writers.ts'

const BROKER: LoadBroker = { kind: 'pubsub', topic: 'telemetry', partitions: 1 }
const OPTIONS: MessageOptions = {
  ...{ broker: BROKER, format: 'packed', workers: 3, hosts: 0, samplesPerMessage: 4, values: 'walk' },
}

/** The arguments of a command, as Redis reads them. */
function argumentsOf(command: Buffer): Buffer[] {
  const found: Buffer[] = []
  let at = command.indexOf('\r\n') + 2
  while (at < command.length) {
    const end = command.indexOf('\r\n', at)
    const length = Number(command.toString('latin1', at + 1, end))
    found.push(command.subarray(end + 2, end + 2 + length))
    at = end + 2 + length + 2
  }
  expect(command.toString('latin1', 0, command.indexOf('\r\n'))).toBe(`*${found.length}`)
  expect(at).toBe(command.length)
  return found
}

function writerFor(options: Partial<MessageOptions>): MessageWriter {
  const all = { ...OPTIONS, ...options }
  return writerOf(all, 'bench-1', workersOf(0, 1, all.workers))
}

/** One message of a worker, without the command around it. */
function written(writer: MessageWriter, worker: number, dueUs: number): Buffer {
  const out = Buffer.alloc(writer.maxBytes + 7, 0xee)
  const end = writer.write(out, 7, worker, dueUs)
  expect(end).toBeLessThanOrEqual(writer.maxBytes + 7)
  return argumentsOf(out.subarray(7, end)).at(-1)!
}

interface Read {
  readonly header: MessageHeader
  readonly samples: ReadonlyArray<{ series: string; at: number; tie: number; values: unknown[] }>
}

function decoderOf(): (message: Buffer) => Read {
  const decoder = new MessageDecoder(new SeriesTable())
  return (message) => {
    const samples: Array<Read['samples'][number]> = []
    const refusal = decoder.decode(message, { receivedAt: 0, tie: 0 }, ({ series, at, tie, values }) => {
      samples.push({ series: [series.measurement, ...series.tags.flat()].join(), at, tie, values: [...values] })
    })
    expect(refusal).toBeUndefined()
    return { header: { ...decoder.header }, samples }
  }
}

/** In the years 2001 to 2100. */
const dueUs = fc.integer({ min: 1_000_000_000e6, max: 4_100_000_000e6 })
const values = fc.constantFrom('walk' as const, 'full' as const)

describe('a message', () => {
  test.each(['packed', 'json'] as const)('in %s says when it was due, and has two values', (format) => {
    fc.assert(
      fc.property(dueUs, values, fc.constantFrom(0, 2), (due, kind, hosts) => {
        const [sample, ...others] = decoderOf()(written(writerFor({ format, values: kind, hosts }), 1, due)).samples
        expect(others).toEqual([])
        const host = format === 'json' && hosts > 0 ? ',host,bench-1' : ''
        expect(sample).toMatchObject({ series: `system_stats${host}`, at: due, tie: 0 })
        expect(sample!.values).toEqual([expect.any(Number), expect.any(Number)])
        for (const value of sample!.values as number[]) expect(value >= 10 && value < 100).toBe(true)
      }),
      { numRuns: 10 },
    )
  })

  test('in JSON is written as the Go system wrote it', () => {
    const text = written(writerFor({ format: 'json' }), 0, 1_763_900_000_000_042).toString()
    expect(text).toMatch(
      /^\{"timestamp":1763900000,"cpu_usage":\d\d\.\d\d,"mem_usage":\d\d\.\d\d,"send_time_unix_nano":1763900000000042000\}$/,
    )
  })

  test('has other values than the one before', () => {
    const writer = writerFor({ values: 'full' })
    const read = decoderOf()
    const all = [1, 2, 3].flatMap((due) => read(written(writer, 0, due * 1e15)).samples[0]!.values)
    expect(new Set(all).size).toBe(6)
  })
})

describe('frames', () => {
  test('have a series for each host and sensor, and the numbers of their worker', () => {
    const writer = writerFor({ format: 'frame', hosts: 2 })
    const read = decoderOf()
    for (const [worker, seq] of [
      [0, 0],
      [1, 0],
      [0, 1],
      [2, 0],
      [0, 2],
    ] as const) {
      const due = 1_763_900_000_123_456 + seq
      const { header, samples } = read(written(writer, worker, due))
      expect(header).toMatchObject({ run: `bench-1-${worker}`, seq, firstSample: 4 * seq, heldFrom: 0, sentAt: due })
      expect(samples.map(({ series, at }) => [series, at])).toEqual(
        [0, 1, 2, 3].map((sensor) => [`system_stats,host,bench-${worker % 2},sensor,s${sensor}`, due]),
      )
    }
  })

  test('of one host, and of workers that another thread has, have names too', () => {
    const options = { ...OPTIONS, format: 'frame', samplesPerMessage: 1 } as const
    expect(workersOf(1, 2, 5)).toEqual([1, 3])
    const { header, samples } = decoderOf()(written(writerOf(options, 'bench-1', workersOf(1, 2, 5)), 1, 1e15))
    expect(header.run).toBe('bench-1-3')
    expect(samples.map(({ series }) => series)).toEqual(['system_stats,host,bench-0,sensor,s0'])
  })

  test('that are too large are refused', () => {
    expect(() => writerFor({ format: 'frame', samplesPerMessage: 65_537 })).toThrow('65537 samples exceed a frame')
  })
})

test('only frames have end markers', () => {
  expect(writerFor({ format: 'packed' }).endMarkers(1, new Uint32Array(3))).toEqual([])
  expect(writerFor({ format: 'json' }).endMarkers(1, new Uint32Array(3))).toEqual([])
  const markers = writerFor({ format: 'frame' }).endMarkers(1e15, Uint32Array.of(0, 2, 0))
  const headers = markers.map((marker) => decoderOf()(argumentsOf(marker).at(-1)!).header)
  expect(headers.map(({ withdrawnMessages, withdrawnSamples }) => [withdrawnMessages, withdrawnSamples])).toEqual([
    [0, 0],
    [0, 0],
    [0, 0],
    [2, 8],
    [0, 0],
    [0, 0],
  ])
  expect(headers[2]).toMatchObject({ run: 'bench-1-1', seq: 0, heldFrom: 0, sampleCount: 0 })
  expect(headers[3]).toMatchObject({ run: 'bench-1-1', seq: 0, heldFrom: Number.MAX_SAFE_INTEGER, sampleCount: 0 })
})
