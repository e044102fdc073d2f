import { existsSync, statfsSync } from 'node:fs'
import { cpus, networkInterfaces, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ApiClient } from '../support/api.ts'
import { ComposeProject, containerLog, docker } from '../support/compose.ts'
import { influxQuery } from '../support/influx.ts'
import { freePort, until } from '../support/servers.ts'

const PROJECT = 'sentinelstream-test'
const SERVERS = ['redis', 'influxdb']
/** The roles that samples pass through, and keep some. */
const KEEPERS = ['agent', 'server', 'api', 'queue']
/** Those with figures of their own in the store. */
const PUBLISHERS = ['agent', 'server', 'api']
/** Those that ask for keys, and have one file of them. */
const KEY_KEEPERS = ['api', 'queue']
const ROLES = [...KEEPERS, 'generator']
const SERVICES = [...SERVERS, ...ROLES]
const TOKEN = 'token-of-this-test'
const KEY = 'api-key-of-this-test'

const BUILD_MS = 900_000
const START_MS = 120_000

let compose: ComposeProject
let api: ApiClient
let influxUrl: string

beforeAll(async () => {
  const [apiPort, influxPort] = [await freePort(), await freePort()]
  api = new ApiClient(apiPort, KEY)
  influxUrl = `http://127.0.0.1:${influxPort}`
  compose = new ComposeProject({
    project: PROJECT,
    folder: fileURLToPath(new URL('../..', import.meta.url)),
    built: [...ROLES, 'dashboards'],
    env: {
      API_PORT: `${apiPort}`,
      INFLUX_PORT: `${influxPort}`,
      REDIS_PORT: `${await freePort()}`,
      API_ADMIN_PORT: `${await freePort()}`,
      SERVER_ADMIN_PORT: `${await freePort()}`,
      AGENT_ADMIN_PORT: `${await freePort()}`,
      QUEUE_PORT: `${await freePort()}`,
      QUEUE_ADMIN_PORT: `${await freePort()}`,
      GENERATOR_PORT: `${await freePort()}`,
      GENERATOR_ADMIN_PORT: `${await freePort()}`,
      INFLUX_TOKEN: TOKEN,
      API_KEY: KEY,
      // Empty is the same as not set: what this shell has of these names is not for the test.
      INFLUX_ORG: '',
      INFLUX_BUCKET: '',
      SENTINEL_AGENT_HOST: '',
      SENTINEL_FABRIC_NAMED: '',
    },
  })
  await compose.remove()
  await compose.run('up', '--build', '--detach').catch(async (error: unknown) => {
    await showState()
    throw error
  })
}, BUILD_MS)

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await showState()
})

afterAll(async () => {
  await compose?.remove()
  compose?.close()
}, START_MS)

