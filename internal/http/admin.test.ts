import { connect } from 'node:net'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { KeyFileScene } from '../../test/support/keys.ts'
import { LogThrottle } from '../observe/log-throttle.ts'
import { type Admin, type AdminOptions, startAdmin } from './admin.ts'
import { Refusals } from './doorkeeper.ts'
import { Guard } from './guard.ts'
import { urlOf } from './listen.ts'
import type { OpenPart } from './needs.ts'

const reasons: string[] = []
let admin: Admin

const options: AdminOptions = {
  host: '127.0.0.1',
  port: 0,
  portSetting: '--admin-port or SENTINEL_ADMIN_PORT',
  hostSetting: '--admin-host or SENTINEL_ADMIN_HOST',
  name: 'server',
  version: '1.2.3',
  logger: pino({ level: 'silent' }),
  faults: new LogThrottle(pino({ level: 'silent' })),
  hosts: () => [],
  refusals: new Refusals(),
  ready: () => reasons,
  registry: { contentType: 'text/plain; version=0.0.4', metrics: async () => 'up 1\n' },
}

beforeEach(async () => {
  reasons.length = 0
  admin = await startAdmin(options)
})
afterEach(() => admin.close())

async function ask(path: string, init: RequestInit = {}, url = admin.url) {
  const response = await fetch(url + path, init)
  return { status: response.status, type: response.headers.get('content-type'), body: await response.text() }
}

/** Sends bytes on a new connection. Resolves with everything that the server sends until it closes. */
function raw(bytes: string): Promise<string> {
  const port = Number(new URL(admin.url).port)
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.on('data', (chunk) => {
      answer += chunk.toString()
    })
    socket.on('end', () => resolve(answer))
    socket.on('error', reject)
  })
}

