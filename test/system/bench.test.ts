import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { LoadResult } from '../../bench/load/load.ts'
import { readHistogramLog } from '../support/histogram-log.ts'
import { influxCount } from '../support/influx.ts'
import { type InfluxProxy, startInfluxProxy } from '../support/influx-proxy.ts'
import { type Program, run, startProgram } from '../support/programs.ts'
import { freePort, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'

/** A server with a database of its own, and how to load it. */
interface Scene {
  readonly server: Program
  readonly database: string
  readonly admin: string
  readonly env: Readonly<Record<string, string>>
}

let redis: TestServer
let influx: TestServer
let proxy: InfluxProxy
let folder: string
const scenes: Scene[] = []

beforeAll(async () => {
  redis = await startRedis()
  influx = await startInflux()
  proxy = await startInfluxProxy(influx.url)
  folder = await mkdtemp(join(tmpdir(), 'sentinel-bench-'))
})
afterEach(async () => {
  await Promise.all(scenes.splice(0).map(({ server }) => server.stop()))
  await proxy.become({ kind: 'none' })
})
afterAll(async () => {
  await proxy?.stop()
  await Promise.all([redis?.stop(), influx?.stop()])
  await rm(folder, { recursive: true, force: true })
})

let databases = 0

async function startScene(broker: 'pubsub' | 'streams', influxUrl = influx.url, redisUrl = redis.url): Promise<Scene> {
  const database = `bench${databases++}`
  const port = await freePort()
  const env = {
    REDIS_URL: redisUrl,
    INFLUX_URL: influxUrl,
    INFLUX_BUCKET: database,
    SENTINEL_BROKER_KIND: broker,
    SENTINEL_BROKER_TOPIC: database,
  }
  const server = startProgram('server', { env: { ...env, SENTINEL_ADMIN_PORT: `${port}` } })
  const scene = { server, database, admin: `http://127.0.0.1:${port}`, env }
  scenes.push(scene)
  await server.logged('started')
  return scene
}

/** A run that is over. */
interface Run {
  readonly code: number | NodeJS.Signals
  readonly stdout: string
  readonly stderr: string
  readonly load: LoadResult
}

function start({ admin, env }: Scene, args: readonly string[]): Program {
  return startProgram('bench', { env, args: ['--server', admin, '--json', join(folder, 'load.json'), ...args] })
}

async function over(program: Program): Promise<Run> {
  const code = await program.ended
  const { load } = JSON.parse(await readFile(join(folder, 'load.json'), 'utf8')) as { load: LoadResult }
  return { code, stdout: program.stdout(), stderr: program.stderr(), load }
}

/** On a busy machine nothing may have been sent after a second. */
const SHORT = ['--duration', '1s', '--warmup', '2s']

describe('a load', () => {
  // As fast as it goes takes both cores from the tests beside: with the usual workers and Packed, the one into a slow database does.
  it.each([
    ['pubsub', ['--rate', '1000', '--threads', '2'], 1],
    ['pubsub', ['--binary=false', '--hosts', '3', '--rate', '1000', '--values', 'full'], 1],
    ['pubsub', ['--format', 'frame', '--workers', '3', '--samples-per-message', '7'], 7],
    ['pubsub', ['--format', 'frame', '--rate', '50', '--hosts', '2', '--threads', '2'], 100],
    ['streams', ['--binary=false', '--workers', '3'], 1],
    ['streams', ['--format', 'frame', '--rate', '50'], 100],
  ] as const)('over %s with %j is in the store, every sample of it', async (broker, args, samplesPerMessage) => {
    const scene = await startScene(broker)
    const { code, stdout, stderr, load } = await over(start(scene, [...SHORT, ...args]))
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('bench:')])
    expect(load).toMatchObject({ balance: '', partial: false, unreceived: 0, reportedLost: 0, stored: load.samples })
    expect(load.samples).toBe(load.messages * samplesPerMessage)
    expect(load.messages).toBeGreaterThan(0)
    const rate = / --rate (\d+)/.exec(` ${args.join(' ')}`)?.[1]
    if (rate !== undefined) expect(load.messages).toBe(Number(rate))
    // Every message has each of its latencies, and nothing else has.
    const { latency, ledger } = load.servers!
    const counts = [latency.internal, latency.e2e, latency.durable, load.reply, load.lateness].map(({ count }) => count)
    expect(counts).toEqual(Array(5).fill(load.messages))
    expect(ledger.received - ledger.own).toBe(load.samples)
    expect(load.senderCpuUs).toBeGreaterThan(0)
    expect(stdout).toMatch(new RegExp(`^E2E_LATENCY_STATS count=${load.messages} `, 'm'))
    expect(stdout).toContain('sent = stored, none lost')
    // The warm-up is there too, and nothing of it was counted.
    expect(await influxCount(influx.url, scene.database, 'system_stats', 'cpu')).toBeGreaterThan(load.samples)
  })

  it('is written as HdrHistogram files, with the latencies of all messages second by second', async () => {
    const scene = await startScene('pubsub')
    const hdr = join(folder, 'latencies')
    const { code, stdout, load } = await over(
      start(scene, ['--duration', '3s', '--warmup', '0', '--rate', '1000', '--hdr', hdr]),
    )
    expect(code).toBe(0)
    expect(readdirSync(hdr).sort()).toEqual(['durable.hgrm', 'e2e.hgrm', 'internal.hgrm', 'latency.hlog'])
    const intervals = readHistogramLog(readFileSync(join(hdr, 'latency.hlog'), 'utf8'))
    for (const tag of ['internal', 'e2e', 'durable'] as const) {
      const ofTag = intervals.filter((one) => one.tag === tag)
      // One for each whole second, and what was settled after it.
      expect(ofTag.length).toBeGreaterThanOrEqual(3)
      const [sum, ...others] = ofTag
      for (const other of others) sum!.add(other)
      const [p50, p90, p99] = [50, 90, 99].map((p) => sum!.getValueAtPercentile(p))
      const line = `${tag.toUpperCase()}_LATENCY_STATS count=${load.messages} p50_us=${p50} p90_us=${p90} p99_us=${p99}\n`
      expect(stdout).toContain(line)
      const percentiles = readFileSync(join(hdr, `${tag}.hgrm`), 'utf8')
      expect(percentiles).toContain(`Total count    = ${String(load.messages).padStart(12)}]`)
    }
  })

  it('of which a database has swallowed some is not in balance, and says how many are missing', async () => {
    const scene = await startScene('pubsub', proxy.url)
    const bench = start(scene, ['--rate', '1000', '--duration', '3s', '--warmup', '0'])
    await until('it measures', () => bench.stderr().includes('measure'))
    await proxy.become({ kind: 'status', status: 204, body: '', share: 0.5 })
    const { code, stderr, load } = await over(bench)
    const missing = load.samples - load.stored!
    expect(missing).toBeGreaterThan(0)
    // A sample that the server made of itself may be on its way when it is asked: then the sentence goes on otherwise.
    expect(stderr).toContain(`${missing.toLocaleString('en-US')} are missing`)
    expect(code).toBe(1)
  })

  it('as fast as it goes is as fast as the database takes it, and not as fast as a server can pile it up', async () => {
    const scene = await startScene('pubsub', proxy.url)
    await proxy.become({ kind: 'slow', delayMs: 700 })
    const { code, load } = await over(start(scene, ['--duration', '3s', '--warmup', '0']))
    const waiting = load.timeline.map(({ held }) => held)
    expect(waiting.length).toBeGreaterThan(0)
    // What may wait, what may be on its way, and some that the server made itself.
    expect(Math.max(...waiting)).toBeLessThan(50_000 + 20_000 + 1000)
    expect([code, load.balance]).toEqual([0, ''])
  })

  it('measures nothing while the servers still have what the warm-up sent', async () => {
    const { admin, env } = await startScene('pubsub', proxy.url)
    await proxy.become({ kind: 'status', status: 503, body: '{"error":"engine: cache-max-memory-size exceeded"}' })
    const args = ['--server', admin, '--rate', '100', '--duration', '1h', '--warmup', '1s']
    const { code, stdout, stderr } = await run('bench', { env, args })
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain('do not settle the samples of the warm-up')
    expect(stderr).not.toContain('measure')
    // Or else the server waits for it at its end.
    await proxy.become({ kind: 'none' })
  })

  it('of frames whose server is cut off knows exactly what was lost', async () => {
    const scene = await startScene('pubsub')
    const frames = ['--format', 'frame', '--samples-per-message', '20']
    const bench = start(scene, [...frames, '--rate', '1000', '--duration', '3s', '--warmup', '0'])
    await until('it measures', () => bench.stderr().includes('measure'))
    const admin = new Redis(redis.url)
    for (let times = 0; times < 3; times++) {
      await admin.client('KILL', 'TYPE', 'pubsub')
      await until('the server is back', async () => (await admin.pubsub('NUMSUB', 'metrics'))[1] === 1)
    }
    admin.disconnect()
    const { code, load } = await over(bench)
    expect(load).toMatchObject({ messages: 3000, balance: '' })
    expect(load.unreceived).toBeGreaterThan(0)
    expect(load.stored! + load.reportedLost).toBe(60_000)
    expect(code).toBe(0)
  })

  it('that is stopped says what came of it until then', async () => {
    const bench = start(await startScene('pubsub'), ['--rate', '2000', '--duration', '1h', '--warmup', '0'])
    await until('it measures', () => bench.stderr().includes('measure'))
    bench.signal('SIGINT')
    const { code, stdout, stderr, load } = await over(bench)
    expect(code).toBe(130)
    expect(load).toMatchObject({ partial: true, balance: '', stored: load.samples })
    expect(stdout).toContain('stopped before its time')
    expect(stderr).toContain('bench: stopped before its time')
  })

  it('that is stopped while it warms up ends too', async () => {
    const { admin, env } = await startScene('pubsub')
    const bench = startProgram('bench', { env, args: ['--server', admin, '--rate', '100', '--warmup', '1h'] })
    await until('it warms up', () => bench.stderr().includes('warm-up'))
    bench.signal('SIGTERM')
    expect([await bench.ended, bench.stdout()]).toEqual([143, ''])
  })

  it('ends when a server or Redis dies', async () => {
    const doomed = await startRedis()
    const scene = await startScene('pubsub', influx.url, doomed.url)
    const args = ['--rate', '1000', '--duration', '1h', '--warmup', '0']
    const first = start(scene, args)
    await until('it measures', () => first.stderr().includes('measure'))
    await doomed.halt('SIGKILL')
    expect([await first.ended, first.stderr()]).toEqual([
      1,
      expect.stringMatching(/^bench: Redis at .*: what was measured so far is void$/m),
    ])
    await doomed.start()
    await until('the server is ready', async () => (await fetch(`${scene.admin}/ready`)).ok)
    const second = start(scene, args)
    await until('it measures', () => second.stderr().includes('measure'))
    scene.server.signal('SIGKILL')
    expect([await second.ended, second.stderr()]).toEqual([1, expect.stringMatching(/^bench: no server at /m)])
    await doomed.stop()
  })

  it('needs no server to be asked, and no store', async () => {
    const { env } = await startScene('streams')
    const args = ['--server', 'none', '--no-count', '--workers', '5', '--duration', '1s', '--warmup', '0']
    const { code, stdout } = await run('sentinel', { env, args: ['bench', ...args] })
    expect([code, stdout]).toEqual([0, expect.stringContaining('the store was not asked')])
  })
})

