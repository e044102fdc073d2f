import { get } from 'node:http'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Allocations, EncodedHistogram, LedgerCounts, PipelineMetrics } from '../observe/debug-metrics.ts'
import { Histogram } from '../observe/histogram.ts'
import { LatencyRecorder } from '../observe/latency.ts'
import { LogThrottle } from '../observe/log-throttle.ts'
import { ProfileInProgress, type Profiles } from '../observe/profiling/profiler.ts'
import { type Admin, startAdmin } from './admin.ts'
import { Refusals } from './doorkeeper.ts'

const allocations: Allocations = { seconds: 5, heapBytes: 4, externalBytes: 3, collections: 2, pauseUs: 1 }

/** Profiles that end immediately, or after `takeForever` only when they are aborted. */
class FakeProfiles implements Profiles {
  readonly asked: Array<[kind: string, durationMs: number]> = []
  /** Resolves when the next profile ends. */
  take: (signal: AbortSignal) => Promise<void> = async () => {}

  async cpu(durationMs: number, signal: AbortSignal): Promise<Uint8Array> {
    this.asked.push(['cpu', durationMs])
    await this.take(signal)
    return Buffer.from('a profile')
  }

  async heap(durationMs: number, signal: AbortSignal): Promise<Uint8Array> {
    this.asked.push(['heap', durationMs])
    await this.take(signal)
    return Buffer.from('a profile')
  }

  async allocations(durationMs: number, signal: AbortSignal): Promise<Allocations> {
    this.asked.push(['allocations', durationMs])
    await this.take(signal)
    return allocations
  }

  /**
   * From now on profiles end only when they are aborted.
   *
   * @returns resolves when a profile has begun. Its `givenUp` resolves when that profile is aborted
   */
  takeForever(): Promise<{ readonly givenUp: Promise<void> }> {
    return new Promise((begun) => {
      this.take = (signal) =>
        new Promise((_, reject) => {
          const givenUp = new Promise<void>((resolve) => {
            signal.addEventListener('abort', () => {
              resolve()
              reject(signal.reason)
            })
          })
          begun({ givenUp })
        })
    })
  }
}

const ledger: LedgerCounts = {
  ...{ messages: 90, received: 100, own: 10, ownDropped: 1, takenOver: 5, written: 80, rejected: 3, dropped: 2 },
  ...{ held: 13, spooled: 7, lost: 4, duplicates: 1, trimmed: 6 },
}

let profiles: FakeProfiles
let admin: Admin
let pipeline: PipelineMetrics | undefined

beforeEach(async () => {
  profiles = new FakeProfiles()
  pipeline = {
    ledger: () => ledger,
    latency: { internal: new LatencyRecorder(), e2e: new LatencyRecorder(), durable: new LatencyRecorder() },
  }
  const gcPauses = new LatencyRecorder()
  gcPauses.record(700)
  admin = await startAdmin({
    host: '127.0.0.1',
    port: 0,
    portSetting: '--admin-port',
    hostSetting: '--admin-host',
    name: 'server',
    version: '1.2.3',
    logger: pino({ level: 'silent' }),
    faults: new LogThrottle(pino({ level: 'silent' })),
    hosts: () => [],
    refusals: new Refusals(),
    ready: () => [],
    registry: { contentType: 'text/plain', metrics: async () => '' },
    figures: { pipeline: () => pipeline, gcPauses },
    profiles,
  })
})
afterEach(() => admin.close())

const ask = (path: string, init: RequestInit = {}) => fetch(admin.url + path, init)

describe('the index page', () => {
  test('has a link to each profile, and commands with the address that was asked', async () => {
    const response = await ask('/debug/pprof/')
    const page = await response.text()
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(page).toContain('Profiles of server 1.2.3')
    for (const [, link] of page.matchAll(/<dt><a href="([^"]+)"/g)) {
      expect((await ask(`/debug/pprof/${link}`)).status).toBe(200)
    }
    expect(profiles.asked).toEqual([
      ['cpu', 30_000],
      ['heap', 10_000],
      ['allocations', 10_000],
    ])
    expect(page).toContain(`go tool pprof -top '${admin.url}/debug/pprof/heap'`)
    expect(page).toContain('-base=')
    expect(page).toContain('alloc_space')
  })

  test('is found without the slash too', async () => {
    const response = await ask('/debug/pprof', { redirect: 'manual' })
    expect(response.status).toBe(301)
    expect(response.headers.get('location')).toBe('/debug/pprof/')
  })

  test('is not shown under a host that is not an address', async () => {
    const page = await new Promise<string>((resolve, reject) => {
      get(`${admin.url}/debug/pprof/`, { headers: { host: '<script>"\'$(x)' } }, (response) => {
        let text = ''
        response.on('data', (chunk) => {
          text += chunk
        })
        response.on('end', () => resolve(text))
      }).on('error', reject)
    })
    expect(JSON.parse(page)).toMatchObject({ status: 421 })
  })
})

const file = (kind: string) => ({
  'content-type': 'application/octet-stream',
  'content-disposition': expect.stringMatching(new RegExp(`^attachment; filename="${kind}-\\d{8}T\\d{6}Z\\.pb\\.gz"$`)),
})
const jsonHead = { 'content-type': 'application/json; charset=utf-8' }

