import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { metric } from '../support/api.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { freePort, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'

let redis: TestServer
let influx: TestServer
let admin: Redis
let folder: string

beforeAll(async () => {
  ;[redis, influx] = await Promise.all([startRedis(), startInflux()])
  admin = new Redis(redis.url)
})

afterEach(async () => {
  await admin.flushall()
  await rm(folder, { recursive: true, force: true })
})

afterAll(async () => {
  admin.disconnect()
  await Promise.all([redis.stop(), influx.stop()])
})

type Summary = Readonly<Record<string, unknown>>

/** Ends a program in order. @returns its closing line */
async function close(program: Program): Promise<Summary> {
  expect(await program.stop()).toBe(0)
  const line = program.log().find(({ msg }) => msg === 'summary')
  if (line === undefined) throw new Error(`no summary line:\n${program.stderr()}`)
  return line
}

interface Running {
  readonly program: Program
  readonly count: (metric: string) => Promise<number>
}

async function start(role: 'agent' | 'server', broker: string): Promise<Running> {
  const port = await freePort()
  const program = startProgram(role, {
    env: {
      ...{ REDIS_URL: redis.url, INFLUX_URL: influx.url, SENTINEL_DATA_PATH: folder, SENTINEL_BROKER_KIND: broker },
      ...{ SENTINEL_ADMIN_PORT: `${port}`, SENTINEL_AGENT_HOST: 'web-01', SENTINEL_BROKER_CONSUMER: 'one' },
      ...(role === 'agent' ? { SENTINEL_AGENT_INTERVAL_MS: '100ms', SENTINEL_AGENT_INCLUDE: 'system' } : {}),
    },
  })
  await program.logged(role === 'agent' ? 'agent measures' : 'server consumes')
  return { program, count: (name) => metric(`http://127.0.0.1:${port}`, name) }
}

const deleteStreams = async (): Promise<void> => {
  await admin.del(await admin.keys('queue:*'))
}
const grows = async (what: string, count: () => Promise<number>): Promise<void> => {
  const before = await count()
  await until(`${what} grows`, async () => (await count()) > before + 20)
}
const numberIn = (summary: Summary, column: string): number => Number(summary[column])

describe('what vanishes from Redis while no server runs', () => {
  it('is counted where its run goes on, and what is lost besides is unknown', async () => {
    folder = await mkdtemp(join(tmpdir(), 'sentinel-loss-'))
    const agent = await start('agent', 'streams')
    const sent = (): Promise<number> => agent.count('sentinel_sent_samples_total')
    const first = await start('server', 'streams')
    await grows('what is received', () => first.count('sentinel_received_samples_total'))
    const before = await close(first.program)
    expect(before).toMatchObject({ lost: 0 })
    await grows('what is sent', sent)
    await deleteStreams()
    await grows('what is sent', sent)

    const second = await start('server', 'streams')
    const lost = (): Promise<number> => second.count('sentinel_lost_samples_total{certainty="exact"}')
    await until('the loss is counted', async () => (await lost()) > 0)
    expect(await second.count('sentinel_loss_unknown{reason="vanished"}')).toBeGreaterThan(0)
    const agentEnd = await close(agent.program)
    await until(
      'all is received',
      async () => (await second.count('sentinel_broker_lag_messages{partition="0"}')) === 0,
    )
    const after = await close(second.program)
    expect(after).toMatchObject({ lost: 'unknown', lost_unknown: expect.stringContaining('vanished') })
    const received = [before, after].reduce((sum, each) => sum + numberIn(each, 'received') - numberIn(each, 'own'), 0)
    expect(received + numberIn(after, 'lost_at_least')).toBe(agentEnd.agent_sent)
    expect(numberIn(after, 'lost_at_least')).toBeGreaterThanOrEqual(20)
    expect(second.program.stderr()).toContain('the stream in Redis is not the one that it was')
  })

  it('is unknown where its run has ended too', async () => {
    folder = await mkdtemp(join(tmpdir(), 'sentinel-loss-'))
    const agent = await start('agent', 'streams')
    const first = await start('server', 'streams')
    await grows('what is received', () => first.count('sentinel_received_samples_total'))
    await close(first.program)
    await grows('what is sent', () => agent.count('sentinel_sent_samples_total'))
    await close(agent.program)
    await admin.flushall()
    const second = await start('server', 'streams')
    await until('it is noticed', async () => (await second.count('sentinel_loss_unknown{reason="vanished"}')) > 0)
    expect(await close(second.program)).toMatchObject({
      lost: 'unknown',
      lost_at_least: 0,
      received: expect.anything(),
    })
  })

  it('is unknown over pubsub, where the checkpoints were in Redis', async () => {
    folder = await mkdtemp(join(tmpdir(), 'sentinel-loss-'))
    const agent = await start('agent', 'pubsub')
    const first = await start('server', 'pubsub')
    await grows('what is received', () => first.count('sentinel_received_samples_total'))
    expect(await close(first.program)).toMatchObject({ lost: 0 })
    await admin.flushall()
    const second = await start('server', 'pubsub')
    await grows('what is received', () => second.count('sentinel_received_samples_total'))
    await close(agent.program)
    expect(await close(second.program)).toMatchObject({ lost: 'unknown', lost_unknown: '1 met_late', lost_at_least: 0 })
  })

  it('a server that is killed over streams has lost nothing, and knows that', async () => {
    folder = await mkdtemp(join(tmpdir(), 'sentinel-loss-'))
    const agent = await start('agent', 'streams')
    const first = await start('server', 'streams')
    await grows('what is written', () => first.count('sentinel_written_samples_total'))
    first.program.signal('SIGKILL')
    await first.program.ended
    const second = await start('server', 'streams')
    await grows('what is received', () => second.count('sentinel_received_samples_total'))
    await close(agent.program)
    expect(await close(second.program)).toMatchObject({ lost: 0, lost_at_most: 0 })
  })
})
