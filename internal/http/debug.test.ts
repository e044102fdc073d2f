import { get } from 'node:http'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ProfileInProgress, type Profiles } from '../observe/profiling/profiler.ts'
import { type Admin, startAdmin } from './admin.ts'

/** Profiles that take no time, or as long as they are let. */
class FakeProfiles implements Profiles {
  readonly asked: Array<[kind: string, durationMs: number]> = []
  /** What the next one comes to. */
  take: (signal: AbortSignal) => Promise<Uint8Array> = async () => Buffer.from('a profile')

  cpu(durationMs: number, signal: AbortSignal): Promise<Uint8Array> {
    this.asked.push(['cpu', durationMs])
    return this.take(signal)
  }

  heap(durationMs: number, signal: AbortSignal): Promise<Uint8Array> {
    this.asked.push(['heap', durationMs])
    return this.take(signal)
  }

  /** From now on they end only when they are given up. @returns resolves when one has begun, with what resolves when it is given up */
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

let profiles: FakeProfiles
let admin: Admin

beforeEach(async () => {
  profiles = new FakeProfiles()
  admin = await startAdmin({
    host: '127.0.0.1',
    port: 0,
    portSetting: '--admin-port',
    hostSetting: '--admin-host',
    name: 'server',
    version: '1.2.3',
    logger: pino({ level: 'silent' }),
    ready: () => [],
    registry: { contentType: 'text/plain', metrics: async () => '' },
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

  test('says nothing after a client that sends what no address is', async () => {
    const page = await new Promise<string>((resolve, reject) => {
      get(`${admin.url}/debug/pprof/`, { headers: { host: '<script>"\'$(x)' } }, (response) => {
        let text = ''
        response.on('data', (chunk) => {
          text += chunk
        })
        response.on('end', () => resolve(text))
      }).on('error', reject)
    })
    expect(page).not.toContain('<script>')
    expect(page).not.toContain('$(x)')
    expect(page).toContain('http://127.0.0.1:6060/debug/pprof/heap')
  })
})

describe.each([
  ['profile', 'cpu', 30, 600],
  ['heap', 'heap', 10, 3600],
])('/debug/pprof/%s', (name, kind, usual, most) => {
  const path = `/debug/pprof/${name}`

  test.each([
    ['', usual],
    ['?', usual],
    ['?seconds=1', 1],
    [`?seconds=${most}`, most],
    ['?seconds=007', 7],
  ])('%s is a file of %d s', async (query, seconds) => {
    const response = await ask(path + query)
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('a profile')
    expect(profiles.asked).toEqual([[kind, seconds * 1000]])
    expect(response.headers.get('content-type')).toBe('application/octet-stream')
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('content-disposition')).toMatch(
      new RegExp(`^attachment; filename="${kind}-\\d{8}T\\d{6}Z\\.pb\\.gz"$`),
    )
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
    expect(response.headers.get('content-type')).toBe('application/octet-stream')
    expect(profiles.asked).toEqual([])
  })

  test('is not for a POST', async () => {
    const response = await ask(path, { method: 'POST' })
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe('GET, HEAD')
    expect(profiles.asked).toEqual([])
  })

  test('says when the next can begin while one is being taken', async () => {
    profiles.take = () => Promise.reject(new ProfileInProgress(kind, 12_300))
    const response = await ask(path)
    expect(response.status).toBe(409)
    expect(response.headers.get('retry-after')).toBe('13')
    expect(await response.json()).toMatchObject({
      status: 409,
      detail: `a ${kind} profile is being taken; the next can begin in 13 s`,
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

test.each(['/debug/pprof/goroutine', '/debug/pprof/profile/', '/debug', '/debug/pprof/cmdline'])(
  'there is nothing at %s',
  async (path) => {
    const response = await ask(path)
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ status: 404, instance: path })
  },
)
