import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { metric } from '../support/api.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { json } from '../support/raw-redis.ts'
import { freePort, sleep, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

/** Docker gives ten seconds unless told otherwise, Kubernetes thirty: `stop.deadlineMs` is 25 s. */
const DEADLINE_MS = 25_000
const MESSAGES = 300

type Trouble = 'none' | 'down' | 'half-open'

interface Row {
  readonly what: string
  readonly role: 'agent' | 'server' | 'api' | 'up'
  readonly broker: 'pubsub' | 'streams'
  readonly redis: Trouble
  readonly store: Trouble
}

/** Both half-open is the longest stop: every last try lasts until its limit. Both down is none of those. */
const TROUBLES: ReadonlyArray<readonly [what: string, redis: Trouble, store: Trouble]> = [
  ['all well', 'none', 'none'],
  ['both half-open', 'half-open', 'half-open'],
  ['Redis down', 'down', 'none'],
  ['Redis half-open', 'half-open', 'none'],
  ['the store down', 'none', 'down'],
  ['the store half-open', 'none', 'half-open'],
]
/**
 * What makes a difference to a role: an agent has no store, the kind of broker is none to what only reads the store, and `up` has the
 * parts of the others: what it adds is their order.
 */
const ROWS: Row[] = (['agent', 'server', 'api', 'up'] as const).flatMap((role) =>
  (['pubsub', 'streams'] as const).flatMap((broker) =>
    TROUBLES.filter(([, , store]) => role !== 'agent' || store === 'none')
      .slice(0, role === 'up' || (role === 'api' && broker === 'streams') ? 2 : undefined)
      .map(([what, redis, store]): Row => ({ what: `${role} over ${broker}, ${what}`, role, broker, redis, store })),
  ),
)

/** In which order the stages of each role end; others may stand between. */
const ORDER: Readonly<Record<Row['role'], readonly string[]>> = {
  agent: ['source', 'agent publisher', 'broker', 'admin listener', 'log'],
  server: ['intake', 'batches', 'live feed', 'store', 'broker', 'admin listener', 'log'],
  api: ['http', 'api publisher', 'live table', 'store reader', 'broker', 'admin listener', 'log'],
  up: [
    'source',
    'agent publisher',
    'http',
    'api publisher',
    'intake',
    'batches',
    'store',
    'broker',
    'admin listener',
    'log',
  ],
}

let redis: TestServer
let influx: TestServer
beforeAll(async () => {
  ;[redis, influx] = await Promise.all([startRedis(), startInflux()])
})
afterAll(async () => {
  await Promise.all([redis?.stop(), influx?.stop()])
})

/** Between the program and a server: what troubles it troubles this program alone. */
async function startBetween(server: TestServer): Promise<TcpProxy & { trouble(kind: Trouble): Promise<void> }> {
  const proxy = await startTcpProxy(server.port)
  return Object.assign(proxy, {
    async trouble(kind: Trouble) {
      if (kind === 'half-open') proxy.become({ kind: 'silent' })
      if (kind === 'down') {
        proxy.cut()
        await proxy.stop()
      }
    },
  })
}

async function publish({ broker }: Row, topic: string): Promise<void> {
  const client = new Redis(redis.port)
  const now = Date.now()
  const pipeline = client.pipeline()
  for (let i = 0; i < MESSAGES; i++) {
    const payload = json(i, 50, now)
    if (broker === 'pubsub') pipeline.publish('metrics', payload)
    else pipeline.xadd(`queue:{${topic}:0}`, '*', 'd', payload)
  }
  await pipeline.exec()
  client.disconnect()
}

/** Messages of a stream that Redis keeps for the next server. */
async function unacked(topic: string): Promise<number> {
  const client = new Redis(redis.port)
  const [pending] = (await client.xpending(`queue:{${topic}:0}`, topic)) as [number]
  client.disconnect()
  return pending
}

const summaryOf = (program: Program): Record<string, number> => {
  const line = program.log().find(({ msg }) => msg === 'summary')
  if (line === undefined) throw new Error(`no summary line:\n${program.stderr()}`)
  return line as Record<string, number>
}

/** Whatever the program counts of itself balances, and nothing was given up. */
function expectLedgers(summary: Record<string, number>, { broker }: Row): void {
  const column = (name: string): number => summary[name] ?? 0
  for (const role of ['agent', 'api']) {
    if (summary[`${role}_produced`] === undefined) continue
    expect(summary).toMatchObject({ [`${role}_dropped`]: 0 })
    expect(column(`${role}_produced`) + column(`${role}_taken_over`)).toBe(
      column(`${role}_sent`) + column(`${role}_held`) + column(`${role}_dropped`),
    )
  }
  if (summary.received === undefined) return
  expect(summary).toMatchObject({ rejected: 0 })
  // A server over streams has no spool, and its own metrics no message that Redis would keep.
  expect(column('dropped')).toBeLessThanOrEqual(broker === 'streams' ? column('own') : 0)
  expect(column('received') + column('taken_over')).toBe(
    column('written') + column('rejected') + column('dropped') + column('held'),
  )
}

describe.concurrent('SIGTERM ends in the order of the flow, with nothing given up, with 0 and in time', () => {
  it.each(ROWS)('$what', async (row) => {
    const { role, broker } = row
    const folder = await mkdtemp(join(tmpdir(), 'sentinel-stop-'))
    const [toRedis, toInflux, port, apiPort] = await Promise.all([
      ...[startBetween(redis), startBetween(influx)],
      ...[freePort(), freePort()],
    ] as const)
    const admin = `http://127.0.0.1:${port}`
    // A stream of its own: rows run side by side.
    const topic = `stop-${port}`
    const program = startProgram('sentinel', {
      args: [
        ...[role, `--admin-port=${port}`, `--broker-kind=${broker}`, `--broker-topic=${topic}`],
        ...(role === 'api' || role === 'up' ? [`--api-port=${apiPort}`] : []),
        ...(role === 'server' || role === 'up' ? [`--broker-group=${topic}`, `--broker-consumer=${topic}`] : []),
      ],
      cwd: folder,
      env: { REDIS_URL: `redis://127.0.0.1:${toRedis.port}`, INFLUX_URL: `http://127.0.0.1:${toInflux.port}` },
    })
    await program.logged('started')

    await toInflux.trouble(row.store)
    if (role === 'server' || role === 'up') {
      await publish(row, topic)
      const received = (): Promise<number> => metric(admin, 'sentinel_received_samples_total')
      await until('they have come', async () => (await received()) >= MESSAGES)
    }
    await toRedis.trouble(row.redis)
    if (role !== 'server') {
      const produced = await metric(admin, 'sentinel_produced_samples_total')
      await until('it makes more', async () => (await metric(admin, 'sentinel_produced_samples_total')) > produced)
    }

    const stopping = watchReadiness(admin)
    expect(await program.stop()).toBe(0)
    const log = program.log()
    const stopped = log.find(({ msg }) => msg === 'stopped')!
    expect(stopped.stopMs).toBeLessThan(DEADLINE_MS)
    const stages = Object.keys(stopped.stages as object)
    expect(stages.filter((stage) => ORDER[role].includes(stage))).toEqual(ORDER[role])
    expect(log.at(-1)?.msg).toBe('summary')
    expect(log.filter(({ level }) => level === 'fatal')).toEqual([])
    const summary = summaryOf(program)
    expectLedgers(summary, row)
    if ((role === 'server' || role === 'up') && row.store !== 'none') {
      const kept = broker === 'streams' ? await unacked(topic) : Number(summary.spooled)
      expect(kept).toBeGreaterThanOrEqual(MESSAGES)
    }
    // Not ready from the first moment on, and it says so as long as it answers.
    const answers = await stopping
    const first = answers.findIndex(({ reasons }) => reasons.includes('stopping'))
    // A stop may be over before the next question comes.
    if (Number(stopped.stopMs) > 1000) expect(first).toBeGreaterThanOrEqual(0)
    if (first >= 0) expect(answers.slice(first).every(({ status }) => status === 503)).toBe(true)

    await Promise.all([toRedis.stop(), toInflux.stop()])
    await rm(folder, { recursive: true, force: true })
  })
})

interface Readiness {
  readonly status: number
  readonly reasons: readonly string[]
}

/** Asks again and again until nobody answers. */
async function watchReadiness(admin: string): Promise<Readiness[]> {
  const answers: Readiness[] = []
  for (;;) {
    try {
      const response = await fetch(`${admin}/ready`)
      const { reasons = [] } = (await response.json()) as { reasons?: string[] }
      answers.push({ status: response.status, reasons })
    } catch {
      return answers
    }
    // Without a pause, the questions of all rows would take a core.
    await sleep(50)
  }
}
