import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import AjvCompiler from '@fastify/ajv-compiler'
import SerializerSelector from '@fastify/fast-json-stringify-compiler'
import type { RouteOptions } from 'fastify'
import { describe, expect, it, vi } from 'vitest'
import { ApiScene, type OpenApi } from '../../test/support/api-scene.ts'
import { type HistoryQuery, StoreError, tooManyPoints } from '../store/store.ts'

type Schemas = Parameters<ReturnType<typeof AjvCompiler>>[0]
type Validated = Parameters<ReturnType<ReturnType<typeof AjvCompiler>>>[0]

/** A documented answer: its schema, or one for each media type. */
interface DocumentedAnswer {
  readonly content?: Readonly<Record<string, { readonly schema: object }>>
}

const HISTORY = '/api/v1/hosts/web-01/metrics?measurement=cpu&field=usage_user'
const away = () => Promise.reject(new StoreError('away', 'connect ECONNREFUSED 10.1.2.3:8086'))
const refused = () => Promise.reject(new StoreError('refused', 'token s3cr3t may not read bucket telemetry'))

/** A store that does not answer. It rejects when the query is aborted. */
function never(_query: unknown, signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
}

describe('GET /api/v1/hosts', () => {
  it('joins the live hosts and those of the store, web-2 before web-10', async () => {
    const scene = await ApiScene.open()
    const { way } = scene
    const now = way.clock.time + 10_001_000
    scene.reader.hosts = async () => [
      { host: 'web-10', lastSeenAt: now - 60e6 },
      { host: 'web-2', lastSeenAt: now - 60e6 },
      // The own metrics of a server of that machine are newer.
      { host: 'db', lastSeenAt: now },
      { host: 'web-11', lastSeenAt: now + 3_600e6 },
    ]
    way.send('mem', { host: 'db' }, { used_percent: 61 })
    way.clock.time = now - 123_000
    way.send('cpu', { host: 'web-2', cpu: 'cpu-total' }, { usage_idle: 75 })
    way.clock.time = now
    way.send('mem', { host: 'ahead' }, { used_percent: 1 }, now + 5e6)
    const answer = await scene.ask('/api/v1/hosts')
    expect(answer.statusCode).toBe(200)
    const { hosts, ...rest } = answer.json()
    expect(rest).toEqual({ now, partial: false, total: 5, next: null })
    const nothing = {
      cpuPercent: null,
      memPercent: null,
      load1: null,
      cores: null,
      uptimeSeconds: null,
      os: null,
      agentVersion: null,
      conflict: null,
      gpu_count: 0,
    }
    const live = { ...nothing, clockOffsetMs: 0 }
    const stored = { ...nothing, stale: true, clockOffsetMs: null }
    expect(hosts).toEqual([
      { host: 'ahead', lastSeenAt: now, ageMs: 0, stale: false, ...live, clockOffsetMs: 5000, memPercent: 1 },
      { host: 'db', lastSeenAt: now - 10_001_000, ageMs: 10_001, stale: true, ...live },
      { host: 'web-2', lastSeenAt: now - 123_000, ageMs: 123, stale: false, ...live, cpuPercent: 25 },
      { host: 'web-10', lastSeenAt: now - 60e6, ageMs: 60_000, ...stored },
      { host: 'web-11', lastSeenAt: now, ageMs: 0, ...stored },
    ])
  })

  it('gives pages, and only the hosts that are asked for', async () => {
    const scene = await ApiScene.open()
    scene.reader.hosts = async () => [1, 2, 10, 11, 20].map((n) => ({ host: `Web-${n}`, lastSeenAt: n }))
    for (const host of ['db', 'web,odd']) scene.way.send('mem', { host }, { used_percent: 1 })
    const ask = async (query: string): Promise<unknown> => {
      const { hosts, total, next } = (await scene.ask(`/api/v1/hosts?${query}`)).json()
      return [hosts.map(({ host }: { host: string }) => host).join(' '), total, next]
    }
    expect(await ask('limit=3')).toEqual(['db Web-1 Web-2', 7, 'Web-2'])
    expect(await ask('limit=3&after=Web-2')).toEqual(['Web-10 Web-11 Web-20', 7, 'Web-20'])
    expect(await ask('limit=3&after=Web-20')).toEqual(['web,odd', 7, null])
    expect(await ask('after=zzz')).toEqual(['', 7, null])
    // A host that is gone by now.
    expect(await ask('limit=1&after=Web-3')).toEqual(['Web-10', 7, 'Web-10'])
    expect(await ask('contains=WEB-1&limit=2')).toEqual(['Web-1 Web-10', 3, 'Web-10'])
    expect(await ask('contains=WEB-1&limit=2&after=Web-10')).toEqual(['Web-11', 3, null])
    expect(await ask('host=web,odd')).toEqual(['web,odd', 1, null])
    expect(await ask('host=Web')).toEqual(['', 0, null])
    for (const bad of ['limit=0', 'limit=10001', 'limit=x', 'pages=2', 'after=a&after=b']) {
      expect((await scene.ask(`/api/v1/hosts?${bad}`)).json()).toMatchObject({
        status: 400,
        parameter: bad.split('=')[0],
      })
    }
  })

  it('gives of each host only what a list shows, where it is asked to be brief', async () => {
    const scene = await ApiScene.open()
    const { way } = scene
    scene.reader.hosts = async () => [{ host: 'stored', lastSeenAt: way.clock.time - 60e6 }]
    way.send('cpu', { host: 'live', cpu: 'cpu-total' }, { usage_idle: 75 })
    way.send('mem', { host: 'live' }, { used_percent: 1 })
    way.clock.time += 2e6
    expect((await scene.ask('/api/v1/hosts?brief=true&limit=9')).json()).toMatchObject({ total: 2, next: null })
    expect((await scene.ask('/api/v1/hosts?brief=true')).json().hosts).toEqual([
      { host: 'live', ageMs: 2000, stale: false, cpuPercent: 25 },
      { host: 'stored', ageMs: 60_000, stale: true, cpuPercent: null },
    ])
    expect((await scene.ask('/api/v1/hosts?brief=false&host=live')).json().hosts[0]).toHaveProperty('memPercent', 1)
    expect((await scene.ask('/api/v1/hosts?brief=2')).json()).toMatchObject({ status: 400, parameter: 'brief' })
  })

  it('gives each host once while hosts come and go between two pages', async () => {
    const scene = await ApiScene.open()
    const stored = (names: readonly number[]) => async () => names.map((n) => ({ host: `web-${n}`, lastSeenAt: n }))
    const all = Array.from({ length: 3_000 }, (_, n) => n + 1)
    scene.reader.hosts = stored(all)
    const seen: string[] = []
    const gone = new Set<string>()
    let next: string | null = ''
    for (let page = 0; next !== null; page++) {
      const answer: { hosts: Array<{ host: string }>; next: string | null } = (
        await scene.ask(`/api/v1/hosts?brief=true&limit=250&after=${next}`)
      ).json()
      seen.push(...answer.hosts.map(({ host }) => host))
      next = answer.next
      // The last one of the page goes, and every tenth, before it and behind it; others come at both ends.
      gone.add(`${next}`)
      for (const n of all) if (n % 10 === page) gone.add(`web-${n}`)
      scene.reader.hosts = stored([...all.filter((n) => !gone.has(`web-${n}`)), 5_000])
      scene.way.send('cpu', { host: `new-${page}` }, { v: 1 })
      scene.way.clock.time += 11e6
    }
    expect(new Set(seen).size).toBe(seen.length)
    const stayed = all.map((n) => `web-${n}`).filter((host) => !gone.has(host))
    expect(seen.filter((host) => stayed.includes(host))).toEqual(stayed)
    expect(seen.at(-1)).toBe('web-5000')
  })

  it('leaves out machines that only run a server', async () => {
    const scene = await ApiScene.open()
    scene.way.send('sentinel_pipeline', { host: 'machine', role: 'server' }, { received: 1 })
    scene.reader.hosts = async () => [{ host: 'machine', lastSeenAt: 1 }]
    expect((await scene.ask('/api/v1/hosts')).json().hosts).toEqual([])
  })

  it('asks the store at most every ten seconds', async () => {
    const scene = await ApiScene.open()
    const asked: number[] = []
    scene.reader.hosts = async (sinceUs) => {
      asked.push(sinceUs)
      return []
    }
    await Promise.all([scene.ask('/api/v1/hosts'), scene.ask('/api/v1/hosts')])
    scene.way.clock.time += 9_900_000
    await scene.ask('/api/v1/hosts')
    expect(asked).toEqual([scene.way.clock.time - 9_900_000 - 7 * 86_400e6])
    scene.way.clock.time += 200_000
    await scene.ask('/api/v1/hosts')
    expect(asked.length).toBe(2)
  })

  it('makes one answer for all requests within ten milliseconds, unless something changes', async () => {
    const scene = await ApiScene.open()
    const { way } = scene
    const start = way.clock.time
    const ask = async (): Promise<{ madeAt: number; memPercent: number }> => {
      const { now, hosts } = (await scene.ask('/api/v1/hosts')).json()
      return { madeAt: now - start, memPercent: hosts[0].memPercent }
    }
    way.send('mem', { host: 'a' }, { used_percent: 1 }, start)
    expect(await ask()).toEqual({ madeAt: 0, memPercent: 1 })
    way.clock.time = start + 9_999
    expect(await ask()).toEqual({ madeAt: 0, memPercent: 1 })
    way.clock.time = start + 10_000
    expect(await ask()).toEqual({ madeAt: 10_000, memPercent: 1 })
    way.clock.time = start + 10_001
    way.send('mem', { host: 'a' }, { used_percent: 2 }, start)
    expect(await ask()).toEqual({ madeAt: 10_001, memPercent: 2 })
  })

  it('makes an answer that takes long once for ten times as long, though something changes', async () => {
    const scene = await ApiScene.open()
    const { way } = scene
    const memPercent = async (query = '') => (await scene.ask(`/api/v1/hosts${query}`)).json().hosts[0].memPercent
    const becomes = (percent: number) => way.send('mem', { host: 'a' }, { used_percent: percent })
    becomes(1)
    // Each look at a series takes 5 ms of this clock.
    vi.spyOn(way.table, 'isStale').mockImplementation(() => {
      way.clock.time += 5_000
      return false
    })
    expect(await memPercent()).toBe(1)
    becomes(2)
    expect(await memPercent()).toBe(1)
    expect(await memPercent('?limit=5')).toBe(2)
    way.clock.time += 500_000
    expect(await memPercent()).toBe(2)
  })

  it('lists the live hosts and the last known ones while the store is away, and asks it every two seconds', async () => {
    const scene = await ApiScene.open()
    scene.reader.hosts = async () => [{ host: 'stored', lastSeenAt: 1 }]
    scene.way.send('cpu', { host: 'live' }, { v: 1 })
    await scene.ask('/api/v1/hosts')
    let asked = 0
    scene.reader.hosts = () => {
      asked++
      return away()
    }
    scene.way.clock.time += 11e6
    for (let i = 0; i < 3; i++) {
      const { partial, hosts } = (await scene.ask('/api/v1/hosts')).json()
      expect(partial).toBe(true)
      expect(hosts.map(({ host }: { host: string }) => host)).toEqual(['live', 'stored'])
    }
    expect(asked).toBe(1)
    expect(scene.log.filter((line) => line.includes('ECONNREFUSED')).length).toBe(1)
    scene.reader.hosts = async () => []
    scene.way.clock.time += 2e6
    expect((await scene.ask('/api/v1/hosts')).json().partial).toBe(false)
  })
})