describe('bad use of bench', () => {
  it('says in one line what is wrong, and what to do', async () => {
    const { admin, env } = await startScene('pubsub')
    const nowhere = `http://127.0.0.1:${await freePort()}`
    const noRedis = `redis://127.0.0.1:${await freePort()}`
    const cases: ReadonlyArray<readonly [args: readonly string[], code: number, words: RegExp]> = [
      [
        ['--redis-url', noRedis],
        1,
        /^bench: Redis at .* refuses the connection: is it running there\? check REDIS_URL\n$/,
      ],
      [
        ['--server', nowhere],
        1,
        /^bench: no server at .*ECONNREFUSED.* see --server and --server-ca-file, or --server none\n$/,
      ],
      [
        ['--broker-partitions', '2'],
        1,
        /^bench: no server is subscribed to metrics:0, metrics:1: start a server .*\n$/,
      ],
      [['--influx-url', nowhere], 1, /^bench: the store at .* cannot be asked .*ECONNREFUSED.*--no-count\n$/],
      [['--hdr', '/proc/x'], 1, /^bench: --hdr: \/proc\/x cannot be written to: /],
      [['--json', '/nowhere/a.json'], 1, /^bench: --json: "\/nowhere\/a.json" cannot be written: ENOENT/],
      [
        ['--workrs', '5'],
        2,
        /^error: unknown option '--workrs'\n\(Did you mean --workers\?\)\n--help shows commands and options\n/,
      ],
      [['--duration', 'abc'], 2, /'abc' is invalid. It must be a time from 1s to 1d/],
      [['--redis-url', 'localhost'], 78, /redis.url: .*localhost.* must be a URL that begins with redis/],
    ]
    for (const [args, code, words] of cases) {
      const ended = await run('bench', { env, args: ['--server', admin, '--rate', '10', ...SHORT, ...args] })
      expect([args, ended.code, ended.stdout]).toEqual([args, code, ''])
      expect(ended.stderr).toMatch(words)
    }
  })
})