describe.each([
  ['/debug/pprof/profile', 'cpu', 30, 600, file('cpu'), 'a profile'],
  ['/debug/pprof/heap', 'heap', 10, 3600, file('heap'), 'a profile'],
  ['/debug/allocations', 'allocations', 10, 3600, jsonHead, `${JSON.stringify(allocations)}\n`],
])('%s', (path, kind, usual, most, head, body) => {
  const headOf = (response: Response) => Object.fromEntries(response.headers)

  test.each([
    ['', usual],
    ['?', usual],
    ['?seconds=1', 1],
    [`?seconds=${most}`, most],
    ['?seconds=007', 7],
  ])('%s takes %d s', async (query, seconds) => {
    const response = await ask(path + query)
    expect(response.status).toBe(200)
    expect(await response.text()).toBe(body)
    expect(profiles.asked).toEqual([[kind, seconds * 1000]])
    expect(headOf(response)).toMatchObject({ ...head, 'cache-control': 'no-store' })
  })

  const range = `seconds is a whole number from 1 to ${most}, not`
  test.each([
    ['?seconds=0', 'seconds', `${range} 0`],
    [`?seconds=${most + 1}`, 'seconds', `${range} ${most + 1}`],
    ['?seconds=-1', 'seconds', `${range} -1`],
    ['?seconds=1.5', 'seconds', `${range} 1.5`],
    ['?seconds=1e1', 'seconds', `${range} 1e1`],
    ['?seconds=30s', 'seconds', `${range} 30s`],
    ['?seconds=', 'seconds', `${range} `],
    ['?seconds=9999999999999999999999', 'seconds', `${range} 9999999999999999999999`],
    ['?seconds=1&seconds=2', 'seconds', `${range} 1 and 2`],
    ['?second=5', 'second', 'there is no parameter second here, only seconds'],
    ['?seconds=5?gc=1', 'seconds', `${range} 5?gc=1`],
    ['?seconds=5&gc=1', 'gc', 'there is no parameter gc here, only seconds'],
  ])('%s is refused', async (query, parameter, detail) => {
    const response = await ask(path + query)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ status: 400, detail, parameter, instance: path })
    expect(profiles.asked).toEqual([])
  })

  test('takes none for a HEAD', async () => {
    const response = await ask(path, { method: 'HEAD' })
    expect(response.status).toBe(200)
    expect(headOf(response)).toMatchObject(head)
    expect(profiles.asked).toEqual([])
  })

  test('does not allow POST', async () => {
    const response = await ask(path, { method: 'POST' })
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe('GET, HEAD')
    expect(profiles.asked).toEqual([])
  })

  test('says when the next can begin while one is being taken', async () => {
    profiles.take = () => Promise.reject(new ProfileInProgress(`profile of ${kind}`, 12_300))
    const response = await ask(path)
    expect(response.status).toBe(409)
    expect(response.headers.get('retry-after')).toBe('13')
    expect(await response.json()).toMatchObject({
      status: 409,
      detail: `a profile of ${kind} is being taken; the next can begin in 13 s`,
    })
  })

  test('ends when the client goes away', async () => {
    const begun = profiles.takeForever()
    const client = new AbortController()
    const asked = ask(path, { signal: client.signal })
    const { givenUp } = await begun
    client.abort()
    await expect(asked).rejects.toThrow()
    await givenUp
  })

  test('ends with 503 when the process stops', async () => {
    const begun = profiles.takeForever()
    const asked = ask(path)
    const { givenUp } = await begun
    await Promise.all([givenUp, admin.close()])
    const response = await asked
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ status: 503, detail: 'the process is stopping' })
  })

  test('that fails is a 500 without the reason', async () => {
    profiles.take = () => Promise.reject(new Error('secret detail'))
    const response = await ask(path)
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('secret detail')
  })
})

function encoded(...values: number[]): EncodedHistogram {
  const histogram = new Histogram()
  for (const value of values) histogram.record(value)
  const { count, sum, max } = histogram
  return { count, sum, max, hdr: histogram.encode().toString('base64') }
}

describe('the ledger and the figures', () => {
  test('say what became of the samples', async () => {
    const response = await ask('/debug/ledger')
    expect([response.status, response.headers.get('content-type')]).toEqual([200, jsonHead['content-type']])
    expect(await response.json()).toEqual(ledger)
  })

  test('say it with the process and the latencies', async () => {
    pipeline!.latency.internal.record(10)
    pipeline!.latency.e2e.record(3000)
    const figures = (await (await ask('/debug/figures')).json()) as Record<string, unknown>
    expect(figures).toEqual({
      cpuUs: expect.any(Number),
      rssBytes: expect.any(Number),
      ledger,
      latency: {
        internal: encoded(10),
        e2e: encoded(3000),
        durable: encoded(),
      },
      gc: encoded(700),
    })
    expect(figures.rssBytes).toBeGreaterThan(1e6)
    expect(figures.cpuUs).toBeGreaterThan(0)
  })

  test.each(['/debug/ledger', '/debug/figures'])('are not there before the pipeline is open: %s', async (path) => {
    pipeline = undefined
    const response = await ask(path)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(response.status).toBe(404)
    const detail = 'this process receives no samples, or has not started to'
    expect(await response.json()).toMatchObject({ status: 404, detail, instance: path })
  })
})

test.each(['/debug/pprof', '/debug/pprof/', '/debug/ledger', '/debug/figures'])(
  '%s takes no parameter',
  async (path) => {
    const response = await ask(`${path}?seconds=1`, { redirect: 'manual' })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ parameter: 'seconds', detail: 'there is no parameter seconds here' })
  },
)

test.each(['/debug/pprof/goroutine', '/debug/pprof/profile/', '/debug', '/debug/pprof/cmdline'])(
  'there is nothing at %s',
  async (path) => {
    const response = await ask(path)
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ status: 404, instance: path })
  },
)