describe('the admin listener', () => {
  test('says that the process lives, its name and its version', async () => {
    const { status, body } = await ask('/health')
    expect(status).toBe(200)
    expect(JSON.parse(body)).toEqual({ status: 'ok', name: 'server', version: '1.2.3', node: process.versions.node })
  })

  test('is ready, or says what keeps it from its work', async () => {
    expect(await ask('/ready')).toMatchObject({ status: 200, body: '{"ready":true,"reasons":[]}\n' })
    reasons.push('Redis at redis://a:6379 does not answer')
    const { status, body } = await ask('/ready')
    expect(status).toBe(503)
    expect(JSON.parse(body)).toEqual({ ready: false, reasons: ['Redis at redis://a:6379 does not answer'] })
  })

  test('gives the metrics, whatever the query', async () => {
    expect(await ask('/metrics?x=1')).toEqual({ status: 200, type: 'text/plain; version=0.0.4', body: 'up 1\n' })
  })

  test('answers HEAD with the head alone', async () => {
    expect(await ask('/health', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' })
  })

  test.each([
    ['/', {}, 404, 'there is nothing at /'],
    ['/constructor', {}, 404, 'there is nothing at /constructor'],
    ['/health', { method: 'DELETE' }, 405, '/health does not allow DELETE'],
    ['/health', { method: 'POST', body: 'x' }, 405, '/health does not allow POST'],
  ] as const)('%s %o is %d with a problem document', async (path, init, status, detail) => {
    const answer = await ask(path, init)
    expect(answer).toMatchObject({ status, type: 'application/problem+json' })
    expect(JSON.parse(answer.body)).toMatchObject({ type: 'about:blank', status, detail, instance: path })
  })

  test('takes no body, not even of a GET', async () => {
    const answer = await raw('GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello')
    expect(answer).toMatch(/^HTTP\/1\.1 413 .*connection: close/s)
  })

  test('answers bytes that are not a request, and headers that are too long', async () => {
    expect(await raw('hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 .*"this is not an HTTP request"/s)
    expect(await raw(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(10_000)}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /)
  })
})

test('metrics that fail are a 500 without the reason, and the listener lives on', async () => {
  const metrics = () => Promise.reject(new Error('secret detail'))
  const failing = await startAdmin({ ...options, registry: { contentType: 'text/plain', metrics } })
  const answer = await ask('/metrics', {}, failing.url)
  expect(answer.status).toBe(500)
  expect(answer.body).not.toContain('secret detail')
  expect((await ask('/health', {}, failing.url)).status).toBe(200)
  await failing.close()
})

test.each([
  ['0.0.0.0', 'IPv4', 'http://127.0.0.1:8080'],
  ['::', 'IPv6', 'http://[::1]:8080'],
  ['10.0.0.5', 'IPv4', 'http://10.0.0.5:8080'],
  ['fd00::5', 'IPv6', 'http://[fd00::5]:8080'],
])('%s is shown as a browser of this machine opens it', (address, family, url) => {
  expect(urlOf({ address, family, port: 8080 })).toBe(url)
})

test('a port that is taken is named, with what to change', async () => {
  const port = Number(new URL(admin.url).port)
  await expect(startAdmin({ ...options, port })).rejects.toThrow(
    `port ${port} of 127.0.0.1 is taken by another program: stop it, or set --admin-port or SENTINEL_ADMIN_PORT`,
  )
})

test('an address of another machine is named, with what to change', async () => {
  await expect(startAdmin({ ...options, host: '192.0.2.1' })).rejects.toThrow(
    '192.0.2.1 is not an address of this machine: set --admin-host or SENTINEL_ADMIN_HOST',
  )
})

test('close ends connections that are kept alive, and answers what is being asked', async () => {
  let finish = (_text: string): void => {}
  let reached = (): void => {}
  const isReached = new Promise<void>((resolve) => {
    reached = resolve
  })
  const metrics = (): Promise<string> => {
    reached()
    return new Promise((resolve) => {
      finish = resolve
    })
  }
  const slow = await startAdmin({ ...options, registry: { contentType: 'text/plain', metrics } })
  await ask('/health', {}, slow.url)
  const asked = ask('/metrics', {}, slow.url)
  await isReached
  const closed = slow.close()
  finish('up 1\n')
  expect(await asked).toMatchObject({ status: 200, body: 'up 1\n' })
  await closed
  await expect(ask('/health', {}, slow.url)).rejects.toThrow('fetch failed')
})

describe('the admin listener that other machines reach', () => {
  let file: KeyFileScene
  let open: OpenPart[] = []
  let keys: Readonly<Record<string, string>>
  let guarded: Admin

  beforeEach(async () => {
    file = await KeyFileScene.open()
    keys = {
      'x-api-key read': await file.add('reader', ['read']),
      'x-api-key admin': await file.add('operator', ['admin']),
      'x-service-token': 'a-token-of-the-roles',
    }
    const ring = await file.ring({ serviceToken: () => keys['x-service-token'] })
    const own = { keys: ring, refusals: options.refusals, logger: options.logger, open: () => open }
    guarded = await startAdmin({
      ...options,
      guard: async () => new Guard({ ...own, serviceScopes: ['read', 'admin'] }),
    })
  })
  afterEach(async () => {
    await guarded.close()
    file.close()
    open = []
  })

  /** Through a proxy, from another machine. */
  const fromElsewhere = (headers: Record<string, string> = {}): RequestInit => ({
    headers: { 'x-forwarded-for': '192.0.2.1', ...headers },
  })

  test.each<[key: string, metrics: number, debug: number]>([
    ['', 401, 401],
    ['x-api-key read', 200, 403],
    ['x-api-key admin', 403, 404],
    ['x-service-token', 200, 404],
  ])('with %j answers /metrics with %d and /debug/ledger with %d', async (key, metrics, debug) => {
    const headers: Record<string, string> = key === '' ? {} : { [key.split(' ')[0]!]: keys[key]! }
    expect((await ask('/metrics', fromElsewhere(headers), guarded.url)).status).toBe(metrics)
    // This process receives no samples.
    expect((await ask('/debug/ledger', fromElsewhere(headers), guarded.url)).status).toBe(debug)
    for (const path of ['/health', '/ready'])
      expect((await ask(path, fromElsewhere(headers), guarded.url)).status).toBe(200)
  })

  test('is open where that is wanted', async () => {
    open = ['metrics']
    expect((await ask('/metrics', fromElsewhere(), guarded.url)).status).toBe(200)
    expect((await ask('/debug/ledger', fromElsewhere(), guarded.url)).status).toBe(401)
    open = ['debug']
    expect((await ask('/debug/ledger', fromElsewhere(), guarded.url)).status).toBe(404)
  })

  test('asks nothing of its own machine, and does not look for keys, until a proxy asks for another', async () => {
    let opened = 0
    const own = { keys: await file.ring(), refusals: options.refusals, logger: options.logger, open: () => open }
    const guard = async (): Promise<Guard> => {
      opened++
      return new Guard({ ...own, serviceScopes: [] })
    }
    const trusting = await startAdmin({ ...options, guard })
    try {
      for (const path of ['/metrics', '/ready']) expect((await ask(path, {}, trusting.url)).status).toBe(200)
      expect((await ask('/ready', fromElsewhere(), trusting.url)).status).toBe(200)
      expect(opened).toBe(0)
      for (const name of ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via'])
        expect((await ask('/metrics', { headers: { [name]: 'for=192.0.2.1' } }, trusting.url)).status).toBe(401)
    } finally {
      await trusting.close()
    }
  })
})
