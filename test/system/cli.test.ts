import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROLE_NAMES } from '../../cmd/program/roles.ts'
import { ApiClient } from '../support/api.ts'
import { mainOf, type Program, run, startProgram } from '../support/programs.ts'
import { freePort, startInflux, startRedis, startSilentServer, until } from '../support/servers.ts'
import { startTemplatesInflux } from '../support/templates-influx.ts'

type Env = Record<string, string>
type Ended = Awaited<ReturnType<typeof run>>

const sentinel = (args: string[], env: Env = {}, cwd?: string): Promise<Ended> =>
  run('sentinel', { args, env, ...(cwd === undefined ? {} : { cwd }) })

/** Every subcommand, and all that can be mistyped, in cmd/sentinel/command.test.ts. */
describe.concurrent('each program', () => {
  const PROGRAMS = [...ROLE_NAMES.filter((name) => name !== 'up'), 'sentinel']
  it.each(PROGRAMS)('%s --help goes to stdout, whatever the settings', async (program) => {
    const { code, stdout, stderr } = await run(program, { args: ['--help'], env: { SENTINEL_BROKEN: '1' } })
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toContain(`Usage: ${program} `)
    expect(stdout).toContain('Exit codes: 0 success, 1 failure, 2 wrong command line, 78 invalid settings')
  })

  // The agent among the commands of sentinel starts in another way than all others.
  it.each([...PROGRAMS, 'sentinel agent'])('%s --version', async (typed) => {
    const [program = '', ...words] = typed.split(' ')
    const { code, stdout, stderr } = await run(program, {
      args: [...words, '--version'],
      env: { SENTINEL_BROKEN: '1' },
    })
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(new RegExp(`^${program} \\d+\\.\\d+\\.\\d+ \\(.*Node\\.js v\\d+`))
  })

  it.each([
    [['upp'], "unknown command 'upp'\n(Did you mean up?)"],
    [['agent', '--influx-url', 'http://h'], "unknown option '--influx-url'"],
  ])('ends with 2 after a wrong command line, and says on stderr what was meant: %j', async (args, words) => {
    const { code, stdout, stderr } = await sentinel(args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(words)
  })
})

describe.concurrent('settings, as `sentinel validate` shows them', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sentinel-cli-'))
    const files = {
      'good.yaml': 'agent:\n  host: from-file\n  intervalMs: 500ms\napi:\n  port: 9001\n',
      'typo.yaml': 'agent:\n  host: a\n  intervalMS: 5s\n',
      token: 'from-a-file\n',
    }
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text, { mode: 0o600 })
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it('flags win over variables, variables over the file, the file over defaults', async () => {
    const { code, stdout } = await sentinel(
      ['validate', '--config', 'good.yaml', '--agent-host', 'from-flag'],
      { SENTINEL_AGENT_HOST: 'from-env', SENTINEL_API_PORT: '9002' },
      folder,
    )
    expect(code).toBe(0)
    expect(stdout).toContain('  host: from-flag  # from --agent-host\n')
    expect(stdout).toContain('  port: 9002  # from SENTINEL_API_PORT\n')
    expect(stdout).toContain('  intervalMs: 500ms  # from good.yaml:3\n')
    expect(stdout).toContain('  deadlineMs: 25s  # default\n')
  })

  it('shows no secret, in a URL neither', async () => {
    const env = {
      REDIS_URL: 'redis://app:se@cret-1@h:1',
      INFLUX_URL: 'http://u:secret-2@h:1',
      INFLUX_TOKEN: 'secret-3',
      REDIS_PASSWORD: 'secret-4',
    }
    const { code, stdout, stderr } = await sentinel(['validate'], env)
    expect(code).toBe(0)
    expect(stdout + stderr).not.toMatch(/cret-\d/)
    expect(stdout).toContain('redis://app:***@h:1')
  })

  it('understands the other spelling of InfluxDB’s variables, and a token in a file', async () => {
    const env = { INFLUXDB_URL: 'http://h:1', INFLUXDB_ORG: 'o', INFLUXDB_BUCKET: 'b', INFLUX_TOKEN_FILE: 'token' }
    const { code, stdout } = await sentinel(['validate', 'server'], env, folder)
    expect(code).toBe(0)
    expect(stdout).toContain('  url: http://h:1  # from INFLUXDB_URL\n')
    expect(stdout).toContain('  org: o  # from INFLUXDB_ORG\n')
    expect(stdout).toContain('  bucket: b  # from INFLUXDB_BUCKET\n')
    expect(stdout).toContain('  # token: [redacted], from token (INFLUX_TOKEN_FILE)\n')
  })

  it('knows the variable of tail', async () => {
    expect((await sentinel(['validate'], { SENTINEL_API_URL: 'http://h:1' })).code).toBe(0)
  })

  it('asks no server', async () => {
    const server = await startSilentServer()
    const env = { REDIS_URL: `redis://${server.address}`, INFLUX_URL: `http://${server.address}` }
    expect((await sentinel(['validate', 'server'], env)).code).toBe(0)
    expect(server.connections).toBe(0)
    await server.stop()
  })

  it.each<[string[], string]>([
    [
      ['validate', '--config', 'typo.yaml'],
      'typo.yaml:3: there is no setting agent.intervalMS, did you mean agent.intervalMs?',
    ],
    [['server', '--store-kind', 'duckdb'], 'run "sentinel up", or set influx'],
    [['agent', '--broker-kind', 'memory'], 'run "sentinel up", or set pubsub or streams'],
    [['doctor', '--api-port', 'x'], 'api.port: "x"'],
  ])('%j ends with 78, and says why', async (args, words) => {
    const { code, stdout, stderr } = await sentinel(args, {}, folder)
    expect([code, stdout]).toEqual([78, ''])
    expect(stderr).toContain(words)
  })
})

