import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DeadLetter, openDeadLetters } from '../../internal/dead-letters/dead-letters.ts'
import { influxQuery } from '../support/influx.ts'
import { type Program, run, startProgram } from '../support/programs.ts'
import { json, publishRaw } from '../support/raw-redis.ts'
import { freePort, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'

const CONSUMER = 'ingest/1'
const DAY_MS = 86_400_000

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sentinel-dead-letters-'))
})
afterAll(() => rm(folder, { recursive: true }))

interface Result {
  readonly code: number | NodeJS.Signals
  readonly stdout: string
  readonly stderr: string
}

/** `sentinel dead-letters …` over the data path of a test. */
function deadLetters(data: string, args: readonly string[], env: Record<string, string> = {}): Promise<Result> {
  const words = ['dead-letters', ...args, '--data-path', data, '--broker-consumer', CONSUMER]
  return run('sentinel', { args: words, cwd: folder, env })
}

async function listed(data: string, ...args: readonly string[]): Promise<Array<Record<string, unknown>>> {
  const { code, stdout } = await deadLetters(data, ['list', '--json', ...args])
  expect(code).toBe(0)
  return stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Record<string, unknown>]))
}

const ids = async (data: string, ...args: readonly string[]): Promise<unknown[]> =>
  (await listed(data, ...args)).map(({ id }) => id)

/** What a server would have kept. */
async function keep(data: string, letters: ReadonlyArray<Partial<DeadLetter>>): Promise<void> {
  const open = await openDeadLetters({
    folder: join(data, 'server', 'ingest%2f1', 'dead-letters'),
    maxBytes: 1 << 20,
    logger: pino({ enabled: false }),
  })
  for (const letter of letters) {
    open.add({
      at: Date.now(),
      kind: 'line',
      reason: 'store_refused',
      detail: 'd',
      source: 's',
      payload: '',
      ...letter,
    })
  }
  await open.close()
}

describe('the dead letters of a server that runs', () => {
  let redis: TestServer
  let influx: TestServer
  let server: Program
  let data: string
  let env: Record<string, string>

  beforeAll(async () => {
    data = join(folder, 'running')
    const [startedRedis, startedInflux, port] = await Promise.all([startRedis(), startInflux(), freePort()])
    redis = startedRedis
    influx = startedInflux
    env = { REDIS_URL: redis.url, INFLUX_URL: influx.url }
    server = startProgram('server', {
      env: { ...env, SENTINEL_ADMIN_PORT: `${port}` },
      args: ['--data-path', data, '--broker-consumer', CONSUMER],
    })
    await server.logged('server consumes')
  })
  afterAll(async () => {
    await server?.stop()
    await Promise.all([redis?.stop(), influx?.stop()])
  })

  it('are listed, shown, replayed and purged while it goes on', async () => {
    const ahead = Date.now() + DAY_MS
    // A sample from a day ahead is kept as a line, a message that is none as it came.
    await publishRaw(redis.port, 'metrics', [
      Buffer.from('rubbish \u001b[31m'),
      json(41, 42, ahead),
      Buffer.from('{"cpu_usage":'),
    ])
    await until('three letters are kept', async () => (await listed(data)).length === 3)

    const { stdout: table } = await deadLetters(data, ['list'])
    expect(table).toMatch(/^ID +TIME +AGE +REASON +SOURCE +SIZE +PAYLOAD\n/)
    expect(table.split('\n').length).toBe(5)
    expect(table).toContain('rubbish \\u{1b}[31m')
    expect(await ids(data, '--reason', 'time_in_future')).toEqual([1])
    expect(await ids(data, '--until', '1h')).toEqual([])
    expect(await ids(data, '--since', '1h', '--limit', '2')).toEqual([1, 2])

    const shown = await deadLetters(data, ['show', '1'])
    expect(shown.stdout).toMatch(
      /^id {7}1\n[\s\S]*reason {3}time_in_future\n[\s\S]*\nsystem_stats[^\n]* cpu=41,mem=42 \d+\n$/,
    )
    expect((await deadLetters(data, ['show', '0', '--raw'])).stdout).toBe('rubbish \u001b[31m')
    expect(await deadLetters(data, ['show', '7'])).toMatchObject({ code: 1, stdout: '' })

    const refused = await deadLetters(data, ['replay', '1', '--json'], env)
    expect(refused.code).toBe(1)
    expect(JSON.parse(refused.stdout)).toMatchObject({ id: 1, outcome: 'refused', reason: 'time_in_future' })
    // Whoever allows such times gets the sample into the database after all.
    const replayed = await deadLetters(data, ['replay', '--json'], { ...env, SENTINEL_INGEST_MAX_FUTURE_MS: '2d' })
    expect(replayed.code).toBe(1)
    expect(replayed.stdout.split('\n').map((line) => line.slice(0, 30))).toEqual([
      '{"id":0,"outcome":"refused","r',
      '{"id":2,"outcome":"refused","r',
      '{"id":1,"outcome":"stored"}',
      '',
    ])
    expect(await influxQuery(influx.url, 'telemetry', 'SELECT cpu FROM system_stats WHERE cpu = 41')).toHaveLength(1)

    expect(await deadLetters(data, ['purge'])).toMatchObject({ code: 2, stdout: '' })
    expect(await deadLetters(data, ['purge', '2'])).toMatchObject({ code: 0, stdout: 'letters purged: 1\n' })
    expect(await ids(data)).toEqual([0])

    // The server goes on with the numbers that it knows, and with good samples.
    await publishRaw(redis.port, 'metrics', [Buffer.from('more'), json(1, 2, Date.now())])
    await until('a fourth letter is kept', async () => (await ids(data)).join() === '0,3')
    expect(await deadLetters(data, ['purge', '--all', '--json'])).toMatchObject({ stdout: '{"purged":2}\n' })
    expect(await ids(data)).toEqual([])
    const good = await influxQuery(influx.url, 'telemetry', 'SELECT cpu FROM system_stats WHERE cpu = 1')
    expect(good).toHaveLength(1)
  })

  it('are written to the database by a replay: messages and lines', async () => {
    const stopped = join(folder, 'stopped')
    const at = Date.now() - 60_000
    await keep(stopped, [
      { kind: 'message', reason: 'poison', payload: json(71, 72, at), source: 'web-01' },
      { payload: `room,host=a warm=20.5 ${at}000000` },
      { payload: `room,host=a warm="hot" ${at + 1}000000`, detail: 'field type conflict' },
      { payload: `room,host=b warm=21.5 ${at}000000\nroom,host=c warm=22.5 ${at}000000` },
      { payload: 'room,host=d' },
    ])
    const first = await deadLetters(stopped, ['replay', '--source', 'web-01'], env)
    expect(first).toMatchObject({
      code: 0,
      stdout: 'letters stored: 1, their samples: 1, letters refused again: 0\n',
    })
    expect(await influxQuery(influx.url, 'telemetry', 'SELECT cpu FROM system_stats WHERE cpu = 71')).toHaveLength(1)
    expect(await ids(stopped)).toEqual([1, 2, 3, 4])

    const { code, stdout } = await deadLetters(stopped, ['replay'], env)
    expect(code).toBe(1)
    expect(stdout).toMatch(
      /^letters stored: 2, their samples: 3, letters refused again: 2\n {2}line_syntax: 1, [^\n]+\n {2}store_refused: 1, for example: [^\n]*field type conflict/,
    )
    const rows = await influxQuery(influx.url, 'telemetry', 'SELECT warm FROM room GROUP BY host')
    expect(rows.map(({ host, warm }) => [host, warm])).toEqual([
      ['a', 20.5],
      ['b', 21.5],
      ['c', 22.5],
    ])
    expect(await ids(stopped)).toEqual([2, 4])

    await deadLetters(stopped, ['purge', '--all'])
    await keep(stopped, [{ payload: 'm v=1' }])
    expect(await ids(stopped), 'numbers are never given twice').toEqual([5])
    const files = await readdir(join(stopped, 'server', 'ingest%2f1', 'dead-letters'))
    expect(files.filter((file) => file.endsWith('.done'))).toEqual([])
  })

  it('stay where the store takes nothing, which a replay says', async () => {
    const stopped = join(folder, 'no-store')
    await keep(stopped, [{ payload: 'm v=1' }])
    const nowhere = `http://127.0.0.1:${await freePort()}`
    const { code, stdout, stderr } = await deadLetters(stopped, ['replay'], { INFLUX_URL: nowhere })
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain('nothing is replayed')
    expect(stderr).toContain(new URL(nowhere).host)
    expect(await ids(stopped)).toEqual([0])
  })
})

