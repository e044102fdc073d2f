import { pino } from 'pino'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Broker } from '../../internal/broker/broker.ts'
import { openBroker } from '../../internal/broker/open.ts'
import { frameCodec } from '../../internal/codec/frame.ts'
import { LogThrottle } from '../../internal/observe/log-throttle.ts'
import { Publisher } from '../../internal/publish/publisher.ts'
import { runId } from '../../internal/publish/run-id.ts'
import { PublisherLedger } from '../../internal/sample/ledger.ts'
import { seriesApart } from '../../internal/sample/series.ts'
import { WallClock } from '../../internal/time/clock.ts'
import { metric, receivedOfOthers } from '../support/api.ts'
import { influxCount } from '../support/influx.ts'
import { startInfluxProxy } from '../support/influx-proxy.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { freePort, sleep, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'

/** A message of an agent with all measurements has about so many bytes. Redis counts bytes, so one sample will do. */
const TEXT = 'x'.repeat(1300)
const SOURCES = 3000
/** A quarter of a minute of an agent: together 58 MB, where Redis lets 32 MB wait. */
const HELD_EACH = 15
const CONNECTIONS = 20
/** A busy machine makes all of it slower. */
const LIMIT_MS = 90_000

/** Agents, each with an outbox and a run of its own, that make a message a second at moments spread over it. */
class Outboxes {
  readonly #ledger = new PublisherLedger()
  readonly #brokers: readonly Broker[]
  readonly #publishers: readonly Publisher[]
  readonly #series = seriesApart('come_back', [])
  #at = Date.now() * 1000
  #ticking: NodeJS.Timeout | undefined

  constructor(brokers: readonly Broker[]) {
    this.#brokers = brokers
    this.#series.field('text', 'string')
    const logger = pino({ level: 'silent' })
    const common = { codec: frameCodec, clock: new WallClock(), logger, throttle: new LogThrottle(logger) }
    this.#publishers = Array.from(
      { length: SOURCES },
      (_, n) =>
        new Publisher({
          ...{ ...common, broker: brokers[n % CONNECTIONS]!, ledger: this.#ledger },
          ...{ runId: runId(`host-${n}`, 'agent') },
        }),
    )
  }