describe.concurrent('no secret is shown', () => {
  const token = 'very-secret-token-123'
  const password = 'very-secret-pass@word-456'
  const expectNoSecret = (text: string): void => expect(text).not.toMatch(/very-secret|token-123|word-456/)

  it('by a server that Redis refuses', async () => {
    const redis = await startRedis()
    const admin = new Redis(redis.port)
    await admin.config('SET', 'requirepass', 'another')
    const env = { REDIS_URL: `redis://:${password}@127.0.0.1:${redis.port}`, INFLUX_TOKEN: token, LOG_LEVEL: 'trace' }
    const adminPort = await freePort()
    const server = startProgram('server', { env, args: ['--admin-port', `${adminPort}`] })
    await server.logged('refuses the user or the password')
    const ready = await fetch(`http://127.0.0.1:${adminPort}/ready`)
    expect(ready.status).toBe(503)
    expectNoSecret(await ready.text())
    expectNoSecret(readFileSync(`/proc/${server.pid}/cmdline`, 'utf8'))
    expect(await server.stop()).toBe(0)
    expectNoSecret(server.stdout() + server.stderr())
    const doctor = await sentinel(['doctor', 'server', '--influx-timeout-ms', '1s'], env)
    expect(doctor.code).toBe(1)
    expectNoSecret(doctor.stdout + doctor.stderr)
    admin.disconnect()
    await redis.stop()
  })

  it('by a server that InfluxDB refuses', async () => {
    const [redis, influx] = await Promise.all([
      startRedis(),
      startInflux({ env: { INFLUXDB_HTTP_AUTH_ENABLED: 'true' } }),
    ])
    const query = new URLSearchParams({ q: `CREATE USER admin WITH PASSWORD 'another' WITH ALL PRIVILEGES` })
    await fetch(`${influx.url}/query`, { method: 'POST', body: query })
    const wrong: Env[] = [{ INFLUX_USERNAME: 'app', INFLUX_PASSWORD: password }, { INFLUX_TOKEN: token }]
    for (const credentials of wrong) {
      const env = { REDIS_URL: redis.url, INFLUX_URL: influx.url, LOG_LEVEL: 'trace', ...credentials }
      const server = startProgram('server', { env, args: ['--admin-port', '0', '--stop-deadline-ms', '1s'] })
      await server.logged('answers 401')
      await server.stop()
      const doctor = await sentinel(['doctor', 'server'], env)
      expect(doctor.code).toBe(1)
      expectNoSecret(server.stdout() + server.stderr() + doctor.stdout + doctor.stderr)
    }
    await Promise.all([redis.stop(), influx.stop()])
  })

  it.each([
    ['token of a file', { INFLUX_TOKEN_FILE: 'token' }],
    ['user and password in the URL', {}],
  ] as Array<[string, Env]>)(
    'by a server, though its store repeats the %s in every form',
    async (_name, credentials) => {
      const redis = await startRedis()
      const folder = await mkdtemp(join(tmpdir(), 'sentinel-echo-'))
      await writeFile(join(folder, 'token'), token, { mode: 0o600 })
      // What a proxy before the store may answer: the headers of the request, the credentials decoded, cut off, or in HTML.
      const store = createServer(({ headers: { authorization = '' } }, response) => {
        const value = authorization.split(' ')[1] ?? ''
        const decoded = Buffer.from(value, 'base64').toString()
        const filler = 'x'.repeat(200)
        response.writeHead(401, { 'content-type': 'text/html', 'x-influxdb-error': authorization })
        response.end(
          `Authorization: ${authorization} <b>${value}</b> ${encodeURIComponent(value)} ${decoded} ${filler}${value}`,
        )
      })
      await new Promise<void>((resolve) => store.listen(0, '127.0.0.1', resolve))
      const { port } = store.address() as AddressInfo
      const userInfo = Object.keys(credentials).length === 0 ? `app:${encodeURIComponent(password)}@` : ''
      const INFLUX_URL = `http://${userInfo}127.0.0.1:${port}`
      const env = { REDIS_URL: redis.url, INFLUX_URL, LOG_LEVEL: 'trace', ...credentials }
      const adminPort = await freePort()
      const server = startProgram('server', {
        env,
        cwd: folder,
        args: [`--admin-port=${adminPort}`, '--stop-deadline-ms=1s'],
      })
      await server.logged('answers 401')
      const ready = await (await fetch(`http://127.0.0.1:${adminPort}/ready`)).text()
      expect(ready).toContain('[redacted]')
      const doctor = await sentinel(['doctor', 'server'], env, folder)
      const dashboards = await sentinel(['dashboards', 'apply'], { ...env, INFLUX_ORG: 'o' }, folder)
      expect([doctor.code, dashboards.code]).toEqual([1, 1])
      await server.stop()
      const all = [
        ready,
        server.stdout(),
        server.stderr(),
        doctor.stdout,
        doctor.stderr,
        dashboards.stdout,
        dashboards.stderr,
      ]
      const base64 = Buffer.from(`app:${password}`).toString('base64')
      for (const text of all) {
        expectNoSecret(text)
        expect(text).not.toContain(base64.slice(0, 16))
      }
      store.close()
      await Promise.all([redis.stop(), rm(folder, { recursive: true })])
    },
  )

  it('but a secret on the command line is warned of, for others can list processes', async () => {
    const { code, stderr } = await sentinel(['validate', '--influx-token', token])
    expect(code).toBe(0)
    expect(stderr).toContain(
      '--influx-token shows the secret to every user who can list processes: use --influx-token-file instead',
    )
    expectNoSecret(stderr)
  })
})