describe('GET /api/v1/hosts/{host}/metrics', () => {
  async function openWithHost(host = 'web-01', ...options: Parameters<typeof ApiScene.open>): Promise<ApiScene> {
    const scene = await ApiScene.open(...options)
    scene.way.send('cpu', { host }, { v: 1 })
    return scene
  }

  it('passes the question to the store, and its answer to the client', async () => {
    const scene = await openWithHost()
    const queries: HistoryQuery[] = []
    const tags = { cpu: 'cpu-total', host: 'web-01' }
    scene.reader.history = async (query) => {
      queries.push(query)
      return [{ field: 'usage_user', tags, points: [[1763900000000000, 1.25], [1763900001000000, 5e-324]] }] // biome-ignore format: a pair a point
    }
    const answer = await scene.ask(
      `${HISTORY},b&start=1763900000000000&end=1763900060000000&every=1s&aggregate=p99&tag=cpu=cpu-total`,
    )
    const range = { start: 1763900000000000, end: 1763900060000000 }
    expect(answer.json()).toEqual({
      host: 'web-01',
      measurement: 'cpu',
      aggregate: 'p99',
      ...range,
      everyMs: 1000,
      series: [{ field: 'usage_user', tags, points: [[1763900000000000, 1.25], [1763900001000000, 5e-324]] }], // biome-ignore format: a pair a point
    })
    expect(queries).toEqual([
      {
        measurement: 'cpu',
        fields: ['usage_user', 'b'],
        tags,
        startUs: range.start,
        endUs: range.end,
        everyUs: 1e6,
        aggregate: 'p99',
      },
    ])
  })

  it('takes any host that a tag can name', async () => {
    const host = `ü/.. "?&=%00 ${'x'.repeat(900)}`
    const scene = await openWithHost(host)
    const answer = await scene.ask(`/api/v1/hosts/${encodeURIComponent(host)}/metrics?measurement=cpu&field=v`)
    expect(answer.json().host).toBe(host)
  })

  it('knows hosts that only the store has seen, and machines that only run a server', async () => {
    const scene = await openWithHost('other')
    scene.way.send('sentinel_pipeline', { host: 'machine', role: 'server' }, { received: 1 })
    scene.reader.hosts = async () => [{ host: 'web-01', lastSeenAt: 1 }]
    expect((await scene.ask(HISTORY)).statusCode).toBe(200)
    expect((await scene.ask(HISTORY.replace('web-01', 'machine'))).statusCode).toBe(200)
  })

  const badParameters: Array<[string, string, string]> = [
    ['no measurement', '?field=a', 'measurement'],
    ['an empty measurement', '?measurement=&field=a', 'measurement'],
    ['a measurement of control characters', '?measurement=%01&field=a', 'measurement'],
    ['two measurements', '?measurement=a&measurement=b&field=a', 'measurement'],
    ['no field', '?measurement=a', 'field'],
    ['an empty field', '?measurement=a&field=a,', 'field'],
    ['a start that is not a time', '?measurement=a&field=a&start=soon', 'start'],
    ['an end before the start', '?measurement=a&field=a&end=-1h', 'start'],
    ['an end that is not a time', '?measurement=a&field=a&end=x', 'end'],
    ['an unknown unit', '?measurement=a&field=a&every=1w', 'every'],
    ['too many buckets', '?measurement=a&field=a&start=-7d&every=1s', 'every'],
    ['an unknown aggregate', '?measurement=a&field=a&aggregate=median', 'aggregate'],
    ['a tag without a value', '?measurement=a&field=a&tag=cpu', 'tag'],
    ['a second tag without a value', '?measurement=a&field=a&tag=cpu=a&tag=b', 'tag'],
    ['a misspelt parameter', '?measurement=a&field=a&agregate=max', 'agregate'],
  ]
  it.each(badParameters)('400 for %s, naming the parameter', async (_name, query, parameter) => {
    const scene = await openWithHost()
    const answer = await scene.ask(`/api/v1/hosts/web-01/metrics${query}`)
    expect(answer.json()).toMatchObject({
      status: 400,
      title: 'Bad Request',
      instance: '/api/v1/hosts/web-01/metrics',
      parameter,
    })
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
  })

  it('answers for a host that has been silent for years, as long as the store keeps its samples', async () => {
    const scene = await ApiScene.open()
    const asked: unknown[] = []
    scene.reader.hosts = async () => []
    scene.reader.hasHost = async (host) => {
      asked.push(host)
      return true
    }
    expect((await scene.ask(HISTORY)).json()).toMatchObject({ host: 'web-01', series: [] })
    const series = [{ field: 'usage_user', tags: { host: 'web-01' }, points: [[1.6e15, 1]] as const }]
    scene.reader.history = async () => series
    expect((await scene.ask(`${HISTORY}&start=1600000000000000&every=30d`)).json()).toMatchObject({ series })
    expect(asked).toEqual(['web-01'])
  })

  it('gives integers that no JSON number holds as text', async () => {
    const scene = await openWithHost()
    const points = [[1763900000000000, '9007199254740993'], [1763900001000000, 2]] as const // biome-ignore format: a pair a point
    scene.reader.history = async () => [{ field: 'usage_user', tags: {}, points }]
    expect((await scene.ask(HISTORY)).json().series[0].points).toEqual(points)
  })

  describe('names with commas, equals signs or line breaks', () => {
    /** A store with one series: host `web-01`, tag `a=b` with the value `c`, fields `x,y` and `z`. */
    async function openWithOddNames(): Promise<(query: string) => Promise<unknown>> {
      const scene = await openWithHost()
      scene.reader.history = async ({ fields, tags }) => {
        const stored: Record<string, string> = { host: 'web-01', 'a=b': 'c' }
        if (Object.entries(tags).some(([key, value]) => stored[key] !== value)) return []
        const found = fields.filter((field) => ['x,y', 'z'].includes(field))
        return found.map((field) => ({ field, tags: stored, points: [[1.7e15, 1]] }))
      }
      return async (query) => {
        const answer = await scene.ask(`/api/v1/hosts/web-01/metrics?measurement=m&${query}`)
        const { series, parameter, detail } = answer.json()
        return series?.map(({ field }: { field: string }) => field) ?? `${parameter}: ${detail}`
      }
    }

    it('are answered exactly, or refused with how to write them', async () => {
      const ask = await openWithOddNames()
      expect(await ask('field=x\\,y,z')).toEqual(['x,y', 'z'])
      expect(await ask('field=x,y')).toBe('field: there is a field "x,y": write it as x\\,y')
      expect(await ask('field=z,x,y')).toBe('field: there is a field "x,y": write it as x\\,y')
      expect(await ask('field=z&tag=a\\=b=c')).toEqual(['z'])
      expect(await ask('field=z&tag=a=b=c')).toBe('tag: there is a tag "a=b" with the value "c": write it as a\\=b=c')
      // Nothing else can have been meant.
      expect(await ask('field=nothing,else&tag=a\\=b=c')).toEqual([])
      expect(await ask('field=z&tag=a=b')).toEqual([])
      expect(await ask('field=z&tag=a=d=c')).toEqual([])
    })

    it('find a host by the name that its publisher sent', async () => {
      const scene = await ApiScene.open()
      const name = 'line\nbreak, "quoted" = ü'
      scene.way.send('cpu', { host: name }, { v: 1 })
      const hosts: unknown[] = []
      scene.reader.history = async ({ tags }) => {
        hosts.push(tags.host)
        return []
      }
      const ask = async (host: string): Promise<unknown> =>
        (await scene.ask(`/api/v1/hosts/${encodeURIComponent(host)}/metrics?measurement=cpu&field=v`)).json().series
      const stored = 'line\\nbreak, "quoted" = ü'
      expect([await ask(name), await ask(stored), hosts]).toEqual([[], [], [stored, stored]])
    })
  })

  it('404 for an unknown host', async () => {
    const answer = await (await ApiScene.open()).ask(HISTORY)
    expect(answer.json()).toMatchObject({ status: 404, detail: expect.stringContaining('web-01') })
  })

  it('503 and not 404 while the store cannot say whether the host exists', async () => {
    const scene = await ApiScene.open()
    scene.reader.hosts = away
    expect((await scene.ask(HISTORY)).statusCode).toBe(503)
  })

  it.each([
    ['is away', away, 'ECONNREFUSED'],
    ['refuses', refused, 's3cr3t'],
  ])('503 when the store %s, with the reason in the log alone', async (_name, history, inLog) => {
    const scene = await openWithHost()
    scene.reader.history = history
    for (let i = 0; i < 5; i++) {
      const answer = await scene.ask(HISTORY)
      expect(answer.statusCode).toBe(503)
      expect(answer.headers['retry-after']).toBe('5')
      expect(answer.body).not.toContain(inLog)
    }
    expect(scene.log.filter((line) => line.includes(inLog)).length).toBe(1)
  })

  it('400 when the store finds too many points', async () => {
    const scene = await openWithHost()
    scene.reader.history = () => Promise.reject(tooManyPoints(100_000))
    const answer = await scene.ask(HISTORY)
    expect(answer.json()).toMatchObject({ status: 400, parameter: 'every', detail: expect.stringContaining('100,000') })
    expect(scene.log).toEqual([])
  })

  it('503 when the store takes too long, and the query is aborted', async () => {
    const scene = await openWithHost('web-01', { limits: { queryTimeoutMs: 20 } })
    let aborted = false
    scene.reader.history = (_query, signal) => {
      signal.addEventListener('abort', () => {
        aborted = true
      })
      return never(_query, signal)
    }
    const answer = await scene.ask(HISTORY)
    expect([answer.statusCode, answer.headers['retry-after'], aborted]).toEqual([503, '5', true])
  })

  it('503 while the most queries are running, and an answer again when one ends', async () => {
    const scene = await openWithHost('web-01', { limits: { maxQueries: 1 } })
    let finish = () => {}
    let started = () => {}
    const running = new Promise<void>((resolve) => {
      started = resolve
    })
    scene.reader.history = () => {
      started()
      return new Promise((resolve) => {
        finish = () => resolve([])
      })
    }
    const first = scene.ask(HISTORY)
    await running
    const second = await scene.ask(HISTORY)
    expect([second.statusCode, second.headers['retry-after']]).toEqual([503, '1'])
    finish()
    expect((await first).statusCode).toBe(200)
    scene.reader.history = async () => []
    expect((await scene.ask(HISTORY)).statusCode).toBe(200)
  })

  it('500 for a fault of ours, with the reason in the log alone', async () => {
    const scene = await openWithHost()
    scene.reader.history = () => Promise.reject(new TypeError('cannot read the secret of undefined'))
    const answer = await scene.ask(HISTORY)
    expect(answer.json()).toMatchObject({ status: 500, title: 'Internal Server Error' })
    expect(answer.body).not.toContain('secret')
    expect(scene.log.join('')).toContain('cannot read the secret of undefined')
  })
})

