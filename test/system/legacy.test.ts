import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { metric } from '../support/api.ts'
import { type Consumer, startConsumer } from '../support/consumer.ts'
import { influxQuery } from '../support/influx.ts'
import { json, packed, publishRaw } from '../support/raw-redis.ts'
import { until } from '../support/servers.ts'

/** All messages of a test carry the same millisecond, as a burst of 64 publishers would: only `tie` keeps their points apart. */
const MESSAGES = 10_000

describe('publishers of the JSON and the Packed format, over raw sockets', () => {
  let consumer: Consumer

  beforeAll(async () => {
    consumer = await startConsumer()
  })
  afterAll(() => consumer?.stop())

  it.each([1, 64])(
    '10,000 Packed and 10,000 JSON messages over %i connections become 20,000 points',
    async (connections) => {
      const before = await consumer.points()
      const messagesBefore = await metric(consumer.admin, 'sentinel_received_messages_total')
      const now = Date.now()
      const messages = Array.from({ length: MESSAGES * 2 }, (_, i) =>
        i % 2 === 0 ? packed(i / 100, 50, now + (i >> 9)) : json(i / 100, 50, now + (i >> 9)),
      )
      expect(await publishRaw(consumer.redis.port, 'metrics', messages, connections)).toBe(MESSAGES * 2)
      await until('all are settled', async () => {
        const received = (await metric(consumer.admin, 'sentinel_received_messages_total')) - messagesBefore
        return received >= MESSAGES * 2 && (await metric(consumer.admin, 'sentinel_held_samples')) === 0
      })
      const after = await consumer.points()
      expect(after - before).toBe(MESSAGES * 2)
      expect(await metric(consumer.admin, 'sentinel_rejected_samples_total')).toBe(0)
      expect(await metric(consumer.admin, 'sentinel_dropped_samples_total')).toBe(0)
    },
  )

  it('keeps their values', async () => {
    const [row] = await influxQuery(
      consumer.influx.url,
      'telemetry',
      'SELECT max(cpu) AS cpu, max(mem) AS mem FROM system_stats',
    )
    expect(row).toMatchObject({ cpu: (MESSAGES * 2 - 1) / 100, mem: 50 })
  })
})
