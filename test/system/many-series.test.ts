import { afterAll, beforeAll, expect, it } from 'vitest'
import { blankHeader } from '../../internal/codec/codec.ts'
import { frameCodec } from '../../internal/codec/frame.ts'
import { isRefusal } from '../../internal/sample/border.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { metric } from '../support/api.ts'
import { type Consumer, startConsumer } from '../support/consumer.ts'
import { influxCount } from '../support/influx.ts'
import { publishRaw } from '../support/raw-redis.ts'
import { until } from '../support/servers.ts'

const MAX_SERIES = 100
const TICKS = 20
const NEW_A_TICK = 200

let consumer: Consumer

beforeAll(async () => {
  consumer = await startConsumer({ SENTINEL_INGEST_MAX_SERIES: `${MAX_SERIES}` })
})
afterAll(() => consumer?.stop())

/** The frame of an agent with one interface that stays, and many that are there for one tick. */
function frameOf(tick: number, atMs: number): Buffer {
  const table = new SeriesTable()
  const encoder = frameCodec.encoder()
  const names = ['eth0', ...Array.from({ length: NEW_A_TICK }, (_, i) => `veth${tick}-${i}`)]
  for (const name of names) {
    const series = table.intern('many_series', [['host', 'f'], ['interface', name]], 0) // biome-ignore format: a pair a tag
    if (isRefusal(series)) throw new Error(series.detail)
    series.field('bytes', 'float')
    encoder.add({ series, values: [tick], at: atMs * 1000, tie: 0 })
  }
  const firstSample = tick * names.length
  const numbers = { seq: tick, firstSample, heldFrom: tick, heldFirstSample: firstSample }
  return encoder.finish({ ...blankHeader(), ...numbers, run: 'f/agent/1', sentAt: atMs * 1000 })
}

it('stores every sample of an agent whose interfaces change names for ever, stays at its bound, and says so', async () => {
  const beganMs = Date.now()
  const frames = Array.from({ length: TICKS }, (_, tick) => frameOf(tick, beganMs + tick))
  await publishRaw(consumer.redis.port, 'metrics', frames)
  const samples = TICKS * (NEW_A_TICK + 1)
  await until('all samples are stored', async () => {
    return (await influxCount(consumer.influx.url, 'telemetry', 'many_series', 'bytes')) === samples
  })
  const [rejected, series, evicted, withoutRoom] = await Promise.all(
    ['rejected_samples_total', 'series', 'evicted_series_total', 'series_without_room_total'].map((name) =>
      metric(consumer.admin, `sentinel_${name}`),
    ),
  )
  expect(rejected).toBe(0)
  expect(series).toBe(MAX_SERIES)
  expect(withoutRoom).toBeGreaterThan(0)
  expect(series! + evicted! + withoutRoom!).toBeGreaterThan(TICKS * NEW_A_TICK)
  await consumer.server.logged('the table of series is full')
})