describe('GET /health, /ready, /metrics', () => {
  it('is always alive, and ready when nothing is missing', async () => {
    const scene = await ApiScene.open()
    const health = await scene.ask('/health?t=1')
    expect([health.statusCode, health.headers['content-type'], health.body]).toEqual([
      200,
      'text/plain; charset=utf-8',
      'OK',
    ])
    expect((await scene.ask('/ready')).json()).toEqual({ ready: true, reasons: [] })
    scene.reasons = ['the broker is away']
    const answer = await scene.ask('/ready')
    expect([answer.statusCode, answer.json()]).toEqual([503, { ready: false, reasons: ['the broker is away'] }])
    expect((await scene.ask('/health')).statusCode).toBe(200)
  })

  it('gives the metrics as they are', async () => {
    const answer = await (await ApiScene.open()).ask('/metrics')
    expect([answer.headers['content-type'], answer.body]).toEqual([
      'text/plain; version=0.0.4; charset=utf-8',
      'sentinel_up 1\n',
    ])
  })
})

describe('GET /api/v1/pipeline', () => {
  it('sums up what the programs say of themselves', async () => {
    const scene = await ApiScene.open()
    const { way } = scene
    for (const host of ['a', 'b'])
      way.send('sentinel_pipeline', { host, role: 'server' }, { held: 2n, e2e_p99_us: 1.5 })
    way.send('sentinel_pipeline', { host: 'a', role: 'agent' }, { dropped: 3n })
    expect((await scene.ask('/api/v1/pipeline')).json()).toMatchObject({
      ...{ programs: 3, servers: 2, seenAt: way.clock.time, held: 4, dropped: 3, e2eP99Us: 1.5, deadLetters: null },
    })
  })
})

