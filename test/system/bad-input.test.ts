import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { blankHeader } from '../../internal/codec/codec.ts'
import { frameCodec } from '../../internal/codec/frame.ts'
import { isRefusal } from '../../internal/sample/border.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { metric } from '../support/api.ts'
import { type Consumer, startConsumer } from '../support/consumer.ts'
import { influxQuery } from '../support/influx.ts'
import { json, packed, publishRaw } from '../support/raw-redis.ts'
import { until } from '../support/servers.ts'

const YEAR_MS = 366 * 86_400_000

function frame(): Buffer {
  const series = new SeriesTable().intern('bad_input', [['host', 'f']], 0)
  if (isRefusal(series)) throw new Error(series.detail)
  const place = series.field('v', 'float')
  if (typeof place !== 'number') throw new Error(place.detail)
  const encoder = frameCodec.encoder()
  encoder.add({ series, values: [1], at: Date.now() * 1000, tie: 0 })
  const header = { ...blankHeader(), run: 's', seq: 0, sentAt: Date.now() * 1000 }
  return encoder.finish(header)
}

/** A frame that InfluxDB 1.x refuses, because of the `uint`, with a header that a strict HTTP parser refuses, because of the text. */
function unreadable(): Buffer {
  const series = new SeriesTable().intern('unreadable', [['host', 'f']], 0)
  if (isRefusal(series)) throw new Error(series.detail)
  series.field('count', 'uint')
  series.field('text', 'string')
  const encoder = frameCodec.encoder()
  encoder.add({ series, values: [1, 'red \u001b[31m\u0001'], at: Date.now() * 1000, tie: 0 })
  return encoder.finish({ ...blankHeader(), run: 'u', seq: 0, sentAt: Date.now() * 1000 })
}

function changed(bytes: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(bytes)
  change(copy)
  return copy
}

const jsonWith = (rest: string): Buffer => Buffer.from(`{"send_time_unix_nano":${Date.now()}000000,${rest}}`)

describe('bad input reaches a running server', () => {
  let consumer: Consumer

  beforeAll(async () => {
    consumer = await startConsumer()
  })
  afterAll(() => consumer?.stop())

  /** Sends a message, then a good one, and tells what the server counted for the first. */
  async function send(message: Buffer): Promise<{ rejected: number; written: number }> {
    const read = async (): Promise<number[]> =>
      Promise.all(
        ['received_messages', 'rejected_samples'].map((name) => metric(consumer.admin, `sentinel_${name}_total`)),
      )
    const [messagesBefore, rejectedBefore] = (await read()) as [number, number]
    const pointsBefore = await consumer.points()
    await publishRaw(consumer.redis.port, 'metrics', [message, json(1, 2, Date.now())])
    await until('both messages are in', async () => {
      const [messages] = await read()
      return messages! >= messagesBefore + 2 && (await metric(consumer.admin, 'sentinel_held_samples')) === 0
    })
    const [, rejected] = (await read()) as [number, number]
    const points = await consumer.points()
    return { rejected: rejected - rejectedBefore, written: points - pointsBefore - 1 }
  }

  const good = frame()
  const rejected: Array<[string, Buffer]> = [
    ['broken JSON', Buffer.from('{"cpu_usage":12.5,"mem_us')],
    ['JSON of the wrong shape', Buffer.from('{"hello":["world"]}')],
    ['JSON with a text for a figure', jsonWith('"cpu_usage":"high","mem_usage":"low"')],
    ['JSON of 1 MB', jsonWith(`"cpu_usage":1,"mem_usage":2,"note":"${'x'.repeat(1024 * 1024)}"`)],
    ['31 bytes', packed(1, 2, Date.now()).subarray(0, 31)],
    ['33 bytes', Buffer.concat([packed(1, 2, Date.now()), Buffer.from([0])])],
    ['nothing at all', Buffer.alloc(0)],
    ['a frame of a later version', changed(good, (copy) => copy.writeUInt8(99, 4))],
    ['a frame that is cut off', good.subarray(0, good.length - 5)],
    ['a frame that claims 4 billion samples', changed(good, (copy) => copy.writeUInt32LE(0xffff_ffff, 8))],
    ['a frame of 9 MB', Buffer.concat([good, Buffer.alloc(9 * 1024 * 1024)])],
    ['a frame that InfluxDB refuses with an answer that cannot be read', unreadable()],
    ['Packed with nothing but NaN and infinity', packed(Number.NaN, Infinity, Date.now())],
    ['32 bytes of JSON', Buffer.from('{"cpu_usage":"x","mem_usage":[]}')],
    ['a clock a year ahead', json(1, 2, Date.now() + YEAR_MS)],
    ['a clock twenty years behind', json(1, 2, Date.now() - 20 * YEAR_MS)],
    ['a Packed clock beyond all bounds', changed(packed(1, 2, 0), (copy) => copy.writeBigInt64LE(2n ** 63n - 1n, 24))],
  ]
  it.each(rejected)('%s is rejected, and the next message is written', async (_name, message) => {
    expect(await send(message)).toEqual({ rejected: 1, written: 0 })
  })

  const taken: Array<[string, Buffer]> = [
    ['Packed that begins with a brace', changed(packed(1, 2, Date.now()), (copy) => copy.writeUInt8(0x7b, 0))],
    ['32 bytes of good JSON', Buffer.from('{"cpu_usage":1.5,"mem_usage":22}')],
    ['Packed with one figure that is NaN', packed(1, Number.NaN, Date.now())],
    ['a host with a quote, an emoji, a comma and a space', jsonWith('"cpu_usage":1,"host":"a \\"b\\", 🚀=c"')],
    ['a host with a line break', jsonWith('"cpu_usage":1,"host":"two\\nlines"')],
  ]
  it.each(taken)('%s is taken', async (_name, message) => {
    expect(await send(message)).toEqual({ rejected: 0, written: 1 })
  })

  it('stores strange hosts as the wire format says', async () => {
    const rows = await influxQuery(
      consumer.influx.url,
      'telemetry',
      'SHOW TAG VALUES FROM system_stats WITH KEY = host',
    )
    expect(rows.map(({ value }) => value)).toEqual(['a "b", 🚀=c', 'two\\nlines'])
  })

  it('survives a flood of rubbish without flooding its log', async () => {
    const lines = consumer.server.log().length
    const before = await metric(consumer.admin, 'sentinel_rejected_samples_total')
    await publishRaw(
      consumer.redis.port,
      'metrics',
      Array.from({ length: 20_000 }, (_, i) => Buffer.from(`rubbish ${i}`)),
      8,
    )
    await until(
      'all are counted',
      async () => (await metric(consumer.admin, 'sentinel_rejected_samples_total')) >= before + 20_000,
    )
    expect(consumer.server.log().length - lines).toBeLessThan(20)
    expect(await send(json(3, 4, Date.now()))).toEqual({ rejected: 0, written: 1 })
  })
})
