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
import { type InfluxProxy, startInfluxProxy } from '../support/influx-proxy.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { freePort, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'

/**
 * A write of 500 samples takes 2 s. One at a time has new samples, and up to four come from the spool: the server can
 * carry 1,250 samples a second, of which these sources make twice as many.
 */
const WRITE_MS = 2000
const SOURCES = 5
const FRAME_SAMPLES = 10
const FRAME_EVERY_MS = 20
const TEXT = 'x'.repeat(2000)
/** So small that queue and spool are full within seconds, because they hold 8,500 samples. */
const ARGS = [
  ...['--influx-in-flight=1', '--influx-max-samples=500', '--influx-max-bytes=2MiB'],
  ...['--ingest-queue-max-bytes=1MiB', '--spool-max-bytes=16MiB'],
] as const
/** A busy machine makes all of it slower. */
const LIMIT_MS = 60_000

/** A source with the publisher and the outbox of an agent. Each has a measurement of its own. */
class Source {
  readonly measurement: string
  readonly ledger = new PublisherLedger()
  readonly publisher: Publisher
  readonly #series
  readonly #ticking: NodeJS.Timeout
  #at = Date.now() * 1000

  constructor(broker: Broker, number: number) {
    const logger = pino({ level: 'silent' })
    this.measurement = `load_${number}`
    this.publisher = new Publisher({
      ...{ broker, codec: frameCodec, clock: new WallClock(), logger, throttle: new LogThrottle(logger) },
      ...{ runId: runId(`host-${number}`, 'agent'), ledger: this.ledger },
    })
    this.#series = seriesApart(this.measurement, [])
    this.#series.field('text', 'string')
    this.#ticking = setInterval(() => this.#tick(), FRAME_EVERY_MS)
  }

  stored(): Promise<number> {
    return influxCount(influx.url, 'telemetry', this.measurement, 'text')
  }

  /** Makes no more samples. */
  end(): void {
    clearInterval(this.#ticking)
  }

  #tick(): void {
    for (let i = 0; i < FRAME_SAMPLES; i++)
      this.publisher.add({ series: this.#series, values: [TEXT], at: this.#at++, tie: 0 })
    this.publisher.flush()
  }
}

let redis: TestServer
let influx: TestServer
let store: InfluxProxy
let server: Program
let admin: string
let broker: Broker
let sources: Source[] = []

beforeEach(async () => {
  ;[redis, influx] = await Promise.all([startRedis(), startInflux()])
  store = await startInfluxProxy(influx.url)
  const port = await freePort()
  admin = `http://127.0.0.1:${port}`
  server = startProgram('server', {
    env: { REDIS_URL: redis.url, INFLUX_URL: store.url, SENTINEL_ADMIN_PORT: `${port}` },
    args: ARGS,
  })
  await server.logged('server consumes')
  broker = await openBroker({ kind: 'pubsub', redis: { url: redis.url }, logger: pino({ level: 'silent' }) })
  sources = []
})

afterEach(async () => {
  for (const source of sources) source.end()
  await Promise.all(sources.map(({ publisher }) => publisher.stop(AbortSignal.abort())))
  await broker.close()
  server.signal('SIGKILL')
  await server.ended
  await store.stop()
  await Promise.all([redis.stop(), influx.stop()])
})

const read = (name: string): Promise<number> => metric(admin, `sentinel_${name}`)
const notReady = async (): Promise<string> => {
  const { reasons } = (await (await fetch(`${admin}/ready`)).json()) as { readonly reasons: readonly string[] }
  return reasons.join('; ')
}
const countsOf = (all: readonly Source[]): Promise<number[]> => Promise.all(all.map((source) => source.stored()))

it('a server that is sent twice what it can carry says so, loses nothing, starves no source, and keeps up again', async () => {
  await store.become({ kind: 'slow', delayMs: WRITE_MS })
  sources = Array.from({ length: SOURCES }, (_, number) => new Source(broker, number))
  await Promise.all(sources.map(({ publisher }) => publisher.start()))

  await until('it is behind', async () => (await read('behind')) === 1, LIMIT_MS)
  expect(await notReady()).toMatch(/behind: samples are stored .* wait for the store/)
  expect(server.log().find(({ msg }) => `${msg}`.startsWith('behind: '))).toMatchObject({ level: 'warn' })
  await until(
    'every agent keeps what the server does not take',
    () => sources.every(({ publisher }) => publisher.outboxBytes > 0),
    LIMIT_MS,
  )

  // Again and again, although the server does not listen most of the time.
  for (let round = 0; round < 3; round++) {
    const before = await countsOf(sources)
    const more = async (): Promise<boolean> => (await countsOf(sources)).every((count, i) => count >= before[i]! + 200)
    await until('there is more of every source in the store', more, LIMIT_MS)
  }

  for (const source of sources) source.end()
  await store.become({ kind: 'none' })
  await until('the outboxes are empty', () => sources.every(({ publisher }) => publisher.held === 0), LIMIT_MS)
  const produced = sources.map(({ ledger }) => ledger.produced)
  await until(
    'all is stored',
    async () => (await countsOf(sources)).every((count, i) => count === produced[i]),
    LIMIT_MS,
  )
  await until('it keeps up again', async () => (await read('behind')) === 0 && (await notReady()) === '', LIMIT_MS)
  expect(server.log().filter(({ msg }) => msg === 'this server keeps up again')).not.toEqual([])

  expect(sources.map(({ ledger }) => ledger.dropped)).toEqual(sources.map(() => 0))
  expect(await read('lost_samples_total{certainty="exact"}')).toBe(0)
  // A full queue has no room for the own metrics of the server, and for nothing else is there none.
  expect(await read('dropped_samples_total')).toBeLessThanOrEqual(await read('own_samples_total'))
  expect(await receivedOfOthers(admin)).toBe(produced.reduce((sum, count) => sum + count, 0))
  expect(await read('broker_reconnects_total')).toBe(0)
})