describe('the dead letters of "sentinel up"', () => {
  it('wait until it lets its DuckDB file go', async () => {
    const data = join(folder, 'up')
    await keep(data, [{ payload: `room,host=a warm=20.5 ${Date.now()}000000` }])
    const settings = ['--duckdb-path', join(folder, 'up.duckdb')]
    expect(await deadLetters(data, ['replay', ...settings])).toMatchObject({ code: 78, stdout: '' })

    const port = await freePort()
    const up = startProgram('sentinel', {
      args: ['up', ...settings, '--data-path', data, '--broker-consumer', CONSUMER, '--api-port', `${port}`],
      env: { SENTINEL_ADMIN_PORT: '0' },
      cwd: folder,
    })
    await up.logged('started')
    const refused = await deadLetters(data, ['replay', ...settings])
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toContain('stop "sentinel up" and start it again afterwards')
    expect(refused.stderr).toContain(`process ${up.pid}`)
    expect(await up.stop()).toBe(0)

    const replayed = await deadLetters(data, ['replay', ...settings])
    expect(replayed).toMatchObject({ code: 0, stderr: '' })
    expect(await ids(data)).toEqual([])
  })
})

it('says which letters are damaged, and ends with 1', async () => {
  const data = join(folder, 'damaged')
  const letters = join(data, 'server', 'ingest%2f1', 'dead-letters')
  await keep(data, [{ payload: 'm v=1' }, { payload: 'm v=2' }])
  const [segment] = (await readdir(letters)).filter((file) => file.endsWith('.seg'))
  const path = join(letters, segment!)
  const bytes = await readFile(path)
  await writeFile(path, bytes.subarray(0, -3))
  const some = await deadLetters(data, ['list'])
  expect([some.code, some.stderr]).toEqual([1, expect.stringContaining(`at least 1 of ${path}`)])
  expect(some.stdout).toContain('store_refused')
  await writeFile(path, Buffer.alloc(bytes.length, 'x'))
  const none = await deadLetters(data, ['list'])
  expect([none.code, none.stdout]).toEqual([1, ''])
  expect(none.stderr).toContain(`at least 1 of ${path}`)
  expect(none.stderr).toContain('no other dead letters in')
  for (const args of [
    ['purge', '--all'],
    ['show', '0'],
  ]) {
    expect([args, (await deadLetters(data, args)).code]).toEqual([args, 1])
  }
})