describe('every answer', () => {
  it('HEAD is GET without the body', async () => {
    const scene = await ApiScene.open()
    for (const url of [
      '/health',
      '/ready',
      '/metrics',
      '/api/v1/hosts',
      '/api/v1/live',
      '/api/v1/pipeline/live',
      '/docs/json',
    ]) {
      const answer = await scene.app.inject({ method: 'HEAD', url })
      expect([url, answer.statusCode, answer.body]).toEqual([url, 200, ''])
    }
  })

  const problems: Array<[string, string, string, number]> = [
    ['an unknown path', 'GET', '/api/v1/nothing', 404],
    ['an unknown method', 'POST', '/api/v1/hosts', 405],
    ['an unknown method of the history', 'DELETE', '/api/v1/hosts/a/metrics', 405],
    ['an unknown method of the page', 'PUT', '/', 405],
    ['a URL that cannot be decoded', 'GET', '/api/v1/hosts/%zz/metrics', 400],
    ['a long URL', 'GET', `/api/v1/hosts?${'a'.repeat(9_000)}`, 414],
    ['a host name that is too long', 'GET', `/api/v1/hosts/${'a'.repeat(1025)}/metrics?measurement=a&field=a`, 400],
  ]
  it.each(problems)('is a problem document for %s', async (_name, method, url, status) => {
    const scene = await ApiScene.open()
    const answer = await scene.app.inject({ method: method as 'GET', url, payload: method === 'GET' ? '' : 'a body' })
    expect(answer.statusCode).toBe(status)
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
    expect(answer.json()).toMatchObject({ type: 'about:blank', status, instance: url.split('?')[0] })
    if (status === 405) expect(answer.headers.allow).toBe('GET, HEAD')
  })

  it('forbids pages everything but their own scripts', async () => {
    const scene = await ApiScene.open()
    const { headers } = await scene.app.inject('/')
    const policy = String(headers['content-security-policy'])
    expect(policy).toContain("default-src 'self'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain('unsafe-inline')
    expect(policy).not.toContain('upgrade-insecure-requests')
    for (const url of ['/', '/docs/json', `/${'a'.repeat(9_000)}`, '/%zz']) {
      expect((await scene.app.inject(url)).headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
      })
    }
    for (const url of ['/api/v1/hosts', '/api/v1/nothing', '/api/v1/%zz']) {
      expect((await scene.app.inject(url)).headers).toMatchObject({
        'content-security-policy': "default-src 'none';frame-ancestors 'none'",
        'cross-origin-resource-policy': 'same-origin',
        'x-content-type-options': 'nosniff',
      })
    }
  })

  it('may be read by other origins only where the settings name them', async () => {
    const ask = (scene: ApiScene, origin: string) => scene.app.inject({ url: '/api/v1/hosts', headers: { origin } })
    const closed = await ApiScene.open()
    expect((await ask(closed, 'https://grafana.example')).headers['access-control-allow-origin']).toBeUndefined()
    const open = await ApiScene.open({ corsOrigins: ['https://grafana.example'] })
    expect((await ask(open, 'https://grafana.example')).headers['access-control-allow-origin']).toBe(
      'https://grafana.example',
    )
    expect((await ask(open, 'https://evil.example')).headers['access-control-allow-origin']).toBeUndefined()
  })

  it('may be read by a page of a named origin with a key, which a preflight finds out; by no other', async () => {
    const scene = await ApiScene.open({ corsOrigins: ['https://grafana.example'] })
    const preflight = (origin: string, method = 'GET') =>
      scene.app.inject({
        ...{ method: 'OPTIONS', url: '/api/v1/hosts' },
        headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': 'x-api-key' },
      })
    const { statusCode, headers } = await preflight('https://grafana.example')
    expect(statusCode).toBe(204)
    expect(headers).toMatchObject({
      'access-control-allow-origin': 'https://grafana.example',
      'access-control-allow-methods': 'GET, HEAD',
      'access-control-allow-headers': expect.stringContaining('X-API-Key'),
      'access-control-max-age': '600',
    })
    expect((await preflight('https://grafana.example', 'POST')).headers['access-control-allow-methods']).toBe(
      'GET, HEAD',
    )
    const refused = await preflight('https://evil.example')
    expect([refused.statusCode, refused.headers['access-control-allow-origin']]).toEqual([204, undefined])
    const read = await scene.ask({ url: '/api/v1/hosts', headers: { origin: 'https://grafana.example' } })
    expect(read.headers['access-control-expose-headers']).toMatch(/Retry-After, RateLimit/)
  })

  it('tells a page of another origin that it asks too often', async () => {
    const origin = 'https://grafana.example'
    const scene = await ApiScene.open({ corsOrigins: [origin], limits: { requestsPerMinute: 1 } })
    const ask = () => scene.ask({ url: '/api/v1/hosts', remoteAddress: '192.0.2.1', headers: { origin } })
    await ask()
    const { statusCode, headers } = await ask()
    expect(statusCode).toBe(429)
    expect(headers).toMatchObject({ 'access-control-allow-origin': origin, 'x-content-type-options': 'nosniff' })
  })

  it('is limited by address, except for this machine and for /health', async () => {
    const scene = await ApiScene.open({ limits: { requestsPerMinute: 2 } })
    const ask = (remoteAddress: string, url: string) => scene.ask({ url, remoteAddress })
    const statuses: number[] = []
    for (const url of ['/api/v1/hosts', HISTORY, '/api/v1/hosts', HISTORY, '/health']) {
      statuses.push((await ask('192.0.2.1', url)).statusCode)
    }
    expect(statuses).toEqual([200, 404, 429, 429, 200])
    expect((await ask('192.0.2.2', '/api/v1/hosts')).statusCode).toBe(200)
    for (const address of ['127.0.0.1', '127.0.0.1', '127.0.0.1', '::1', '::1', '::1', '::ffff:127.0.0.1']) {
      expect((await ask(address, '/api/v1/hosts')).statusCode).toBe(200)
    }
    const limited = await ask('192.0.2.1', '/api/v1/hosts')
    expect(limited.headers).toMatchObject({ 'ratelimit-policy': '"address";q=2;w=60' })
    expect(limited.headers.ratelimit).toMatch(/^"address";r=0;t=\d+$/)
    expect(Number(limited.headers['retry-after'])).toBeGreaterThan(0)
    expect(limited.json()).toMatchObject({ status: 429, detail: 'this address may ask 2 times a minute' })
    expect(scene.log.join('')).toMatch(
      /"address":"192.0.2.1".*; --api-requests-per-minute or SENTINEL_\w+ allows more"/,
    )
  })

  it('is limited by the address that the proxy itself saw, whatever its client says', async () => {
    const scene = await ApiScene.open({ trustProxy: true, limits: { requestsPerMinute: 1 } })
    const ask = async (forwarded: string): Promise<number> =>
      (await scene.ask({ url: '/api/v1/hosts', headers: { 'x-forwarded-for': forwarded } })).statusCode
    expect([await ask('127.0.0.1, 192.0.2.1'), await ask('198.51.100.7, 192.0.2.1')]).toEqual([200, 429])
  })

  it('is limited by /64: a client has all addresses below it', async () => {
    const scene = await ApiScene.open({ limits: { requestsPerMinute: 1 } })
    const ask = async (remoteAddress: string): Promise<number> =>
      (await scene.ask({ url: '/api/v1/hosts', remoteAddress })).statusCode
    expect([await ask('2001:db8::1'), await ask('2001:db8::2'), await ask('2001:db8:0:1::1')]).toEqual([200, 429, 200])
  })

  it('has a limit that a reload may change', async () => {
    let requestsPerMinute = 1
    const scene = await ApiScene.open({ limits: { requestsPerMinute: () => requestsPerMinute } })
    const ask = async (): Promise<number> =>
      (await scene.ask({ url: '/api/v1/hosts', remoteAddress: '192.0.2.1' })).statusCode
    expect([await ask(), await ask()]).toEqual([200, 429])
    requestsPerMinute = 10
    expect(await ask()).toBe(200)
  })
})