describe('docker compose up --build', () => {
  it(
    'comes up with every service healthy',
    async () => {
      await compose.untilHealthy(SERVICES, START_MS)
    },
    START_MS + 5_000,
  )

  it('puts the dashboards into InfluxDB 2.x; of an older one it says so, and stops trying', async () => {
    const version = (await fetch(`${influxUrl}/ping`)).headers.get('x-influxdb-version') ?? ''
    const since2 = /^v?2\./.test(version)
    const id = await compose.container('dashboards')
    const state = async (format: string): Promise<string> => docker('inspect', '-f', format, id)
    await until(
      'the dashboards have ended',
      async () => (await state('{{.State.Status}} {{.State.Restarting}}')) === 'exited false',
      90_000,
    )
    expect(await state('{{.State.ExitCode}} {{.RestartCount}}')).toBe(since2 ? '0 0' : '1 5')
    expect(await containerLog(id)).toContain(since2 ? 'created ' : `they need InfluxDB 2.x, this is ${version}`)
  })

  it('says at last where the page and the dashboards are, and how to log in', async () => {
    const id = await compose.container('welcome')
    await until('the lines are written', async () => (await containerLog(id)).includes('password'), 90_000)
    const [page, dashboards] = (await containerLog(id)).trim().split('\n')
    expect(page).toContain(`The page: ${api.url}`)
    expect(dashboards).toContain(`The dashboards: ${influxUrl}, user admin, password demo-password`)
  })

  it('shows samples over the API and keeps them in the database', async () => {
    const host = await api.firstHost(60_000)
    expect(host).toMatchObject({ host: 'demo', stale: false })
    expect(host.memPercent).toBeGreaterThan(0)
    expect((await api.hosts()).map(({ host: name }) => name)).toEqual(['demo'])
    await until('five readings of the CPU are stored', async () => {
      return Number(await stored("SELECT count(usage_idle) FROM cpu WHERE cpu = 'cpu-total'", 'count')) >= 5
    })
    await until('the figures of each role are stored', async () => {
      const roles = await rows('SHOW TAG VALUES FROM sentinel_pipeline WITH KEY = "role"')
      return PUBLISHERS.every((role) => roles.some(({ value }) => value === role))
    })
  })

  it('measures this machine, not the container of the agent', async () => {
    const agent = await compose.container('agent')
    const inContainer = async (glob: string): Promise<number> =>
      Number(await docker('exec', agent, 'bash', '-c', `set -- ${glob}; echo $#`))

    expect(await stored('SELECT last(total) FROM mem', 'last')).toBe(totalmem())
    expect(await stored('SELECT last(n_cpus) FROM system', 'last')).toBe(cpus().length)
    const { blocks, bsize } = statfsSync('/')
    expect(await stored("SELECT last(total) FROM disk WHERE path = '/'", 'last')).toBe(blocks * bsize)
    expect(await stored('SELECT last(reads) FROM diskio', 'last')).toBeGreaterThan(0)
    const processes = await stored('SELECT last(total) FROM processes', 'last')
    expect(processes).toBeGreaterThan(await inContainer('/proc/[0-9]*'))
    const interfaces = (await rows('SHOW TAG VALUES FROM net WITH KEY = interface')).map(({ value }) => value)
    for (const [name, addresses] of Object.entries(networkInterfaces())) {
      // Those of containers come and go, and are left out.
      if (addresses?.[0]?.internal === false && !name.startsWith('veth')) expect(interfaces).toContain(name)
    }
    expect(interfaces.filter((name) => `${name}`.startsWith('veth'))).toEqual([])
    const mounts = JSON.parse(await docker('inspect', '-f', '{{json .Mounts}}', agent)) as object[]
    // Disks of later reach it. The engine falls back where the machine's own `/` is not shared.
    expect(mounts).toContainEqual(expect.objectContaining({ Source: '/', RW: false, Propagation: 'rslave' }))
    // What is not to be had is said.
    expect((await containerLog(agent)).includes('"part":"system.n_users"')).toBe(!existsSync('/run/utmp'))
  })

  it('shows a fabric that is called made up', async () => {
    await until('its switches are there', async () => {
      const { body } = await api.json<{ fabrics: object[] }>('/api/v1/fabrics')
      return body.fabrics.length === 1
    })
    const { body } = await api.json<{ fabrics: object[] }>('/api/v1/fabrics')
    expect(body.fabrics).toMatchObject([{ fabric: 'made-up', rows: 50 }])
    await until('their values are stored', async () => {
      return Number(await stored("SELECT count(latency_ms) FROM switch WHERE fabric = 'made-up'", 'count')) >= 50
    })
  })

  it('serves the page on this machine only', async () => {
    expect(await (await fetch(api.url)).text()).toContain('SentinelStream')
    expect(await compose.run('port', 'api', '8080')).toBe(api.url.slice('http://'.length))
  })

  it.each(ROLES)('runs %s as a user without rights, on a file system that it cannot write', async (role) => {
    const id = await compose.container(role)
    const status = await docker('exec', id, 'bash', '-c', 'cat /proc/1/status')
    expect(status).toMatch(/^Uid:\t1000\t1000\t1000\t1000$/m)
    expect(status).toMatch(/^CapBnd:\t0+$/m)
    expect(status).toMatch(/^NoNewPrivs:\t1$/m)
    await expect(docker('exec', id, 'bash', '-c', ': >/app/x')).rejects.toThrow('Read-only file system')
    if (!KEEPERS.includes(role)) return
    // What it keeps is on a volume with a name: one without would be left behind by each new container.
    const volumes = await docker('inspect', '-f', '{{range .Mounts}}{{if .Name}}{{.Name}} {{end}}{{end}}', id)
    const kept = KEY_KEEPERS.includes(role) ? ['keys', role] : [role]
    expect(volumes.trim().split(' ').sort()).toEqual(kept.map((name) => `${PROJECT}_${name}-data`).sort())
    expect(await docker('exec', id, 'bash', '-c', `ls /app/data/${role}/*`)).toContain('lock')
  })

  it.each(['server', ...SERVERS])(
    'heals when %s is stopped and started again',
    async (service) => {
      await compose.run('stop', service)
      expect((await compose.services()).get(service)?.health).toBe('exited')
      await compose.run('start', service)
      await samplesFlowAgain()
    },
    2 * START_MS,
  )

  it.each(ROLES)(
    'comes back when %s is killed',
    async (role) => {
      const id = await compose.container(role)
      await docker('exec', id, 'bash', '-c', 'kill -9 -1').catch(() => {})
      await until('the engine has started it again', async () => {
        return (await docker('inspect', '-f', '{{.RestartCount}}', id)) === '1'
      })
      await samplesFlowAgain()
    },
    2 * START_MS,
  )

  it.each(ROLES)('%s ends by itself when it is stopped, and sums up', async (role) => {
    const id = await compose.container(role)
    await compose.run('stop', role)
    expect(await docker('inspect', '-f', '{{.State.ExitCode}}', id)).toBe('0')
    expect((await containerLog(id)).trim().split('\n').at(-1)).toContain('"msg":"summary"')
  })
})

