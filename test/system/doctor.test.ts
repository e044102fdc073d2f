import { readdirSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Series, SeriesTable } from '../../internal/sample/series.ts'
import { openDuckDb } from '../../internal/store/duckdb/open.ts'
import { metric } from '../support/api.ts'
import { flood } from '../support/flood.ts'
import { influxCount, influxQuery } from '../support/influx.ts'
import { run, startProgram } from '../support/programs.ts'
import { json, publishRaw } from '../support/raw-redis.ts'
import { freePort, startInflux, startRedis, startSilentServer, type TestServer, until } from '../support/servers.ts'

/** What doctor found: its exit code, and a line for each part. */
async function doctor(
  args: readonly string[],
  env: Record<string, string> = {},
  cwd?: string,
): Promise<{ code: number | string; [part: string]: number | string }> {
  const { code, stdout, stderr } = await run('sentinel', {
    args: ['doctor', ...args],
    // What happens to run on this machine is not for these tests.
    env: { SENTINEL_ADMIN_PORT: `${await freePort()}`, ...env },
    ...(cwd === undefined ? {} : { cwd }),
  })
  expect(stderr).toBe('')
  const lines = stdout.trimEnd().split('\n')
  return {
    code,
    ...Object.fromEntries(lines.map((line) => [/^(?:ok {2}|warn|FAIL) ([\w ]+?): /.exec(line)?.[1] ?? 'stray', line])),
  }
}

/** No program of ours runs where the tests ask. */
const NONE = expect.stringMatching(
  /^ok {3}programs: none answers at \S+, port \d+; for one that listens elsewhere set --admin-port/,
)

const temporaryFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'sentinel-doctor-'))