describe('an unknown parameter', () => {
  it('is refused by every resource of the API, and ignored for probes', async () => {
    const scene = await ApiScene.open()
    const document: OpenApi = (await scene.app.inject('/docs/json')).json()
    const statuses: Array<[string, number, string | undefined]> = []
    for (const path of Object.keys(document.paths)) {
      const url = `${path.replace(/\{\w+\}/, 'a')}?measurement=cpu&field=f&misspelt=1`
      const answer = await scene.app.inject({ url, headers: { accept: 'application/json' } })
      const isJson = String(answer.headers['content-type']).includes('json')
      statuses.push([path, answer.statusCode, isJson ? answer.json().parameter : undefined])
    }
    expect(statuses).toEqual([
      ['/health', 200, undefined],
      ['/ready', 200, undefined],
      ['/metrics', 200, undefined],
      // It takes none at all, and names the first.
      ['/api/v1/whoami', 400, 'measurement'],
      ['/api/v1/hosts', 400, 'measurement'],
      ['/api/v1/hosts/{host}/metrics', 400, 'misspelt'],
      ['/api/v1/fabrics', 400, 'measurement'],
      ['/api/v1/fabrics/cells', 400, 'metric'],
      ['/api/v1/switches', 400, 'measurement'],
      ['/api/v1/switches/{id}/metrics', 400, 'misspelt'],
      ['/api/v1/live', 400, 'field'],
      ['/api/v1/pipeline', 400, 'measurement'],
      ['/api/v1/pipeline/live', 400, 'measurement'],
      ['/api/v1/queue', 400, 'measurement'],
      ['/api/v1/gpus', 400, 'measurement'],
      ['/api/v1/namespaces', 400, 'measurement'],
      ['/api/v1/gpus/live', 400, 'measurement'],
      ['/api/v1/gpus/{id}/metrics', 400, 'misspelt'],
      ['/api/v1/gpus/{id}/telemetry', 400, 'measurement'],
      ['/api/v1/events', 400, 'measurement'],
      ['/api/v1/query/export', 400, 'format'],
      ['/telemetry/GetMetric', 400, 'measurement'],
      ['/telemetry/ListMetrics', 400, 'measurement'],
      // It needs one, and that comes first.
      ['/telemetry/top', 400, 'metric'],
      ['/telemetry/stats', 400, 'measurement'],
    ])
    expect((await scene.ask('/api/v1/hosts?hots=a')).json()).toMatchObject({
      status: 400,
      parameter: 'hots',
      detail: 'there is no parameter "hots"',
    })
  })
})

