import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { metric } from '../support/api.ts'
import { type Program, run, startProgram } from '../support/programs.ts'
import { json, publishRaw } from '../support/raw-redis.ts'
import { freePort, startRedis, type TestServer, until } from '../support/servers.ts'

let redis: TestServer
let folder: string

beforeAll(async () => {
  redis = await startRedis()
})
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sentinel-data-path-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))
afterAll(() => redis.stop())

interface Running {
  readonly program: Program
  readonly env: Record<string, string>
  readonly admin: string
}

/** Nothing listens at the address of the store. */
async function start(role: 'agent' | 'server', dataPath: string): Promise<Running> {
  const [port, nobody] = await Promise.all([freePort(), freePort()])
  const env = {
    ...{ REDIS_URL: redis.url, INFLUX_URL: `http://127.0.0.1:${nobody}`, SENTINEL_DATA_PATH: dataPath },
    ...{ SENTINEL_ADMIN_PORT: `${port}`, SENTINEL_BROKER_CONSUMER: 'one' },
  }
  const program = startProgram(role, { env })
  await program.logged('started')
  return { program, env, admin: `http://127.0.0.1:${port}` }
}

async function readiness(admin: string): Promise<{ status: number; reasons: string }> {
  const response = await fetch(`${admin}/ready`)
  const { reasons } = (await response.json()) as { reasons: string[] }
  return { status: response.status, reasons: reasons.join('; ') }
}

describe('a data path that cannot be written to', () => {
  it('is known to a server at its start, and a stop that drops samples exits with 1', async () => {
    // Also for root, who may write to a folder that is read-only for others.
    const path = join(folder, 'a file')
    await writeFile(path, '')
    const { program, env, admin } = await start('server', path)
    expect(await readiness(admin)).toMatchObject({
      status: 503,
      reasons: expect.stringContaining('nothing can be written'),
    })
    expect(await metric(admin, 'sentinel_spool_ready')).toBe(0)
    expect(program.stderr() + program.stdout()).toContain('the data folder cannot be written to')
    const { code, stdout } = await run('sentinel', { args: ['doctor', 'server'], env })
    expect([code, stdout]).toEqual([1, expect.stringMatching(/^FAIL data: nothing can be written to /m)])
    expect(stdout).toMatch(/^FAIL server spool: .*it cannot write to its disk/m)

    await publishRaw(redis.port, 'metrics', [json(1, 1, Date.now()), json(2, 2, Date.now())])
    await until('they are received', async () => (await metric(admin, 'sentinel_received_messages_total')) === 2)
    expect(await program.stop()).toBe(1)
    const summary = program.log().find(({ msg }) => msg === 'summary')
    expect(summary).toMatchObject({ held: 0, dropped: summary!.received })
  })

  it('is known to an agent at its start, and a stop that drops samples exits with 1', async () => {
    const path = join(folder, 'a file')
    await writeFile(path, '')
    const { program, env, admin } = await start('agent', path)
    expect(await metric(admin, 'sentinel_outbox_on_disk')).toBe(0)
    const { code, stdout } = await run('sentinel', { args: ['doctor', 'agent'], env })
    expect([code, stdout]).toEqual([1, expect.stringMatching(/^FAIL agent outbox: /m)])
    await until('it holds some', async () => (await metric(admin, 'sentinel_outbox_samples')) > 0)
    expect(await program.stop()).toBe(1)
  })

  it('is noticed when it becomes so later, and when it is well again', async () => {
    const { program, admin } = await start('server', folder)
    const spool = join(folder, 'server', 'one', 'spool')
    const ready = (): Promise<number> => metric(admin, 'sentinel_spool_ready')
    expect(await ready()).toBe(1)
    await rename(spool, `${spool}.aside`)
    await writeFile(spool, '')
    await until('it is noticed', async () => (await ready()) === 0)
    expect((await readiness(admin)).reasons).toContain('nothing can be written')
    await rm(spool)
    await rename(`${spool}.aside`, spool)
    await until('it is well again', async () => (await ready()) === 1)
    expect(await program.stop()).toBe(0)
  })
})
