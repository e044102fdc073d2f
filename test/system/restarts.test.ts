import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PubSubBroker } from '../../internal/broker/pubsub/broker.ts'
import { frameCodec } from '../../internal/codec/frame.ts'
import { LogThrottle } from '../../internal/observe/log-throttle.ts'
import { Publisher } from '../../internal/publish/publisher.ts'
import { runId } from '../../internal/publish/run-id.ts'
import { PublisherLedger } from '../../internal/sample/ledger.ts'
import { type Series, seriesApart } from '../../internal/sample/series.ts'
import { WallClock } from '../../internal/time/clock.ts'
import { metric } from '../support/api.ts'
import { influxCount, influxQuery } from '../support/influx.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { freePort, sleep, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'

/** The size of the load; the whole of it: `RESTARTS_MESSAGES_PER_SECOND=5000 RESTARTS_LIFE_MS=3000`. */
const MESSAGES_PER_SECOND = Number(process.env.RESTARTS_MESSAGES_PER_SECOND ?? 1000)
const LIFE_MS = Number(process.env.RESTARTS_LIFE_MS ?? 500)
const RESTARTS = 10
const PUBLISHERS = 5

const logger = pino({ level: 'silent' })
const clock = new WallClock()

interface Summary {
  readonly [column: string]: unknown
}

function summaryOf(program: Program): Summary {
  const line = program.log().find(({ msg }) => msg === 'summary')
  if (line === undefined) throw new Error(`no summary line:\n${program.stderr()}`)
  return line
}

let redis: TestServer
let influx: TestServer
let folder: string

beforeAll(async () => {
  ;[redis, influx] = await Promise.all([startRedis(), startInflux()])
  folder = await mkdtemp(join(tmpdir(), 'sentinel-restarts-'))
})

afterAll(async () => {
  await Promise.all([redis.stop(), influx.stop()])
  await rm(folder, { recursive: true, force: true })
})

/** Publishers of samples that are all apart, each message one sample, at a rate for all of them together. */
class Load {
  readonly ledger = new PublisherLedger()
  produced = 0
  readonly #measurement: string
  readonly #broker = new PubSubBroker({ redis: { url: redis.url }, logger })
  readonly #publishers: Publisher[] = []
  #ticking: NodeJS.Timeout | undefined

  constructor(measurement: string) {
    this.#measurement = measurement
  }