it('has schemas that can be compiled, which each route does when it is first asked', async () => {
  const scene = new ApiScene()
  const routes: RouteOptions[] = []
  let shared: unknown
  scene.app.addHook('onRoute', function keep(route) {
    routes.push(route)
    shared = this.getSchemas()
  })
  await scene.app.ready()
  expect(routes.map(({ url }) => url)).toContain('/telemetry/top')
  const validator = AjvCompiler()(shared as Schemas, { customOptions: {} })
  const serializer = SerializerSelector()(shared, {})
  for (const { url, schema: { querystring, params, headers, body, response = {} } = {} } of routes) {
    for (const part of [querystring, params, headers, body]) {
      if (part !== undefined) validator({ schema: part } as Validated)
    }
    for (const answer of Object.values(response as Record<string, DocumentedAnswer>)) {
      const schemas = answer.content === undefined ? [answer] : Object.values(answer.content).map((one) => one.schema)
      for (const schema of schemas) serializer({ url, method: 'GET', httpStatus: '200', schema })
    }
  }
  await scene.app.close()
})

describe('the documentation', () => {
  it('is OpenAPI 3.1 with a schema for each answer', async () => {
    const document: OpenApi = (await (await ApiScene.open()).app.inject('/docs/json')).json()
    expect(document.openapi).toBe('3.1.0')
    expect(document.info.version).toBe('1.2.3')
    const answers: string[][] = []
    for (const [path, { get }] of Object.entries(document.paths)) {
      for (const [status, { content }] of Object.entries(get.responses))
        answers.push([path, status, ...Object.keys(content ?? {})])
    }
    const [json, problem, plain] = ['application/json', 'application/problem+json', 'text/plain']
    const problemsOf = (path: string, ...more: string[]): string[][] =>
      ['400', '408', '413', '414', '431', ...more].sort().map((status) => [path, status, problem])
    expect(answers).toEqual([
      ['/health', '200', plain, 'application/json'],
      ...problemsOf('/health'),
      ['/ready', '200', json],
      ...problemsOf('/ready', '503').map(([path, status, type]) => [path, status, status === '503' ? json : type]),
      ['/metrics', '200', 'text/plain'],
      ...problemsOf('/metrics', '500'),
      ['/api/v1/whoami', '200', json],
      ...problemsOf('/api/v1/whoami', '401', '421', '429', '500'),
      ['/api/v1/hosts', '200', json],
      ...problemsOf('/api/v1/hosts', '421', '429', '500'),
      ['/api/v1/hosts/{host}/metrics', '200', json],
      ...problemsOf('/api/v1/hosts/{host}/metrics', '404', '421', '429', '500', '503'),
      ['/api/v1/fabrics', '200', json],
      ...problemsOf('/api/v1/fabrics', '421', '429', '500'),
      ...['fabrics/cells', 'switches', 'switches/{id}/metrics'].flatMap((name) => [
        [`/api/v1/${name}`, '200', json],
        ...problemsOf(`/api/v1/${name}`, '404', '421', '429', '500', '503'),
      ]),
      ['/api/v1/live', '200', 'text/event-stream'],
      ...problemsOf('/api/v1/live', '421', '429', '503'),
      ['/api/v1/pipeline', '200', json],
      ...problemsOf('/api/v1/pipeline', '421', '429', '500'),
      ['/api/v1/pipeline/live', '200', 'text/event-stream'],
      ...problemsOf('/api/v1/pipeline/live', '421', '429', '503'),
      ['/api/v1/queue', '200', json],
      ['/api/v1/queue', '304'],
      ...problemsOf('/api/v1/queue', '421', '429', '500', '503'),
      ...['gpus', 'namespaces'].flatMap((name) => [
        [`/api/v1/${name}`, '200', json],
        ...problemsOf(`/api/v1/${name}`, '421', '429', '500'),
      ]),
      ['/api/v1/gpus/live', '200', 'text/event-stream'],
      ...problemsOf('/api/v1/gpus/live', '421', '429', '503'),
      ...['metrics', 'telemetry'].flatMap((name) => [
        [`/api/v1/gpus/{id}/${name}`, '200', json],
        ...problemsOf(`/api/v1/gpus/{id}/${name}`, '404', '421', '429', '500', '503'),
      ]),
      ['/api/v1/events', '200', json],
      ...problemsOf('/api/v1/events', '421', '429', '500', '503'),
      ['/api/v1/query/export', '200', 'text/csv', plain, 'application/vnd.apache.parquet'],
      ...problemsOf('/api/v1/query/export', '404', '421', '429', '500', '501', '503'),
      ...['GetMetric', 'ListMetrics', 'top', 'stats'].flatMap((name) => [
        [`/telemetry/${name}`, '200', json],
        ...(name === 'stats' ? [] : [[`/telemetry/${name}`, '304']]),
        ...problemsOf(`/telemetry/${name}`, '404', '421', '429', '500', '503').map((answer) => [...answer, plain]),
      ]),
    ])
    expect(Object.keys(document.components.schemas)).toEqual(['Problem', 'Samples'])
  })

  it('is shown by a page whose scripts are all its own', async () => {
    const { app } = await ApiScene.open()
    const page = await app.inject('/docs')
    expect(page.statusCode).toBe(200)
    expect(page.headers['content-security-policy']).toContain("script-src 'self';")
    expect(page.body).not.toMatch(/<script(?![^>]*\bsrc=)/)
    for (const [, path] of page.body.matchAll(/(?:src|href)="([^"]+)"/g)) {
      expect([path, (await app.inject(path!)).statusCode]).toEqual([path, 200])
    }
  })
})