describe('sentinel tail', () => {
  let folder: string
  let up: Program
  let api: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sentinel-tail-'))
    const port = await freePort()
    api = `http://127.0.0.1:${port}`
    up = startProgram('sentinel', { args: ['up', `--api-port=${port}`, '--admin-port=0'], cwd: folder })
    await new ApiClient(port).firstHost()
  })
  afterAll(async () => {
    await up?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  it('prints a JSON line for each reading', async () => {
    const { code, stdout, stderr } = await sentinel(['tail', '--once', '--measurement', 'mem,swap', '--api', api])
    expect([code, stderr]).toEqual([0, ''])
    const samples = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { measurement: string; at: number })
    expect(samples.map(({ measurement }) => measurement).toSorted()).toEqual(['mem', 'swap'])
    expect(samples[0]?.at).toBeGreaterThan(0)
  })

  it('finds the API by its variable too', async () => {
    const { code, stdout } = await sentinel(['tail', '--once', '--measurement', 'mem'], { SENTINEL_API_URL: api })
    expect(code).toBe(0)
    expect(stdout).toContain('"measurement":"mem"')
  })

  it.each(['tail', 'tail --once', 'up --help', 'validate'])(
    'ends quietly when its reader has had enough, as all others do: %s',
    async (words) => {
      const { stdout, stderr } = await shell(`node "$MAIN" ${words} | head -1; echo "exit code \${PIPESTATUS[0]}"`, {
        SENTINEL_API_URL: api,
      })
      expect(stdout).toMatch(/^.+\nexit code 0\n$/)
      expect(stderr).not.toMatch(/ {4}at |Error/)
    },
  )

  it('fails, and says so, when it cannot write its output', async () => {
    const { stdout, stderr } = await shell(`node "$MAIN" tail > /dev/full; echo "exit code $?"`, {
      SENTINEL_API_URL: api,
    })
    expect(stdout).toBe('exit code 1\n')
    expect(stderr).toMatch(/^sentinel: cannot write the output: ENOSPC.*\n$/)
  })

  it('says where it looked in vain', async () => {
    const nowhere = `http://127.0.0.1:${await freePort()}`
    const { code, stdout, stderr } = await sentinel(['tail', '--api', nowhere])
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(
      new RegExp(`^sentinel: no API at ${nowhere} \\(.*\\): is "sentinel up" or "api" running\\?.*\n$`),
    )
  })

  it('gives a proxy the name and the password of its URL, and shows them to nobody', async () => {
    let authorization: string | undefined
    const proxy = createServer((request, response) => {
      authorization = request.headers.authorization
      response.writeHead(403).end('not you')
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const { port } = proxy.address() as AddressInfo
    const { code, stderr } = await sentinel(['tail', '--api', `http://me:hunter%402@127.0.0.1:${port}`])
    expect([code, stderr]).toEqual([1, `sentinel: http://127.0.0.1:${port} answers 403: not you\n`])
    expect(authorization).toBe(`Basic ${Buffer.from('me:hunter@2').toString('base64')}`)
    proxy.close()
  })

  it('shows no password, in a URL that is none and in the answer of a proxy neither', async () => {
    for (const url of ['htp://me:hunter2@h', 'http://me:hunter2@h:port', 'me:hunter2@h', 'http://me%3Ahunter2%40h']) {
      const { code, stderr } = await sentinel(['tail'], { SENTINEL_API_URL: url })
      expect([code, stderr]).toEqual([2, expect.stringContaining('***@h')])
      expect(stderr).not.toContain('hunter2')
    }
    const proxy = createServer(({ headers: { authorization = '' } }, response) =>
      response.writeHead(403).end(`${authorization} ${Buffer.from(authorization.split(' ')[1]!, 'base64')}`),
    )
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const { port } = proxy.address() as AddressInfo
    const { stderr } = await sentinel(['tail', '--api', `http://me:hunter%402@127.0.0.1:${port}`])
    expect(stderr).toBe(`sentinel: http://127.0.0.1:${port} answers 403: Basic [redacted] me:[redacted]\n`)
    proxy.close()
  })

  it('comes back to an API that was away', async () => {
    const port = Number(new URL(api).port)
    const tail = startProgram('sentinel', { args: ['tail', '--measurement', 'mem', '--api', api] })
    await until('it shows something', () => tail.stdout() !== '')
    up.signal('SIGKILL')
    await up.ended
    await until('it has noticed', () => tail.stderr().includes('connecting again'))
    up = startProgram('sentinel', { args: ['up', `--api-port=${port}`, '--admin-port=0'], cwd: folder })
    const shown = tail.stdout().length
    await until('it shows more', () => tail.stdout().length > shown)
    tail.signal('SIGINT')
    expect(await tail.ended).toBe('SIGINT')
  })
})

describe.concurrent('sentinel dashboards apply', () => {
  it('makes them once and then brings them up to date', async () => {
    const influx = await startTemplatesInflux()
    const env = { INFLUX_URL: influx.url, INFLUX_TOKEN: 'right', INFLUX_ORG: 'sentinel', INFLUX_BUCKET: 'metrics' }
    for (const word of ['created', 'updated']) {
      const { code, stdout } = await sentinel(['dashboards', 'apply'], env)
      expect(code).toBe(0)
      expect(stdout.split('\n')[0]).toMatch(
        new RegExp(`^${word} SentinelStream host: ${influx.url}/orgs/\\w+/dashboards/1[0-9a-f]{15}$`),
      )
    }
    expect(influx.dashboards.size).toBe(2)
    // In containers a browser reaches InfluxDB by another address than the programs do.
    const browserUrl = 'http://127.0.0.1:18086/'
    const { stdout } = await sentinel(['dashboards', 'apply'], { ...env, SENTINEL_INFLUX_BROWSER_URL: browserUrl })
    expect(stdout).toMatch(/^updated SentinelStream host: http:\/\/127\.0\.0\.1:18086\/orgs\/\w+\/dashboards\/\w+$/m)
    await influx.stop()
  })

  it('says that InfluxDB 1.x has none', async () => {
    const influx = await startInflux()
    const { code, stderr } = await sentinel(['dashboards', 'apply'], { INFLUX_URL: influx.url })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^sentinel: InfluxDB at .* they need InfluxDB 2\.x, this is 1\.6/)
    await influx.stop()
  })
})

/** A line of bash in which $MAIN is the program `sentinel`. */
function shell(line: string, env: Env): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)('bash', ['--norc', '-c', line], {
    env: { PATH: process.env.PATH ?? '', MAIN: mainOf('sentinel'), ...env },
  })
}
