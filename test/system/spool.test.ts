import { readdirSync, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { metric } from '../support/api.ts'
import { influxCount } from '../support/influx.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { json, publishRaw } from '../support/raw-redis.ts'
import { freePort, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'

/** Sizes of all files below a folder. */
function bytesIn(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0)
}

function summaryOf(program: Program): Record<string, number> {
  const line = program.log().find(({ msg }) => msg === 'summary')
  if (line === undefined) throw new Error(`no summary line:\n${program.stderr()}`)
  return line as Record<string, number>
}

describe('a server over pubsub, whose InfluxDB stops under load', () => {
  let redis: TestServer
  let influx: TestServer
  let folder: string
  let admin: string
  let server: Program
  const begin = Date.now()
  let published = 0

  beforeEach(async () => {
    ;[redis, influx] = await Promise.all([startRedis(), startInflux()])
    folder = await mkdtemp(join(tmpdir(), 'sentinel-spool-'))
    published = 0
    await start()
  })
  afterEach(async () => {
    server.signal('SIGKILL')
    await server.ended
    await Promise.all([redis.stop(), influx.stop(), rm(folder, { recursive: true, force: true })])
  })

  async function start(...more: string[]): Promise<void> {
    const port = await freePort()
    admin = `http://127.0.0.1:${port}`
    const args = [`--admin-port=${port}`, `--data-path=${folder}`, '--broker-consumer=one', ...more]
    server = startProgram('server', { env: { REDIS_URL: redis.url, INFLUX_URL: influx.url }, args })
    await server.logged('server consumes')
  }

  /** Each message is a point of its own: no two have one time. */
  async function publish(messages: number): Promise<void> {
    const all = Array.from({ length: messages }, () => json(1, 2, begin - published++))
    expect(await publishRaw(redis.port, 'metrics', all)).toBe(messages)
  }

  const read = (name: string): Promise<number> => metric(admin, `sentinel_${name}`)
  const stored = (): Promise<number> => influxCount(influx.url, 'telemetry', 'system_stats', 'cpu')

  /** All that was published and is not stored is in files. */
  async function allSpooled(): Promise<void> {
    await until('all that is held is on disk', async () => (await read('spool_samples')) >= published)
    const spool = join(folder, 'server', 'one', 'spool')
    await until('the file system has it', async () => bytesIn(spool) >= (await read('spool_bytes')))
  }

  async function caughtUp(): Promise<void> {
    await until('all is stored', async () => (await stored()) === published, 60_000)
    await until('the spool is empty', async () => (await read('spool_bytes')) === 0)
    expect(await read('store_ready')).toBe(1)
  }

  it('keeps what comes on disk, over its own stop and start, and catches up when InfluxDB is back', async () => {
    await publish(2000)
    await until('it is stored', async () => (await stored()) === 2000)
    await influx.halt('SIGKILL')
    for (let i = 0; i < 10; i++) await publish(500)
    await until('it says that the store is away', async () => (await read('store_ready')) === 0)
    expect(await server.stop()).toBe(0)
    const first = summaryOf(server)
    expect(first).toMatchObject({ taken_over: 0, rejected: 0, dropped: 0, held: first.spooled })
    expect(first.received).toBe(first.written! + first.held!)
    expect(first.spooled).toBeGreaterThanOrEqual(5000)

    await start()
    expect(await read('taken_over_samples_total')).toBe(first.spooled)
    await publish(1000)
    await until('that is there too', async () => (await read('held_samples')) >= 6000)
    await influx.start()
    await caughtUp()
    expect(await server.stop()).toBe(0)
    const { received, taken_over, written, ...second } = summaryOf(server)
    expect(second).toMatchObject({ rejected: 0, dropped: 0, held: 0, spooled: 0 })
    expect(received! + taken_over!).toBe(written)
  })

  it('loses nothing of what it has put on disk to a kill', async () => {
    await influx.halt('SIGKILL')
    for (let i = 0; i < 5; i++) await publish(1000)
    await allSpooled()
    server.signal('SIGKILL')
    await server.ended
    await start()
    expect(await read('taken_over_samples_total')).toBeGreaterThanOrEqual(5000)
    await influx.start()
    await caughtUp()
    expect(await read('dropped_samples_total')).toBe(0)
  })
  it('stores what is fresh while the spool is written, and says how far that is', async () => {
    await influx.halt('SIGKILL')
    for (let i = 0; i < 30; i++) await publish(1000)
    await allSpooled()
    expect(await server.stop()).toBe(0)
    const before = summaryOf(server)
    // The bound keeps the spool from being empty before the test has looked.
    await start('--spool-replay-bytes-per-second=64KiB')
    await influx.start()
    await until('something of the spool is written', async () => (await read('replayed_samples_total')) > 0)
    await publish(100)
    await until(
      'what is fresh is stored',
      async () => (await read('written_samples_total')) >= 100 + (await read('replayed_samples_total')),
    )
    expect(await read('spool_samples')).toBeGreaterThan(0)
    const said = await server.logged('the spool is written to the store', 60_000)
    expect(Number(said.left)).toBeGreaterThan(0)
    expect(Number(said.samplesPerSecond)).toBeGreaterThan(0)
    expect(await server.stop()).toBe(0)
    const { received, taken_over, written, held, dropped } = summaryOf(server)
    expect(taken_over).toBe(before.held)
    expect([received! + taken_over!, dropped]).toEqual([written! + held!, 0])

    await start()
    await caughtUp()
  })
})