describe('the page', () => {
  it('says how to build it where it is not built', async () => {
    const answer = await (await ApiScene.open()).app.inject('/')
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([404, 'text/plain; charset=utf-8'])
    expect(answer.body).toContain('npm run build')
  })

  it('is served from its folder, and nothing outside of it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'page-'))
    try {
      await writeFile(join(folder, 'index.html'), '<title>page</title>')
      await mkdir(join(folder, 'assets'))
      await writeFile(join(folder, 'assets', 'main-1A2B3C4D.js'), 'go()')
      const { app } = await ApiScene.open({ webRoot: folder })
      const page = await app.inject('/')
      expect([page.statusCode, page.body]).toEqual([200, '<title>page</title>'])
      expect(page.headers['content-type']).toContain('text/html')
      expect(page.headers['cache-control']).toBe('public, max-age=0')
      const script = await app.inject('/assets/main-1A2B3C4D.js')
      expect([script.body, script.headers['cache-control']]).toEqual(['go()', 'public, max-age=31536000, immutable'])
      const unchanged = await app.inject({ url: '/', headers: { 'if-none-match': String(page.headers.etag) } })
      expect([unchanged.statusCode, unchanged.headers['cache-control']]).toEqual([304, 'public, max-age=0'])
      const none = await app.inject('/assets/nothing.js')
      expect([none.statusCode, none.headers['cache-control']]).toEqual([404, 'no-store'])
      expect((await app.inject('/api/v1/hosts')).statusCode).toBe(200)
      for (const url of ['/nothing.js', '/../package.json', '/..%2fpackage.json', '/%2e%2e/package.json']) {
        const answer = await app.inject(url)
        expect([url, answer.statusCode >= 400, answer.headers['content-type']]).toEqual([
          url,
          true,
          expect.stringContaining('application/problem+json'),
        ])
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