  static async open(url: string): Promise<Outboxes> {
    const logger = pino({ level: 'silent' })
    const brokers = Array.from({ length: CONNECTIONS }, () =>
      openBroker({ kind: 'pubsub', redis: { url }, logger, uses: ['publish'] }),
    )
    const outboxes = new Outboxes(await Promise.all(brokers))
    await Promise.all(outboxes.#publishers.map((publisher) => publisher.start()))
    return outboxes
  }

  get produced(): number {
    return this.#ledger.produced
  }

  get dropped(): number {
    return this.#ledger.dropped
  }

  get held(): number {
    return this.#publishers.reduce((sum, { held }) => sum + held, 0)
  }

  /** Messages that no server takes. */
  async fill(): Promise<void> {
    for (let n = 0; n < SOURCES * HELD_EACH; n++) {
      this.#make(n)
      if (n % 500 === 0) await sleep(0)
    }
    await until('all are answered', () => this.held === SOURCES * HELD_EACH, LIMIT_MS)
  }

  begin(): void {
    const beganMs = performance.now()
    let made = 0
    this.#ticking = setInterval(() => {
      const due = Math.floor(((performance.now() - beganMs) * SOURCES) / 1000)
      // As agents do, one that is late by whole intervals leaves them out.
      made = Math.max(made, due - SOURCES)
      for (; made < due; made++) this.#make(made)
    }, 10)
  }

  end(): void {
    clearInterval(this.#ticking)
  }

  async close(): Promise<void> {
    this.end()
    await Promise.all(this.#publishers.map((publisher) => publisher.stop(AbortSignal.abort())))
    await Promise.all(this.#brokers.map((broker) => broker.close()))
  }

  #make(n: number): void {
    const publisher = this.#publishers[n % SOURCES]!
    publisher.add({ series: this.#series, values: [TEXT], at: this.#at++, tie: 0 })
    publisher.flush()
  }
}

interface Server {
  readonly program: Program
  readonly admin: string
  read(name: string): Promise<number>
}

let redis: TestServer
let influx: TestServer
let outboxes: Outboxes
let servers: Server[]

beforeEach(async () => {
  servers = []
  ;[redis, influx] = await Promise.all([startRedis(), startInflux()])
  outboxes = await Outboxes.open(redis.url)
})

afterEach(async () => {
  await outboxes.close()
  for (const { program } of servers) program.signal('SIGKILL')
  await Promise.all(servers.map(({ program }) => program.ended))
  await Promise.all([redis.stop(), influx.stop()])
})

async function startServer(storeUrl = influx.url, args: readonly string[] = []): Promise<Server> {
  const port = await freePort()
  const env = { REDIS_URL: redis.url, INFLUX_URL: storeUrl, SENTINEL_ADMIN_PORT: `${port}` }
  const program = startProgram('server', { env, args })
  const admin = `http://127.0.0.1:${port}`
  const server = { program, admin, read: (name: string) => metric(admin, `sentinel_${name}`) }
  servers.push(server)
  await program.logged('server consumes')
  return server
}

const received = ({ admin }: Server): Promise<number> => receivedOfOthers(admin)

/** Until all is taken and stored. */
async function settle(): Promise<void> {
  outboxes.end()
  await until('the outboxes are empty', () => outboxes.held === 0, LIMIT_MS)
  const reconnects = await Promise.all(servers.map(({ read }) => read('broker_reconnects_total')))
  expect(reconnects).toEqual(servers.map(() => 0))
  const stored = (): Promise<number> => influxCount(influx.url, 'telemetry', 'come_back', 'text')
  await until('all is stored', async () => (await stored()) === outboxes.produced, LIMIT_MS)
  expect(outboxes.dropped).toBe(0)
}

it('thousands of outboxes that find a server together lose nothing, also when it stands still for a second', async () => {
  await outboxes.fill()
  outboxes.begin()
  const server = await startServer()
  await until('they send again', async () => (await received(server)) > SOURCES * 5, LIMIT_MS)
  server.program.signal('SIGSTOP')
  await sleep(1000)
  server.program.signal('SIGCONT')
  await settle()
  expect(await received(server)).toBe(outboxes.produced)
  expect(await server.read('lost_samples_total{certainty="exact"}')).toBe(0)
  expect(await server.read('broker_reconnects_total')).toBe(0)
}, 300_000)

it('of two servers on one channel, one that holds back counts what the other one took as lost, and all is stored', async () => {
  const store = await startInfluxProxy(influx.url)
  try {
    const server = await startServer()
    const small = ['--influx-in-flight=1', '--ingest-queue-max-bytes=1MiB', '--spool-max-bytes=16MiB']
    const full = await startServer(store.url, small)
    outboxes.begin()
    await until('both take', async () => (await received(full)) > SOURCES, LIMIT_MS)
    await store.become({ kind: 'slow', delayMs: 2000 })
    await until(
      'the second one takes less',
      async () => (await received(full)) < (await received(server)) - SOURCES,
      LIMIT_MS,
    )
    await store.become({ kind: 'none' })
    const before = await received(full)
    await until('it takes again', async () => (await received(full)) > before + SOURCES, LIMIT_MS)
    await settle()

    expect(await received(server)).toBe(outboxes.produced)
    expect(await server.read('lost_samples_total{certainty="exact"}')).toBe(0)
    await until(
      'the second one knows what it has not got',
      async () =>
        (await received(full)) + (await full.read('lost_samples_total{certainty="exact"}')) === outboxes.produced,
      LIMIT_MS,
    )
    for (const { read } of servers) {
      expect(await read('duplicate_samples_total')).toBe(0)
      expect(await read('broker_reconnects_total')).toBe(0)
    }
  } finally {
    await store.stop()
  }
}, 300_000)