describe('docker run, without any server beside it', () => {
  const name = `${PROJECT}-up`
  const volume = `${PROJECT}-up-data`
  let alone: ApiClient

  const remove = async (): Promise<void> => {
    await docker('rm', '--force', name).catch(() => {})
    await docker('volume', 'rm', '--force', volume)
  }

  beforeAll(async () => {
    await remove()
    const port = await freePort()
    const image = await docker('inspect', '-f', '{{.Image}}', await compose.container('server'))
    await docker('run', '--detach', '--name', name, '-p', `127.0.0.1:${port}:8080`, '-v', `${volume}:/app/data`, image)
    const keyIn = async (): Promise<string> => /shown this once: (\S+)/.exec(await containerLog(name))?.[1] ?? ''
    await until('the first start has printed a key', async () => (await keyIn()) !== '', 60_000)
    const withoutKey = new ApiClient(port)
    await until('it answers, and asks for the key', async () => {
      const { status } = await withoutKey.json('/api/v1/hosts').catch(() => ({ status: 0 }))
      return status === 401
    })
    alone = new ApiClient(port, await keyIn())
  }, START_MS)
  afterAll(remove, START_MS)

  it('shows samples, keeps them over a restart, and ends by itself', async () => {
    const { host } = await alone.firstHost(60_000)
    await docker('stop', name)
    expect(await docker('inspect', '-f', '{{.State.ExitCode}}', name)).toBe('0')
    expect((await containerLog(name)).trim().split('\n').at(-1)).toContain('"msg":"summary"')
    const stoppedAt = Date.now() * 1000
    await docker('start', name)
    await alone.firstHost(60_000)
    const query = { measurement: 'mem', field: 'used_percent', start: '-5m', every: '1s', aggregate: 'last' }
    const { series } = await alone.history(host, query)
    expect(series[0]?.points.some(([at]) => at < stoppedAt)).toBe(true)
  })
})

/** What one looks at first when a test has failed. */
async function showState(): Promise<void> {
  console.error([...(await compose.services())].map(([service, { health }]) => `${service}: ${health}`).join('\n'))
  console.error(await compose.run('logs', '--tail=20'))
}

function rows(query: string): Promise<Array<Record<string, unknown>>> {
  return influxQuery(influxUrl, 'telemetry', query, TOKEN)
}

/** One column of the only row that a query gives. */
async function stored(query: string, column: string): Promise<unknown> {
  return (await rows(query).catch(() => []))[0]?.[column]
}

/** Every service is healthy, and a sample that was made after that has reached the API and the database. */
async function samplesFlowAgain(): Promise<void> {
  await compose.untilHealthy(SERVICES, START_MS)
  const since = Date.now() * 1000
  await until('a fresh sample has come through', async () => {
    return (await api.hosts().catch(() => [])).some(({ host, lastSeenAt }) => host === 'demo' && lastSeenAt > since)
  })
  const query = { measurement: 'mem', field: 'used_percent', start: '-1m', every: '1s', aggregate: 'last' }
  await until('and is stored', async () => {
    const { series } = await api.history('demo', query).catch(() => ({ series: [] }))
    return (series[0]?.points ?? []).some(([at]) => at > since)
  })
}
