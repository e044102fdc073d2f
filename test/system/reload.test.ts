import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { ROLES, type RoleName } from '../../cmd/program/roles.ts'
import { loadSettings } from '../../internal/config/load.ts'
import { settingsOf } from '../../internal/config/settings.ts'
import { metric } from '../support/api.ts'
import { influxCount } from '../support/influx.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { json, publishRaw } from '../support/raw-redis.ts'
import { freePort, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'

type Groups = Record<string, Record<string, unknown>>

/** A program whose settings file a test can rewrite, in a folder of its own. */
interface Reloadable {
  readonly program: Program
  readonly folder: string
  readonly admin: string
  write(settings: Groups): Promise<void>
  /** Writes them, sends SIGHUP, and gives the line in which the program says what came of it. */
  reload(settings: Groups): Promise<Record<string, unknown>>
  stop(): Promise<void>
}

const isVerdict = ({ msg }: Record<string, unknown>): boolean => /^(settings reloaded|not reloaded)/.test(String(msg))

async function startReloadable(
  role: RoleName,
  settings: Groups,
  env: Record<string, string> = {},
): Promise<Reloadable> {
  const folder = await mkdtemp(join(tmpdir(), 'sentinel-reload-'))
  const port = await freePort()
  const write = async (groups: Groups): Promise<void> => {
    // In one step, as whoever changes the settings of a running program does it.
    await writeFile(join(folder, 'next.yaml'), stringify(groups))
    await rename(join(folder, 'next.yaml'), join(folder, 'sentinel.yaml'))
  }
  await write(settings)
  const args = [role, '--config=sentinel.yaml', `--admin-port=${port}`]
  const program = startProgram('sentinel', { args, cwd: folder, env })
  running.add(program)
  await program.logged('started')
  return {
    ...{ program, folder, write },
    admin: `http://127.0.0.1:${port}`,
    async reload(groups) {
      const before = program.log().filter(isVerdict).length
      await write(groups)
      program.signal('SIGHUP')
      await until('it says what came of the reload', () => program.log().filter(isVerdict).length > before)
      return program.log().findLast(isVerdict)!
    },
    async stop() {
      expect(await program.stop()).toBe(0)
      running.delete(program)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const summaryOf = (program: Program): Record<string, unknown> | undefined =>
  program.log().find(({ msg }) => msg === 'summary')

let redis: TestServer
/** What a test that failed left behind would take in the messages of the next. */
const running = new Set<Program>()
afterEach(async () => {
  for (const program of running) program.signal('SIGKILL')
  await Promise.all([...running].map(({ ended }) => ended))
  running.clear()
})
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis?.stop())

describe('SIGHUP', () => {
  /** Something that a setting takes, and has not. */
  const CANDIDATES = [
    'debug',
    '2',
    '3',
    '150ms',
    '3s',
    '2h',
    '300000',
    '2MiB',
    '20MiB',
    '128MiB',
    'true',
    'drop-oldest',
    'json',
    'v1',
  ]
  const OTHERS = [
    ...CANDIDATES,
    ...[
      'cpu',
      'http://127.0.0.1:1',
      'redis://127.0.0.1:1',
      'streams',
      'ufm',
      'not-modified',
      'slow',
      'east=other',
      'object',
      'once',
      'recorded',
      'now',
      'false',
      'other',
    ],
  ]
  /**
   * A secret's file is not another value but another place; another store is refused for a role alone, and HTTP beside a fabric; two are given by a flag or
   * a variable here, which win over the file.
   */
  const isOther = (setting: ReturnType<typeof settingsOf>[number][1], text: string, now: string): boolean => {
    const value = setting.parse(text)
    return value !== undefined && setting.format(value) !== now
  }
  /** Refused for servers without TLS. */
  const FOR_TLS = /\.(caFile|certFile|keyFile|serverName)$/
  const isLeftOut = (key: string, holds: string | undefined): boolean =>
    holds !== undefined ||
    FOR_TLS.test(key) ||
    ['store.kind', 'admin.port', 'data.path', 'broker.useHttp'].includes(key)

  it.each(['agent', 'server', 'api', 'generator', 'queue'] as const)(
    'takes over in the %s what is marked, and names the rest',
    async (role) => {
      const influx = 'http://127.0.0.1:9'
      const free = { redis: { url: redis.url }, ...(role === 'agent' ? {} : { influx: { url: influx } }) }
      const started = await startReloadable(role, {
        ...free,
        ...(role === 'api' || role === 'generator' || role === 'queue' ? { [role]: { port: 0 } } : {}),
      })
      const { settings } = loadSettings(ROLES[role], {}, { REDIS_URL: redis.url, INFLUX_URL: influx })
      const changed: Groups = {}
      const expected = { now: [] as string[], atNextStart: [] as string[] }
      for (const [key, setting] of settingsOf(ROLES[role])) {
        if (isLeftOut(key, setting.holds)) continue
        const [group, name] = key.split('.') as [string, string]
        const now = setting.format((settings as unknown as Groups)[group]![name])
        const other = OTHERS.find((text) => isOther(setting, text, now))!
        changed[group] = { ...changed[group], [name]: setting.isList ? [other] : other }
        expected[setting.reloads ? 'now' : 'atNextStart'].push(key)
      }
      // Names partition 2 of as many, where it was another.
      if (changed.broker?.consumes !== undefined) changed.broker.consumes = ['1']
      const verdict = await started.reload(changed)
      expect(verdict.msg).toBe('settings reloaded')
      expect(Object.keys(verdict.changed as object).toSorted()).toEqual(expected.now.toSorted())
      const rest = started.program.log().find(({ msg }) => String(msg).startsWith('changed but takes effect'))
      expect(rest).toMatchObject({
        level: 'warn',
        msg: `changed but takes effect at the next start: ${expected.atNextStart.join(', ')}`,
      })
      await started.stop()
    },
  )

  it('changes what is logged, how often is measured, and what', async () => {
    const agent = (log: string, intervalMs: string, include: string[]): Groups => ({
      redis: { url: redis.url },
      log: { level: log },
      agent: { intervalMs, include },
    })
    const { program, admin, reload, stop } = await startReloadable('agent', agent('info', '1h', ['cpu', 'mem']))
    const produced = (): Promise<number> => metric(admin, 'sentinel_produced_samples_total')
    expect(await produced()).toBe(0)
    expect(await reload(agent('info', '100ms', ['mem']))).toMatchObject({
      level: 'info',
      msg: 'settings reloaded',
      changed: { 'agent.intervalMs': '1h → 100ms', 'agent.include': 'cpu,mem → mem' },
    })
    await until('it measures', async () => (await produced()) > 20)
    expect((await reload(agent('debug', '100ms', ['mem']))).changed).toEqual({ 'log.level': 'info → debug' })
    const lines = program.log().length
    program.signal('SIGHUP')
    await until('it says more', () => program.log().length > lines)
    await stop()
  })

  it('with a bad file changes nothing, and says all that is wrong in one line', async () => {
    const sound = { redis: { url: redis.url }, agent: { intervalMs: '100ms' } }
    const { program, admin, reload, write, stop } = await startReloadable('agent', sound)
    const bad = { redis: { url: redis.url }, agent: { intervalMs: '1m' }, log: { level: 'loud' }, agnet: { host: 'x' } }
    expect(await reload(bad)).toMatchObject({
      level: 'error',
      msg: expect.stringMatching(
        /^not reloaded, the settings stay as they were: sentinel\.yaml:8: there is no setting agnet\.host, did you mean agent\.host\?; log\.level: "loud" \(from sentinel\.yaml:6\) must be one of /,
      ),
    })
    expect((await reload({})).msg).toContain('the settings file sets nothing any more: is it empty?')
    expect((await fetch(`${admin}/health`)).status).toBe(200)
    const before = await metric(admin, 'sentinel_produced_samples_total')
    await until('it goes on measuring', async () => (await metric(admin, 'sentinel_produced_samples_total')) > before)
    await write(sound)
    expect((await reload(sound)).msg).toBe('settings reloaded: no change to apply')
    expect(program.log().filter(({ level }) => level === 'error')).toHaveLength(2)
    await stop()
  })
})

describe('a server that reloads loses nothing', () => {
  const CHANNEL = 'metrics'
  let sent = 0
  const publish = async (messages: number): Promise<void> => {
    const now = Date.now()
    const all = Array.from({ length: messages }, (_, i) => json(sent + i, 50, now))
    expect(await publishRaw(redis.port, CHANNEL, all)).toBe(messages)
    sent += messages
  }
  const settings = (url: string, more: object = {}): Groups => ({
    redis: { url: redis.url },
    influx: { url, bucket: 'telemetry', ...more },
    stop: { deadlineMs: '10s' },
  })

  it('what waits for a store that is away goes to the one that it is told of', async () => {
    const [away, other] = await Promise.all([startInflux(), startInflux()])
    await away.halt()
    const { program, admin, reload, stop } = await startReloadable('server', settings(away.url))
    await publish(1000)
    await until('the store is found to be away', async () => (await metric(admin, 'sentinel_store_ready')) === 0)
    expect((await reload(settings(other.url))).changed).toEqual({ 'influx.url': `${away.url} → ${other.url}` })
    await publish(500)
    const stored = (): Promise<number> => influxCount(other.url, 'telemetry', 'system_stats', 'cpu')
    await until('all are stored', async () => (await stored()) === 1500, 60_000)
    await stop()
    expect(summaryOf(program)).toMatchObject({ rejected: 0, dropped: 0 })
    await Promise.all([away.stop(), other.stop()])
  })

  it('what a store refuses is written with the password that its file has by then', async () => {
    const influx = await startInflux({ env: { INFLUXDB_HTTP_AUTH_ENABLED: 'true' } })
    const ask = async (query: string): Promise<string> => {
      const parameters = new URLSearchParams({ q: query, db: 'telemetry', u: 'admin', p: 'the right one' })
      return (await fetch(`${influx.url}/query?${parameters}`, { method: 'POST' })).text()
    }
    await ask(`CREATE USER admin WITH PASSWORD 'the right one' WITH ALL PRIVILEGES`)
    const secrets = await mkdtemp(join(tmpdir(), 'sentinel-secret-'))
    const file = join(secrets, 'password')
    await writeFile(file, 'the wrong one\n', { mode: 0o600 })
    const all = settings(influx.url, { username: 'admin', passwordFile: file })
    const { program, reload, stop } = await startReloadable('server', all)
    await publish(100)
    await program.logged('answers 401')
    await writeFile(file, 'the right one\n')
    expect((await reload(all)).changed).toEqual({ 'influx.password': '[redacted] → [redacted]' })
    const count = `SELECT count(cpu) FROM system_stats`
    await until('all are stored', async () => /,100\]/.test(await ask(count)), 60_000)
    await stop()
    expect(program.stderr()).not.toMatch(/the (right|wrong) one/)
    expect(summaryOf(program)).toMatchObject({ rejected: 0, dropped: 0 })
    await rm(secrets, { recursive: true })
    await influx.stop()
  })

  it('a hundred times in a row, under load', async () => {
    const influx = await startInflux()
    const { program, reload, write, stop } = await startReloadable('server', settings(influx.url))
    for (let i = 0; i < 100; i++) {
      if (i % 10 === 0) await Promise.all([publish(200), write(settings(influx.url, { maxSamples: 100 + i }))])
      program.signal('SIGHUP')
    }
    const verdict = await reload(settings(influx.url, { maxSamples: 77 }))
    expect(verdict.msg).toMatch(/^settings reloaded/)
    const stored = (): Promise<number> => influxCount(influx.url, 'telemetry', 'system_stats', 'cpu')
    await until('all are stored', async () => (await stored()) === 2000, 60_000)
    await stop()
    expect(summaryOf(program)).toMatchObject({ rejected: 0, dropped: 0 })
    expect(program.log().filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([])
    await influx.stop()
  })
})