  async start(): Promise<void> {
    await this.#broker.whenTried()
    const series: Series[] = []
    for (let i = 0; i < PUBLISHERS; i++) {
      const publisher = new Publisher({
        ...{ broker: this.#broker, codec: frameCodec, runId: runId(`host-${i}`, 'load'), clock, logger },
        ...{ throttle: new LogThrottle(logger), ledger: this.ledger },
      })
      await publisher.start()
      this.#publishers.push(publisher)
      series.push(seriesApart(this.#measurement, [['source', `${i}`]]))
      series[i]!.field('n', 'int')
    }
    const beganUs = clock.now()
    this.#ticking = setInterval(() => {
      const due = Math.floor(((clock.now() - beganUs) * MESSAGES_PER_SECOND) / 1e6)
      for (; this.produced < due; this.produced++) {
        const i = this.produced % PUBLISHERS
        this.#publishers[i]!.add({ series: series[i]!, values: [this.produced], at: beganUs + this.produced, tie: 0 })
        this.#publishers[i]!.flush()
      }
    }, 5)
  }

  /** Ends once somebody has taken all of it. */
  async stop(): Promise<void> {
    clearInterval(this.#ticking)
    await until('the outboxes are empty', () => this.#publishers.every(({ held }) => held === 0), 120_000)
    await Promise.all(this.#publishers.map((publisher) => publisher.stop(AbortSignal.timeout(60_000))))
    await this.#broker.close()
  }
}

describe('a server under load', () => {
  it('stopped and started again ten times loses nothing, and knows that', { timeout: 300_000 }, async () => {
    const env = { REDIS_URL: redis.url, INFLUX_URL: influx.url, SENTINEL_DATA_PATH: folder, SENTINEL_ADMIN_PORT: '0' }
    const load = new Load('restarts')
    const servers: Program[] = []
    for (let life = 0; life <= RESTARTS; life++) {
      const server = startProgram('server', { env })
      servers.push(server)
      await server.logged('server consumes')
      if (life === 0) await load.start()
      await sleep(LIFE_MS)
      if (life === RESTARTS) await load.stop()
      expect(await server.stop()).toBe(0)
    }
    const sum = (column: string): number => servers.reduce((total, one) => total + Number(summaryOf(one)[column]), 0)
    const totals = Object.fromEntries(
      ['received', 'own', 'written', 'dropped', 'rejected', 'lost', 'lost_at_most'].map((name) => [name, sum(name)]),
    )
    expect(load.ledger).toMatchObject({ produced: load.produced, sent: load.produced, dropped: 0 })
    expect(totals).toMatchObject({ dropped: 0, rejected: 0, lost: 0, lost_at_most: 0 })
    expect(await influxCount(influx.url, 'telemetry', 'restarts', 'n')).toBe(load.produced)
    process.stdout.write(`${RESTARTS} restarts, ${load.produced} samples: ${JSON.stringify(totals)}\n`)
  })

  it('killed says of what is missing that it is at most so much', async () => {
    const env = { REDIS_URL: redis.url, INFLUX_URL: influx.url, SENTINEL_DATA_PATH: folder, SENTINEL_ADMIN_PORT: '0' }
    const load = new Load('kills')
    const first = startProgram('server', { env })
    await first.logged('server consumes')
    await load.start()
    const stored = (): Promise<number> => influxCount(influx.url, 'telemetry', 'kills', 'n')
    await until('there are checkpoints', async () => (await stored()) > MESSAGES_PER_SECOND * 1.5)
    first.signal('SIGKILL')
    await first.ended
    const second = startProgram('server', { env })
    await second.logged('server consumes')
    await load.stop()
    expect(await second.stop()).toBe(0)
    const summary = summaryOf(second)
    expect(load.ledger).toMatchObject({ sent: load.produced, dropped: 0 })
    expect(summary).toMatchObject({ lost: 0, dropped: 0, rejected: 0 })
    expect(load.produced - (await stored())).toBeLessThanOrEqual(Number(summary.lost_at_most))
  })
})

describe('an agent that is killed while nobody takes its samples', () => {
  it('has left them to the next, and none is missing', async () => {
    const [adminPort, serverPort] = await Promise.all([freePort(), freePort()])
    const env = {
      ...{ REDIS_URL: redis.url, INFLUX_URL: influx.url, SENTINEL_DATA_PATH: folder, SENTINEL_AGENT_HOST: 'killed' },
      ...{ SENTINEL_AGENT_INTERVAL_MS: '100ms', SENTINEL_AGENT_INCLUDE: 'system' },
    }
    const admin = `http://127.0.0.1:${adminPort}`
    const agentEnv = { ...env, SENTINEL_ADMIN_PORT: `${adminPort}` }
    const held = (): Promise<number> => metric(admin, 'sentinel_outbox_samples')
    const first = startProgram('agent', { env: agentEnv })
    await first.logged('agent measures')
    await until('it holds some, because nobody listens', async () => (await held()) > 40)
    await redis.halt('SIGKILL')
    await until('it holds more, because Redis is away', async () => (await held()) > 80)
    const heldAtLeast = await held()
    first.signal('SIGKILL')
    await first.ended

    const secondBeganUs = Date.now() * 1000
    const second = startProgram('agent', { env: agentEnv })
    await second.logged('agent measures')
    const takenOver = await metric(admin, 'sentinel_outbox_taken_over_samples_total')
    // Without what was on its way, one tick of two samples.
    expect(takenOver).toBeGreaterThanOrEqual(heldAtLeast - 2)
    await redis.start()
    const server = startProgram('server', { env: { ...env, SENTINEL_ADMIN_PORT: `${serverPort}` } })
    await server.logged('server consumes')
    await until('it holds nothing any more', async () => (await held()) <= 4)
    expect(await second.stop()).toBe(0)
    expect(await server.stop()).toBe(0)

    for (const [measurement, field] of [
      ['system', 'uptime'],
      ['sentinel_pipeline', 'produced'],
    ]) {
      const where = `host = 'killed' AND time < ${secondBeganUs}u`
      const points = await influxQuery(
        influx.url,
        'telemetry',
        `SELECT "${field}" FROM "${measurement}" WHERE ${where}`,
      )
      expect([measurement, points.length]).toEqual([measurement, takenOver / 2])
    }
    expect(summaryOf(server)).toMatchObject({ lost: 0, lost_at_most: 0, dropped: 0, rejected: 0 })
    expect(summaryOf(second)).toMatchObject({ agent_taken_over: takenOver, agent_dropped: 0, agent_held: 0 })
  })
})
