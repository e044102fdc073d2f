import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiClient, type HostAnswer } from '../support/api.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { publishRaw } from '../support/raw-redis.ts'
import { freePort, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'

// Server, API and agent as processes of their own, on a machine of one name.

const LONG_MS = 60_000

/** A `/proc` of which single files can be taken away. */
async function makeProc(folder: string): Promise<string> {
  const root = join(folder, 'proc')
  await mkdir(root)
  const names = (await readdir('/proc')).filter((name) => !/^\d+$/.test(name) && name !== 'thread-self')
  await Promise.all(names.map((name) => symlink(`/proc/${name}`, join(root, name))))
  return root
}

describe.each(['pubsub', 'streams'] as const)('over %s, a host', (kind) => {
  let redis: TestServer
  let influx: TestServer
  let folder: string
  let api: ApiClient
  let startApi: () => Promise<Program>
  let apiProgram: Program
  let agent: Program
  let client: Redis
  const others: Program[] = []

  beforeAll(async () => {
    ;[redis, influx] = await Promise.all([startRedis(), startInflux()])
    client = new Redis(redis.port)
    folder = await mkdtemp(join(tmpdir(), 'sentinel-fresh-'))
    const apiPort = await freePort()
    api = new ApiClient(apiPort)
    const env = {
      ...{ REDIS_URL: redis.url, INFLUX_URL: influx.url, SENTINEL_BROKER_KIND: kind },
      ...{ HOST_PROC: await makeProc(folder), SENTINEL_AGENT_HOST: 'machine' },
    }
    const start = async (role: string, ...args: string[]): Promise<Program> =>
      startProgram('sentinel', { env, cwd: folder, args: [role, `--admin-port=${await freePort()}`, ...args] })
    startApi = () => start('api', `--api-port=${apiPort}`)
    others.push(await start('server'))
    apiProgram = await startApi()
    agent = await start('agent')
    await api.firstHost()
  })
  afterAll(async () => {
    await Promise.all([agent, apiProgram, ...others].map((program) => program?.stop()))
    client?.disconnect()
    await Promise.all([redis?.stop(), influx?.stop(), rm(folder, { recursive: true, force: true })])
  })

  async function publish(messages: readonly Buffer[]): Promise<void> {
    if (kind === 'pubsub') await publishRaw(redis.port, 'metrics', messages)
    else for (const message of messages) await client.xadd('queue:{telemetry:0}', '*', 'd', message)
  }

  const host = async (name = 'machine'): Promise<HostAnswer | undefined> =>
    (await api.hosts().catch(() => [])).find((one) => one.host === name)

  async function untilHost(what: string, is: (found: HostAnswer) => boolean, name?: string): Promise<void> {
    await until(
      what,
      async () => {
        const found = await host(name)
        return found !== undefined && is(found)
      },
      LONG_MS,
    )
  }

  it('whose clock is five minutes behind is fresh, with its offset; so is one whose clock was ahead and is right', async () => {
    let aheadMs = 300_000
    const publishBoth = () => {
      const message = (name: string, offsetMs: number) =>
        Buffer.from(
          JSON.stringify({
            ...{ cpu_usage: offsetMs === 0 ? 1 : 99, host: name },
            send_time_unix_nano: `${Date.now() + offsetMs}000000`,
          }),
        )
      return publish([message('behind', -300_000), message('set', aheadMs)])
    }
    const publishing = setInterval(() => void publishBoth(), 500)
    try {
      await untilHost('the one behind is fresh', ({ stale, cpuPercent }) => !stale && cpuPercent === 99, 'behind')
      expect(Math.round((await host('behind'))!.clockOffsetMs! / 10_000)).toBe(-30)
      await untilHost('the one ahead is fresh', ({ cpuPercent }) => cpuPercent === 99, 'set')
      aheadMs = 0
      await untilHost('it is fresh with what comes now', ({ stale, cpuPercent }) => !stale && cpuPercent === 1, 'set')
      expect(Math.abs((await host('set'))!.clockOffsetMs!)).toBeLessThan(10_000)
    } finally {
      clearInterval(publishing)
    }
  })

  it('of which a file cannot be read any more has no figure of it, and the others', async () => {
    await untilHost('it has memory', ({ memPercent }) => memPercent !== null)
    await rm(join(folder, 'proc/meminfo'))
    await untilHost('memory is unknown', ({ memPercent }) => memPercent === null)
    expect(await host()).toMatchObject({ stale: false, cpuPercent: expect.any(Number) })
    const samples = await api.live((seen) => seen.some(({ stale }) => stale === true), '?host=machine&measurement=mem')
    expect(samples.at(-1)).toMatchObject({ measurement: 'mem', stale: true })
  })

  it('whose agent is killed is stale, though server and API of that machine go on; after a restart of the API too', async () => {
    agent.signal('SIGKILL')
    await untilHost('it is stale', ({ stale, cpuPercent }) => stale && cpuPercent === null)
    const [own] = await api.live((samples) => samples.length > 0, '?measurement=sentinel_pipeline&host=machine')
    expect(own).toBeDefined()
    await apiProgram.stop()
    apiProgram = await startApi()
    await untilHost('the host is known', () => true)
    expect(await host()).toMatchObject({ stale: true, cpuPercent: null })
  })
})