describe('sentinel doctor', () => {
  let redis: TestServer
  let influx: TestServer
  let env: Record<string, string>
  let folder: string

  beforeAll(async () => {
    ;[redis, influx] = await Promise.all([startRedis(), startInflux()])
    env = { REDIS_URL: redis.url, INFLUX_URL: influx.url }
    folder = await mkdtemp(join(tmpdir(), 'sentinel-doctor-'))
  })
  afterAll(async () => {
    await redis?.stop()
    await influx?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  it('finds all well, and leaves nothing behind but its one sample', async () => {
    expect(await doctor([], env, folder)).toEqual({
      code: 0,
      host: expect.stringMatching(/^ok {3}host: \S+ has cpu, mem, swap, system, processes, net, diskio, disk/),
      broker: expect.stringMatching(
        /^ok {3}broker: pubsub over Redis answers; no server has announced a series yet; Redis cuts a server off that leaves 32 MiB unread: \S+ \S+ of the present \S+ \S+\/s$/,
      ),
      store: 'ok   store: influx accepted a sample and returned it',
      programs: NONE,
    })
    const measurements = await influxQuery(influx.url, 'telemetry', 'SHOW MEASUREMENTS')
    expect(measurements.map(({ name }) => name)).toEqual(['sentinel_doctor'])
    expect(await influxCount(influx.url, 'telemetry', 'sentinel_doctor', 'value')).toBe(1)
    expect(readdirSync(folder)).toEqual([])
  })

  it('warns where a server that stands still would soon be cut off, and says how long the limit lasts', async () => {
    const admin = new Redis(redis.port)
    const { worker } = flood({ port: redis.port, channel: 'metrics', messageBytes: 1000, bytesPerSecond: 1_000_000 })
    try {
      await admin.config('SET', 'client-output-buffer-limit', 'pubsub 2mb 1mb 60')
      expect(await doctor(['server'], env, folder)).toMatchObject({
        code: 0,
        broker: expect.stringMatching(
          /^warn broker: .* Redis cuts a server off that leaves 2 MiB unread: \S+ s of the present .*\/s; .* client-output-buffer-limit pubsub 256mb 64mb 60 into redis\.conf$/,
        ),
      })
    } finally {
      await worker.terminate()
      await admin.config('SET', 'client-output-buffer-limit', 'pubsub 32mb 8mb 60')
      admin.disconnect()
    }
  })

  it('looks at what a role uses, and leaves no key in Redis', async () => {
    expect(await doctor(['agent', '--broker-kind', 'streams'], env)).toEqual({
      code: 0,
      host: expect.stringContaining('ok   host'),
      broker: expect.stringContaining('ok   broker: streams'),
      programs: NONE,
    })
    // The host that wrote is this one, by the sample of the test before.
    expect(await doctor(['api'], env)).toMatchObject({
      code: 0,
      store: 'ok   store: influx answers; hosts with samples of the last hour: 1',
    })
    const client = new Redis(redis.port)
    expect(await client.dbsize()).toBe(0)
    client.disconnect()
  })

  it('needs no server, where the settings name none', async () => {
    expect(await doctor([], {}, folder)).toEqual({
      code: 0,
      host: expect.stringContaining('ok   host'),
      broker: 'ok   broker: memory, inside the process',
      store: 'ok   store: duckdb accepted a sample and returned it',
      programs: NONE,
    })
  })

  it.each(['::1', '::'])('asks a process that listens at %s', async (host) => {
    const settings = [`--admin-port=${await freePort()}`, `--admin-host=${host}`]
    const up = startProgram('sentinel', { args: ['up', ...settings, '--api-port=0'], cwd: folder })
    await up.logged('started')
    expect(await doctor(settings, {}, folder)).toMatchObject({ code: 0, up: expect.stringContaining(', ready') })
    expect(await up.stop()).toBe(0)
  })

  it('asks the process that has the file of DuckDB', async () => {
    const ports = [await freePort(), await freePort()]
    const settings = [`--admin-port=${ports[0]}`, `--api-port=${ports[1]}`]
    const up = startProgram('sentinel', { args: ['up', ...settings], cwd: folder })
    await up.logged('started')
    expect(await doctor(settings, {}, folder)).toMatchObject({
      code: 0,
      store: `ok   store: the running process on port ${ports[0]} uses ./data/sentinel.duckdb and is ready`,
    })
    const elsewhere = await doctor([`--admin-port=${await freePort()}`], {}, folder)
    expect(elsewhere.code).toBe(1)
    expect(elsewhere.store).toMatch(/^FAIL store: .*sentinel\.duckdb is in use by process \d+/)
    expect(await up.stop()).toBe(0)
  })
})

describe.concurrent('sentinel doctor asks the targets of fabrics', () => {
  const CSV = 'switch_id,latency_ms,packet_errors\nsw1,0.5,3\n'
  /** A target for each answer, a fabric each, all of them asked by one doctor. */
  const check = async (answers: Readonly<Record<string, string | number>>): Promise<Record<string, unknown>> => {
    const targets = await Promise.all(
      Object.entries(answers).map(async ([name, answer]) => {
        const server = createServer((_, response) => {
          if (typeof answer === 'number') response.writeHead(answer)
          response.end(typeof answer === 'number' ? 'no such page' : answer)
        })
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
        return { name, server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/c` }
      }),
    )
    const folder = await temporaryFolder()
    const named = targets.map(({ name, url }) => `${name}=${url}`).join(',')
    const { code, ...found } = await doctor([`--fabric-named=${named}`], {}, folder)
    for (const { server } of targets) server.close()
    await rm(folder, { recursive: true })
    const lines = targets.map(({ name, url }) => [name, `${found[`fabric ${name}`]}`.replace(url, 'URL')])
    return { code, ...Object.fromEntries(lines) }
  }

  it('that give a table, also with what is bad, or nothing new', async () => {
    const answers = { table: CSV, bad: `${CSV}sw2,fast,0\nsw2,1,1\n`, nothing: '' }
    expect(await check(answers)).toEqual({
      code: 0,
      table: 'ok   fabric table: URL: 1 switch with 2 metrics: latency_ms, packet_errors',
      bad: 'warn fabric bad: URL: 2 switches with 2 metrics: latency_ms, packet_errors; left out: 1 row (1 twice); 1 cell (1 not_a_number)',
      nothing: 'warn fabric nothing: URL: it answers that it has nothing new, though it was not asked before',
    })
  })

  it('that give no table', async () => {
    expect(await check({ page: '<html>\n<p>\n', cut: 'switch_id,a\nsw1,', error: 404 })).toEqual({
      code: 1,
      page: 'FAIL fabric page: URL: its first line names no column that says who a row is about: switch_id, or node_guid and port_num, or sys_image_guid and aport: is this the address of its CSV?',
      cut: 'FAIL fabric cut: URL: it was cut off: its last line has no end: a source that writes a file puts it together elsewhere, and then renames it',
      error: 'FAIL fabric error: URL: it answered 404: no such page: is the path of its address right?',
    })
  })

  it('that are away, and files, each by the name of its fabric', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'ports.csv'), 'node_guid,port_num,PortXmitWait\n0xb8,1,5\n')
    const url = `http://127.0.0.1:${await freePort()}/c`
    const found = await doctor([`--fabric-named=east=${url},west=ports.csv`], {}, folder)
    expect(found).toMatchObject({
      code: 1,
      'fabric east': expect.stringMatching(/^FAIL fabric east: .*ECONNREFUSED.*: is it running, and is its address/),
      'fabric west': 'ok   fabric west: ports.csv: 1 port with 1 metric: PortXmitWait',
    })
    await rm(folder, { recursive: true })
  })

  it('and an agent that gets nothing from one', async () => {
    const [redis, folder, port] = [await startRedis(), await temporaryFolder(), await freePort()]
    const env = { REDIS_URL: redis.url }
    const file = join(folder, 'c.csv')
    const args = [`--admin-port=${port}`, `--fabric-targets=${file}`]
    const agent = startProgram('agent', { args: [...args, '--fabric-interval-ms=1s'], env, cwd: folder })
    await agent.logged('target is not taken')
    expect(await doctor(['agent', ...args], env, folder)).toMatchObject({
      code: 1,
      'agent fabric': `FAIL agent fabric: ${file} gave nothing yet that can be taken: see the log`,
    })
    await writeFile(file, CSV)
    await agent.logged('target is taken again')
    expect(await doctor(['agent', ...args], env, folder)).not.toHaveProperty('agent fabric')
    await agent.stop()
    await Promise.all([redis.stop(), rm(folder, { recursive: true })])
  })
})

describe('sentinel doctor and a clock that contradicts the history', () => {
  it('says that nothing old is dropped, with the file and from the running process', async () => {
    const folder = await temporaryFolder()
    const monthAgoUs = (Date.now() - 30 * 86_400_000) * 1000
    const store = await openDuckDb({
      ...{ path: join(folder, 'data/sentinel.duckdb'), retentionMs: 7 * 86_400_000 },
      ...{ clock: { now: () => monthAgoUs }, logger: pino({ enabled: false }) },
    })
    const series = new SeriesTable().intern('cpu', [['host', 'a']], 0) as Series
    series.field('usage_idle', 'float')
    const batch = store.writer.openBatch()
    batch.add({ series, values: [97], at: monthAgoUs, tie: 0 })
    await store.writer.write(batch, new AbortController().signal)
    await store.close()

    expect(await doctor([], {}, folder)).toMatchObject({
      code: 1,
      store: expect.stringMatching(
        /^FAIL store: duckdb accepted .*; it drops no old samples: the clock of this machine says .*, 30 d after the newest moment in the history/,
      ),
    })
    const ports = [await freePort(), await freePort()]
    const settings = [`--admin-port=${ports[0]}`, `--api-port=${ports[1]}`, '--agent-host=a']
    const up = startProgram('sentinel', { args: ['up', ...settings], cwd: folder })
    await up.logged('started')
    await up.logged('no old samples are dropped')
    expect(await doctor(settings, {}, folder)).toMatchObject({
      code: 1,
      'up retention':
        'FAIL up retention: no old samples are dropped: the clock of this machine contradicts the history, see the log',
    })
    const history = `http://127.0.0.1:${ports[1]}/api/v1/hosts/a/metrics?measurement=cpu&field=usage_idle&start=-31d&every=1d`
    await until('the history is there', async () => (await (await fetch(history)).text()).includes(',97]'))
    expect(await up.stop()).toBe(0)
    await rm(folder, { recursive: true })
  })
})

describe('sentinel doctor asks what runs', () => {
  it('where every sample is, and finds it in the sums', async () => {
    const [redis, influx, folder] = await Promise.all([startRedis(), startInflux(), temporaryFolder()])
    const env = { REDIS_URL: redis.url, INFLUX_URL: influx.url }
    const ports = { server: await freePort(), agent: await freePort() }
    const start = (role: 'server' | 'agent') =>
      startProgram('sentinel', { args: [role, `--admin-port=${ports[role]}`], env, cwd: join(folder, role) })
    await Promise.all(['server', 'agent'].map((role) => mkdir(join(folder, role))))
    const server = start('server')
    await server.logged('started')
    const agent = start('agent')
    await agent.logged('started')
    const ask = (role: 'server' | 'agent') => doctor([role, `--admin-port=${ports[role]}`], env, folder)

    const metricOf = (role: 'server' | 'agent', name: string) => metric(`http://127.0.0.1:${ports[role]}`, name)
    await until('the agent has sent', async () => (await metricOf('agent', 'sentinel_sent_samples_total')) > 0)
    expect(await ask('agent')).toMatchObject({
      code: 0,
      agent: `ok   agent: on port ${ports.agent}, ready`,
      'agent sent': expect.stringMatching(
        /^ok {3}agent sent: produced [\d,]+ \+ taken over 0 = sent [\d,]+ \+ dropped 0 \+ held \d+ \(\d.* in the outbox\)$/,
      ),
    })
    expect(await ask('server')).toMatchObject({
      code: 0,
      server: `ok   server: on port ${ports.server}, ready`,
      'server stored': expect.stringMatching(
        /^ok {3}server stored: received [\d,]+ \+ taken over 0 = written [\d,]+ \+ rejected 0 \+ dropped 0 \+ held \d+ \(\d+ in memory, 0 on disk\)$/,
      ),
      'server lost': 'ok   server lost: 0 for certain, 0 arrived twice',
      'server spool': 'ok   server spool: empty',
      'server dead letters': 'ok   server dead letters: none kept, 0 since its start',
    })

    await influx.halt()
    await publishRaw(redis.port, 'metrics', [Buffer.from('no message'), json(1, 50, Date.now())])
    await until('the spool has some', async () => (await metricOf('server', 'sentinel_spool_samples')) > 0)
    expect(await ask('server')).toMatchObject({
      code: 1,
      server: expect.stringMatching(/^FAIL server: on port \d+, not ready: InfluxDB at .* cannot be reached/),
      'server stored': expect.stringMatching(/^ok .*rejected 1 .*, [1-9]\d* on disk\); rejected: 1 not_a_message$/),
      'server lost': expect.stringContaining('unknown for 1 message without a number'),
      'server spool': expect.stringMatching(
        /^ok {3}server spool: [\d,]+ samples in .* of 1GiB.*; the store has been away for \d/,
      ),
      'server dead letters': expect.stringContaining('1 since its start'),
    })
    await Promise.all([server.stop(), agent.stop()])
    await Promise.all([redis.stop(), influx.stop(), rm(folder, { recursive: true })])
  })

  it('and warns of a measurement of which the store takes nothing', async () => {
    const [redis, influx, folder] = await Promise.all([startRedis(), startInflux(), temporaryFolder()])
    const env = { REDIS_URL: redis.url, INFLUX_URL: influx.url }
    const port = await freePort()
    const server = startProgram('sentinel', { args: ['server', `--admin-port=${port}`], env, cwd: folder })
    await fetch(`${influx.url}/query?q=CREATE+DATABASE+telemetry`, { method: 'POST' })
    await server.logged('started')
    const conflict = await fetch(`${influx.url}/write?db=telemetry`, {
      method: 'POST',
      body: 'system_stats cpu="text",mem="text"',
    })
    expect(conflict.status).toBe(204)
    await publishRaw(redis.port, 'metrics', [json(1, 50, Date.now()), json(2, 50, Date.now() + 1)])
    await server.logged('the store takes no sample of a measurement')
    expect(await doctor(['server', `--admin-port=${port}`], env, folder)).toMatchObject({
      code: 0,
      'server refused': expect.stringMatching(
        /^warn server refused: the store takes no sample of system_stats: often a field has another type there; see sentinel dead-letters list$/,
      ),
    })
    await server.stop()
    await Promise.all([redis.stop(), influx.stop(), rm(folder, { recursive: true })])
  })

  it('and says when the sums do not balance, or nothing answers', async () => {
    const figures = { received: 10, written: 7, held: 2 }
    const fake = createServer(({ url }, response) => {
      const metrics = Object.entries(figures).map(
        ([name, n]) => `sentinel_${name}_samples${name === 'held' ? '' : '_total'} ${n}`,
      )
      const answers: Record<string, string> = {
        '/health': '{"status":"ok","name":"server","version":"0"}',
        '/ready': '{"ready":true,"reasons":[]}',
        '/metrics': `${metrics.join('\n')}\nsentinel_dropped_samples_total{reason="queue_full"} 2\n`,
      }
      response.end(answers[url ?? ''])
    })
    await new Promise<void>((resolve) => fake.listen(0, '127.0.0.1', resolve))
    const { port } = fake.address() as AddressInfo
    const found = await doctor([`--admin-port=${port}`], {}, await temporaryFolder())
    expect(found).toMatchObject({
      code: 1,
      'server stored':
        'FAIL server stored: received 10 + taken over 0 = written 7 + rejected 0 + dropped 2 + held 2 (2 in memory, 0 on disk); dropped: 2 queue_full: 1 sample too many, a bug',
    })
    fake.close()
    const silent = await startSilentServer()
    const silentPort = silent.address.split(':')[1]
    const hanging = await doctor([`--admin-port=${silentPort}`], {}, await temporaryFolder())
    expect(hanging).toMatchObject({
      code: 1,
      [`port ${silentPort}`]: `FAIL port ${silentPort}: something listens there, but does not answer within 5 s`,
    })
    await silent.stop()
  })
})

describe.concurrent('sentinel doctor says what is wrong, and what to do', () => {
  it('servers that are not there', async () => {
    const [redis, influx] = [await freePort(), await freePort()]
    expect(
      await doctor(['server'], { REDIS_URL: `redis://127.0.0.1:${redis}`, INFLUX_URL: `http://127.0.0.1:${influx}` }),
    ).toEqual({
      code: 1,
      broker: `FAIL broker: Redis at redis://127.0.0.1:${redis} refuses the connection: is it running there? check REDIS_URL`,
      store: `FAIL store: InfluxDB at http://127.0.0.1:${influx} cannot be reached: connect ECONNREFUSED 127.0.0.1:${influx}; is it running, and is INFLUX_URL right?`,
      programs: NONE,
    })
    expect((await doctor(['api'], { INFLUX_URL: `http://127.0.0.1:${influx}` })).store).toMatch(
      /^FAIL store: InfluxDB at .* ECONNREFUSED .*; is it running, and is INFLUX_URL right\?$/,
    )
  })

  it('a bucket that is missing, or that the token may not read', async () => {
    // 2.7 answers SHOW MEASUREMENTS with nothing in both cases, and no error.
    const store = createServer(async (request, response) => {
      let text = ''
      for await (const chunk of request) text += chunk
      response.setHeader('x-influxdb-version', 'dev')
      if (request.url !== '/query') return void response.writeHead(204).end()
      const isSelect = new URLSearchParams(text).get('q')?.startsWith('SELECT')
      const error = isSelect ? { error: 'database not found: nope' } : {}
      response.end(JSON.stringify({ results: [{ statement_id: 0, ...error }] }))
    })
    await new Promise<void>((resolve) => store.listen(0, '127.0.0.1', resolve))
    const { port } = store.address() as AddressInfo
    const env = { INFLUX_URL: `http://127.0.0.1:${port}`, INFLUX_BUCKET: 'nope', INFLUX_TOKEN: 'x' }
    const cannotRead =
      /database not found: nope: create bucket "nope", correct INFLUX_BUCKET, or make a new token that may read bucket "nope"/
    const found = await doctor(['api'], env)
    expect(found.code).toBe(1)
    expect(found.store).toMatch(/^FAIL store: /)
    expect(found.store).toMatch(cannotRead)
    // A server only writes.
    const { store: written } = await doctor(['server'], env)
    expect(written).toMatch(
      /^ok {3}store: influx accepted a sample; it could not be read back, which a server need not do/,
    )
    expect(written).toMatch(cannotRead)
    expect((await doctor(['up'], env)).store).toMatch(/^FAIL store: /)
    store.closeAllConnections()
    store.close()
  })

  it('a wrong password, and none where one is wanted', async () => {
    const redis = await startRedis()
    const client = new Redis(redis.port)
    await client.config('SET', 'requirepass', 'right')
    const broker = async (url: string): Promise<unknown> => (await doctor(['agent'], { REDIS_URL: url })).broker
    expect(await broker(`redis://:wrong@127.0.0.1:${redis.port}`)).toMatch(
      /^FAIL .* refuses the user or the password: check REDIS_URL and REDIS_PASSWORD_FILE$/,
    )
    expect(await broker(redis.url)).toMatch(
      /^FAIL .*: put the password into REDIS_URL, or name its file in REDIS_PASSWORD_FILE$/,
    )
    expect(await broker(`redis://:right@127.0.0.1:${redis.port}`)).toMatch(/^ok /)
    client.disconnect()
    await redis.stop()
  })

  it('a server of another kind', async () => {
    const [redis, influx] = await Promise.all([startRedis(), startInflux()])
    const crossed = { REDIS_URL: `redis://127.0.0.1:${influx.port}`, INFLUX_URL: `http://127.0.0.1:${redis.port}` }
    expect(await doctor(['server'], crossed)).toEqual({
      code: 1,
      broker: expect.stringMatching(
        /^FAIL broker: .* answers, but not as Redis does: check host and port of REDIS_URL$/,
      ),
      store: expect.stringMatching(/^FAIL store: .*is INFLUX_URL right\?$/),
      programs: NONE,
    })
    await Promise.all([redis.stop(), influx.stop()])
  })

  it('servers that take the connection and never answer', async () => {
    const silent = await startSilentServer()
    const env = { REDIS_URL: `redis://${silent.address}`, INFLUX_URL: `http://${silent.address}` }
    expect(await doctor(['server', '--influx-timeout-ms', '1s'], env)).toEqual({
      code: 1,
      broker: expect.stringMatching(/^FAIL broker: Redis at .* does not answer/),
      store: expect.stringMatching(/^FAIL store: InfluxDB at .* no answer within 1000 ms/),
      programs: NONE,
    })
    await silent.stop()
  })

  it('a process that has the file of DuckDB and does not answer', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sentinel-doctor-'))
    const port = await freePort()
    const up = startProgram('sentinel', { args: ['up', `--admin-port=${port}`, '--api-port=0'], cwd: folder })
    await up.logged('started')
    up.signal('SIGSTOP')
    const found = await doctor([`--admin-port=${port}`], {}, folder)
    expect(found.code).toBe(1)
    expect(found.store).toMatch(/^FAIL store: .*sentinel\.duckdb is in use by process \d+/)
    up.signal('SIGCONT')
    expect(await up.stop()).toBe(0)
    await rm(folder, { recursive: true, force: true })
  })

  it('a host that cannot be measured', async () => {
    const { code, host } = await doctor(['--agent-proc-root=/nowhere', '--agent-include=cpu,net'], {
      SENTINEL_DUCKDB_PATH: join(tmpdir(), 'sentinel-doctor.duckdb'),
    })
    expect(code).toBe(1)
    expect(host).toMatch(/^FAIL host: \S+ has no cpu, net \(cpu: cannot be read: .*\/nowhere\/stat/)
  })
})
