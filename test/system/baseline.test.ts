import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DebugMetrics, LedgerCounts } from '../../internal/observe/debug-metrics.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { json, packed, publishRaw } from '../support/raw-redis.ts'
import { startInflux, startRedis, type TestServer, until } from '../support/servers.ts'

const MESSAGES = 20_000

/** A program that consumes the channel, and writes to a database of its own. */
interface Consumer {
  readonly program: Program
  readonly admin: string
}

describe('the servers that ours is compared with', () => {
  let redis: TestServer
  let influx: TestServer
  let ours: Consumer
  let baseline: Consumer
  let bare: Consumer

  beforeAll(async () => {
    ;[redis, influx] = await Promise.all([startRedis(), startInflux()])
    ;[ours, baseline, bare] = await Promise.all([
      start('server', [], 'ours'),
      start('bench', ['server', '--pipeline', 'baseline'], 'baseline'),
      start('bench', ['server', '--pipeline', 'bare'], 'bare'),
    ])
    // One message in 500 carries the next millisecond: only the order of arrival keeps their points apart.
    const now = Date.now()
    const messages = Array.from({ length: MESSAGES }, (_, i) =>
      i % 2 === 0 ? packed(i / 100, 50, now + (i >> 9)) : json(i / 100, 50, now + (i >> 9)),
    )
    expect(await publishRaw(redis.port, 'metrics', messages, 4)).toBe(3 * MESSAGES)
    for (const { admin } of [ours, baseline, bare]) {
      await until('all messages are settled', async () => {
        const { messages: received, held } = await ask<LedgerCounts>(admin, 'ledger')
        return received >= MESSAGES && held === 0
      })
    }
  })
  afterAll(async () => {
    await Promise.all([ours, baseline, bare].map((consumer) => consumer?.program.stop()))
    await Promise.all([redis?.stop(), influx?.stop()])
  })

  async function start(name: string, args: string[], bucket: string): Promise<Consumer> {
    const env = { REDIS_URL: redis.url, INFLUX_URL: influx.url, INFLUX_BUCKET: bucket, SENTINEL_ADMIN_PORT: '0' }
    const program = startProgram(name, { args, env })
    const { url } = await program.logged('admin listener')
    await program.logged('started')
    await until(`${name} is ready`, async () => (await fetch(`${url}/ready`)).ok)
    return { program, admin: String(url) }
  }

  it('write the same points as ours, time for time and value for value', async () => {
    const expected = await points(influx.url, 'ours')
    expect(expected).toHaveLength(MESSAGES)
    expect(await points(influx.url, 'baseline')).toEqual(expected)
  })

  it('count every message, and each of its latencies once', async () => {
    const { ledger, latency } = await ask<DebugMetrics>(baseline.admin, 'figures')
    expect(ledger).toMatchObject({ messages: MESSAGES, received: MESSAGES, written: MESSAGES, held: 0 })
    const { internal, e2e, durable } = latency
    expect([internal.count, e2e.count, durable.count]).toEqual([MESSAGES, MESSAGES, MESSAGES])
  })

  it('throw all away that only count it', async () => {
    const { ledger, latency } = await ask<DebugMetrics>(bare.admin, 'figures')
    expect(ledger).toMatchObject({ messages: MESSAGES, written: 0, dropped: MESSAGES, held: 0 })
    expect(latency.internal.count).toBe(0)
  })

  it('end with 0 and a line of what they counted', async () => {
    for (const [consumer, written] of [
      [baseline, MESSAGES],
      [bare, 0],
    ] as const) {
      expect(await consumer.program.stop()).toBe(0)
      const [summary] = consumer.program.log().filter(({ msg }) => msg === 'summary')
      const dropped = MESSAGES - written
      expect(summary).toMatchObject({ received: MESSAGES, written, rejected: 0, dropped, held: 0 })
    }
  })

  it('refuse what they have no way for', async () => {
    const program = startProgram('bench', { args: ['server', '--pipeline', 'baseline', '--broker-kind', 'streams'] })
    expect(await program.ended).toBe(78)
    expect(program.stderr()).toContain('consumes pubsub')
  })
})

async function ask<T>(admin: string, what: 'ledger' | 'figures'): Promise<T> {
  const response = await fetch(`${admin}/debug/${what}`)
  return (await response.json()) as T
}

/** Every point of the measurement as a line of CSV, with its time in nanoseconds, which JSON would round. */
async function points(url: string, database: string): Promise<string[]> {
  const query = new URLSearchParams({ db: database, q: 'SELECT cpu, mem, host FROM system_stats' })
  const response = await fetch(`${url}/query?${query}`, { headers: { accept: 'application/csv' } })
  const [, ...lines] = (await response.text()).trimEnd().split('\n')
  return lines
}
