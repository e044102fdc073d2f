import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeCounts } from '../../bench/load/hdr.ts'
import type { Allocations, DebugMetrics, LedgerCounts } from '../../internal/observe/debug-metrics.ts'
import { metric } from '../support/api.ts'
import { type Consumer, startConsumer } from '../support/consumer.ts'
import { flat, type ReadFrame, type ReadProfile, readProfile } from '../support/pprof.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { packed, publishRaw } from '../support/raw-redis.ts'
import { freePort, startRedis, type TestServer, until } from '../support/servers.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const framesOf = (profile: ReadProfile): ReadFrame[] => profile.samples.flatMap(({ stack }) => stack)

/** The frames in sources of this project. */
function ownFrames(profile: ReadProfile): ReadFrame[] {
  return framesOf(profile).filter(({ file }) => /^(cmd|internal)\//.test(file))
}

describe('profiles of a server under load', () => {
  let consumer: Consumer
  let cpu: ReadProfile
  let heap: ReadProfile

  beforeAll(async () => {
    consumer = await startConsumer()
    const messages = Array.from({ length: 5_000 }, (_, i) => packed((i % 100) / 4, 50, Date.now()))
    let isOver = false
    const taken = Promise.all([take('profile?seconds=4'), take('heap?seconds=4')]).finally(() => {
      isOver = true
    })
    while (!isOver) await publishRaw(consumer.redis.port, 'metrics', messages)
    ;[cpu, heap] = await taken
  })
  afterAll(() => consumer?.stop())

  async function take(path: string): Promise<ReadProfile> {
    const response = await fetch(`${consumer.admin}/debug/pprof/${path}`)
    expect(response.status).toBe(200)
    return readProfile(new Uint8Array(await response.arrayBuffer()))
  }

  it('say which process they are of', () => {
    expect([cpu.program, heap.program]).toEqual(['server', 'server'])
  })

  it('show the way of a message', () => {
    for (const profile of [cpu, heap]) {
      const folders = ownFrames(profile).map(({ file }) => /^internal\/\w+/.exec(file)?.[0] ?? file)
      // Of a few hundred looks on a busy machine no single file is sure to be hit.
      const way = ['broker', 'codec', 'ingest', 'format', 'store'].map((name) => `internal/${name}`)
      expect(way.filter((folder) => folders.includes(folder)).length).toBeGreaterThan(1)
    }
  })

  it('name TypeScript that is there, lines included, and nothing of this machine', () => {
    for (const { file, line } of [...framesOf(cpu), ...framesOf(heap)]) {
      expect(file).not.toMatch(/^\/|^file:|^dist\//)
      if (!/^(cmd|internal)\//.test(file)) continue
      expect(file).toMatch(/\.ts$/)
      const source = join(ROOT, file)
      expect(existsSync(source), file).toBe(true)
      expect(line, file).toBeGreaterThan(0)
      expect(line, file).toBeLessThanOrEqual(readFileSync(source, 'utf8').split('\n').length)
    }
  })

  it('have functions at the line where they begin in the TypeScript', () => {
    const named = [...ownFrames(cpu), ...ownFrames(heap)].filter(({ name }) => /^#?[a-z]\w*$/.test(name))
    expect(named.length).toBeGreaterThan(10)
    for (const { name, file, line } of named) {
      const begins = readFileSync(join(ROOT, file), 'utf8').split('\n')[line - 1]!
      // An arrow function may have its name on a line before.
      if (!begins.includes('=>')) expect(begins, `${file}:${line}`).toContain(name)
    }
  })

  it('have time and bytes', () => {
    expect(flat(cpu, 'cpu/nanoseconds').length).toBeGreaterThan(5)
    expect(flat(heap, 'alloc_space/bytes').length).toBeGreaterThan(5)
  })
})

describe('the figures of a server', () => {
  const MESSAGES = 1_000
  const page = readFileSync(join(ROOT, 'docs/profiling.md'), 'utf8')
  let consumer: Consumer

  beforeAll(async () => {
    consumer = await startConsumer()
    await publishRaw(
      consumer.redis.port,
      'metrics',
      Array.from({ length: MESSAGES }, () => packed(1, 50, Date.now())),
    )
    await until('all are settled', async () => {
      const { received, own, held } = await ask<LedgerCounts>('ledger')
      return received - own === MESSAGES && held === 0
    })
  })
  afterAll(() => consumer?.stop())

  async function ask<T>(path: string): Promise<T> {
    const response = await fetch(`${consumer.admin}/debug/${path}`)
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8'])
    return (await response.json()) as T
  }

  /** The example of the page that has this field. */
  function documented(field: string): string[] {
    const [, example = '{}'] = new RegExp(`^(\\{"\\w+":[\\d.]+,.*"${field}":.*\\})$`, 'm').exec(page) ?? []
    return Object.keys(JSON.parse(example))
  }

  it('balance, are those of the metrics, and are on the page', async () => {
    const ledger = await ask<LedgerCounts>('ledger')
    const { messages, received, own, takenOver, written, rejected, dropped, held } = ledger
    expect([messages, received - own]).toEqual([MESSAGES, MESSAGES])
    expect(received + takenOver).toBe(written + rejected + dropped + held)
    expect(messages).toBe(await metric(consumer.admin, 'sentinel_received_messages_total'))
    expect(Object.keys(ledger)).toEqual(documented('takenOver'))
  })

  it('have the latency of every message, and what the process costs', async () => {
    const { latency, gc, cpuUs, rssBytes } = await ask<DebugMetrics>('figures')
    for (const encoded of Object.values(latency)) {
      const { count, buckets } = decodeCounts(encoded)
      expect(count).toBe(MESSAGES)
      expect(buckets.reduce((sum, [, n]) => sum + n, 0)).toBe(MESSAGES)
    }
    expect(gc.count).toBeGreaterThan(0)
    expect(cpuUs).toBeGreaterThan(10_000)
    expect(rssBytes).toBeGreaterThan(10e6)
  })

  it('count what is allocated, on the heap and outside of it', async () => {
    const allocations = await ask<Allocations>('allocations?seconds=1')
    expect(allocations.heapBytes).toBeGreaterThan(10_000)
    expect(allocations.seconds).toBeGreaterThan(0.99)
    expect(Object.keys(allocations)).toEqual(documented('heapBytes'))
  })
})

describe('an agent that is being profiled', () => {
  let redis: TestServer
  let agent: Program
  let admin: string

  beforeAll(async () => {
    const [server, port] = await Promise.all([startRedis(), freePort()])
    redis = server
    admin = `http://127.0.0.1:${port}`
    agent = startProgram('agent', { env: { REDIS_URL: redis.url, SENTINEL_ADMIN_PORT: `${port}` } })
    await agent.logged('started')
  })
  afterAll(async () => {
    await agent?.stop()
    await redis?.stop()
  })

  it('takes no samples in', async () => {
    for (const path of ['ledger', 'figures']) expect((await fetch(`${admin}/debug/${path}`)).status).toBe(404)
  })

  it('has the page of its profiles, and one at a time', async () => {
    expect(await (await fetch(`${admin}/debug/pprof/`)).text()).toContain('Profiles of agent')
    const client = new AbortController()
    const first = fetch(`${admin}/debug/pprof/profile?seconds=600`, { signal: client.signal })
    first.catch(() => {})
    const isTaken = async (): Promise<boolean> => (await fetch(`${admin}/debug/pprof/profile?seconds=1`)).status === 409
    while (!(await isTaken())) {
      // The first request came later than ours.
    }
    client.abort()
    await expect(first).rejects.toThrow()
    while (await isTaken()) {
      // That the client has gone away is not yet known.
    }
  })

  it('stops at once, and says so to who waits', async () => {
    const asked = Promise.all(
      ['profile?seconds=600', 'heap?seconds=3600'].map(async (path) => {
        const response = await fetch(`${admin}/debug/pprof/${path}`)
        return response.status
      }),
    )
    while ((await fetch(`${admin}/debug/pprof/heap?seconds=1`)).status !== 409) {
      // The first request came later than ours.
    }
    expect(await agent.stop()).toBe(0)
    expect(await asked).toEqual([503, 503])
  })
})
