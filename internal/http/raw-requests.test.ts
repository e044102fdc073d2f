import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApiScene } from '../../test/support/api-scene.ts'
import { LogThrottle } from '../observe/log-throttle.ts'
import { type Admin, startAdmin } from './admin.ts'
import { Refusals } from './doorkeeper.ts'

const refusals = new Refusals()
const log: string[] = []
let admin: Admin
let scene: ApiScene
const ports = { admin: 0, api: 0 }

beforeAll(async () => {
  const logger = pino({}, { write: (line: string) => void log.push(line) })
  admin = await startAdmin({
    ...{ host: '127.0.0.1', port: 0, portSetting: '--admin-port', hostSetting: '--admin-host' },
    ...{ name: 'server', version: '1.2.3', logger, faults: new LogThrottle(logger), refusals },
    hosts: () => ['admin.example.com'],
    ready: () => [],
    registry: { contentType: 'text/plain', metrics: async () => 'up 1\n' },
  })
  ports.admin = Number(new URL(admin.url).port)
  scene = await ApiScene.open({ hosts: () => ['dash.example.com'], refusals })
  scene.way.send('cpu', { host: 'a', cpu: 'cpu-total' }, { usage_idle: 75 })
  await scene.app.listen({ host: '127.0.0.1', port: 0 })
  ports.api = (scene.app.server.address() as AddressInfo).port
})
afterAll(() => Promise.all([admin.close(), scene.app.close()]))

type Listener = keyof typeof ports

const raw = (listener: Listener, bytes: string): Promise<string> => exchange(ports[listener], bytes)

/** Sends bytes on a connection of their own. Resolves with the answer, or with the first part of an endless one. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.setEncoding('utf8')
    socket.on('data', (chunk) => {
      answer += chunk
      if (answer.includes('event: samples')) socket.destroy()
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
  })
}

function request(path: string, lines: readonly string[], version = '1.1', method = 'GET'): string {
  return `${method} ${path} HTTP/${version}\r\n${[...lines, 'Connection: close'].join('\r\n')}\r\n\r\n`
}

const statusOf = (answer: string): number => Number(answer.split(' ', 2)[1])

const DATA: ReadonlyArray<[Listener, string]> = [
  ['api', '/api/v1/hosts'],
  ['api', '/api/v1/hosts/'],
  ['api', '/api/v1/live'],
  ['api', '/docs/json'],
  ['api', '/'],
  ['api', '/there/is/nothing'],
  ['admin', '/debug/pprof/'],
  ['admin', '/debug/pprof/heap'],
  ['admin', '/debug/ledger'],
  ['admin', '/'],
]

describe('a page whose name resolves to 127.0.0.1', () => {
  test.each(DATA)('gets nothing of the %s at %s', async (listener, path) => {
    const before = refusals.host
    for (const host of ['evil.example', `evil.example:${ports[listener]}`, 'localhost.evil.example', '']) {
      const answer = await raw(listener, request(path, [`Host: ${host}`, 'X-Forwarded-Host: localhost']))
      expect([host, statusOf(answer)]).toEqual([host, 421])
      expect(answer).toContain('application/problem+json')
      expect(answer).toMatch(/cache-control: no-store/i)
    }
    expect(refusals.host).toBe(before + 4)
  })

  test('learns, and the log says, which setting allows its name', async () => {
    const answer = await raw('api', request('/api/v1/hosts', ['Host: evil.example']))
    const words =
      'this process does not answer as \\"evil.example\\"; to allow that name, add it to --api-hosts or SENTINEL_API_HOSTS'
    expect(answer).toContain(words)
    expect(scene.log.join('')).toContain(words)
    const ofAdmin = await raw('admin', request('/debug/ledger', ['Host: evil.example']))
    expect(ofAdmin).toContain('--admin-hosts or SENTINEL_ADMIN_HOSTS')
  })

  test.each([
    ['api', '/api/v1/live'],
    ['admin', '/debug/pprof/profile'],
  ] as const)('cannot upgrade a connection of the %s at %s', async (listener, path) => {
    const upgrade = ['Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZQ==']
    const lines = ['Host: evil.example', ...upgrade, 'Connection: Upgrade, close']
    expect(statusOf(await raw(listener, `GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`))).toBe(421)
  })
})

describe('requests of this machine, of probes, and for names that are listed', () => {
  test.each([
    ['api', '/api/v1/hosts', 'localhost', 200],
    ['api', '/api/v1/live', '[::1]:8080', 200],
    ['api', '/api/v1/hosts', '172.17.0.1:8080', 200],
    ['api', '/api/v1/hosts', 'DASH.example.com.:443', 200],
    ['api', 'http://localhost/api/v1/hosts', 'localhost', 200],
    ['admin', '/debug/pprof/', 'admin.example.com', 200],
    ['admin', 'http://127.0.0.1:6060/debug/pprof/', '127.0.0.1:6060', 200],
    ['admin', '/health', 'server:6060', 200],
    ['admin', '/ready', 'server:6060', 200],
    ['admin', '/metrics', 'server:6060', 200],
    ['admin', 'http://server:6060/metrics', 'server:6060', 200],
    ['api', '/health', 'api:8080', 200],
    ['api', '/ready/', 'api:8080', 200],
    ['api', '/metrics', 'api:8080', 200],
    ['api', '/api/v1/hosts', 'admin.example.com', 421],
    ['admin', '/debug/pprof/', 'dash.example.com', 421],
    ['api', '/metrics/../api/v1/hosts', 'evil.example', 421],
    ['api', 'http://evil.example/api/v1/hosts', 'localhost', 421],
    ['admin', 'http://evil.example/debug/pprof/', 'localhost', 421],
  ] as ReadonlyArray<[Listener, string, string, number]>)('%s %s for %s: %d', async (listener, path, host, status) => {
    expect(statusOf(await raw(listener, request(path, [`Host: ${host}`])))).toBe(status)
  })

  test.each(['admin', 'api'] as const)('%s: no host, or two, is a 400 with our headers', async (listener) => {
    for (const bytes of [
      request('/ready', []),
      request('/', [], '1.0'),
      request('/ready', ['Host: a', 'Host: a']),
      request('/', ['Host: localhost', 'hOsT: evil.example']),
    ]) {
      const answer = await raw(listener, bytes)
      expect([bytes, statusOf(answer)]).toEqual([bytes, 400])
      expect(answer).toContain('a request needs one header Host')
      expect(answer).toMatch(/cache-control: no-store/i)
    }
    expect(statusOf(await raw(listener, request('/ready', [], '1.0')))).toBe(200)
  })
})

describe('a page of another origin', () => {
  const site = (value: string) => ['Host: localhost', `Sec-Fetch-Site: ${value}`]

  test.each(['cross-site', 'same-site'])('(%s) gets nothing of the admin listener', async (value) => {
    const before = refusals.page
    for (const path of ['/debug/pprof/profile?seconds=600', '/debug/pprof/heap', '/debug/ledger', '/metrics', '/']) {
      const answer = await raw('admin', request(path, site(value)))
      expect([path, statusOf(answer)]).toEqual([path, 403])
    }
    expect(refusals.page).toBe(before + 5)
    expect(log.join('')).toContain('a request was refused: a page of another site made it')
  })

  test('may not write to the API, whatever the path and however it says where it comes from', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH'])
      for (const lines of [site('cross-site'), site('same-site'), ['Host: localhost', 'Origin: https://evil.example']])
        for (const path of ['/api/v1/hosts', '/ready', '/nothing']) {
          expect([method, path, statusOf(await raw('api', request(path, lines, '1.1', method)))]).toEqual([
            method,
            path,
            403,
          ])
        }
  })

  test.each([
    ['admin', '/debug/pprof/', 'none', 200],
    ['admin', '/debug/pprof/', 'same-origin', 200],
    // A page that only embeds what any page may read.
    ['api', '/api/v1/hosts', 'cross-site', 200],
    ['api', '/', 'cross-site', 404],
  ] as ReadonlyArray<[Listener, string, string, number]>)('%s %s, %s: %d', async (listener, path, value, status) => {
    expect(statusOf(await raw(listener, request(path, site(value))))).toBe(status)
  })
})

describe('a request that takes too long', () => {
  // Node.js alone looks for late requests every 30 s, and these tests would not end in time.
  const LIMIT_MS = 20_000

  test.each([
    ['without a byte', ''],
    ['with half a head', 'GET /ready HTTP/1.1\r\nHost: loc'],
    ['with half a body', 'POST /api/v1/hosts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf'],
  ])('%s: the connection is closed', { timeout: LIMIT_MS }, async (_name, bytes) => {
    const quick = await ApiScene.open({ limits: { requestTimeoutMs: 300 } })
    await quick.app.listen({ host: '127.0.0.1', port: 0 })
    const answers = await Promise.all([
      exchange((quick.app.server.address() as AddressInfo).port, bytes),
      exchange(ports.admin, bytes),
    ])
    const isAnsweredBefore = bytes.startsWith('POST')
    const statuses = isAnsweredBefore ? [405, 404] : [408, 408]
    expect(answers.map(statusOf)).toEqual(statuses)
    await quick.app.close()
  })

  test('and says nothing in the middle of a live stream', async () => {
    const answer = await raw('api', 'GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n')
    expect([statusOf(answer), answer.match(/^HTTP/gm)]).toEqual([413, ['HTTP']])
  })
})

describe('cache-control', () => {
  test.each([
    ['api', request('/api/v1/hosts', ['Host: localhost']), 200],
    ['api', request('/api/v1/hosts?x=1', ['Host: localhost']), 400],
    ['api', request('/api/v1/nothing', ['Host: localhost']), 404],
    ['api', request('/api/v1/hosts/%zz/metrics', ['Host: localhost']), 400],
    ['api', request('/api/v1/hosts', ['Host: localhost'], '1.1', 'POST'), 405],
    ['api', request('/api/v1/hosts', ['Host: localhost', 'Content-Length: 5']), 413],
    ['api', request(`/?${'a'.repeat(9_000)}`, ['Host: localhost']), 414],
    ['api', request('/ready', ['Host: localhost', 'Expect: a-miracle']), 417],
    ['api', request('/ready', ['Host: localhost', `X: ${'a'.repeat(30_000)}`]), 431],
    ['api', request('/ready', ['Host: localhost']), 200],
    ['api', request('/metrics', ['Host: localhost']), 200],
    ['api', request('/docs/json', ['Host: localhost']), 200],
    ['api', request('/docs/', ['Host: localhost']), 200],
    ['api', request('/docs/static/swagger-ui.css', ['Host: localhost']), 200],
    ['api', 'no request\r\n\r\n', 400],
    ['admin', request('/ready', ['Host: localhost']), 200],
    ['admin', request('/nothing', ['Host: localhost']), 404],
    ['admin', request('/ready', ['Host: localhost'], '1.1', 'PUT'), 405],
    ['admin', request('/ready', ['Host: localhost', 'Transfer-Encoding: chunked']), 413],
    ['admin', request('/ready', ['Host: localhost', 'Expect: a-miracle']), 417],
    ['admin', request('/ready', ['Host: localhost', `X: ${'a'.repeat(30_000)}`]), 431],
    ['admin', request('/debug/pprof/', ['Host: localhost']), 200],
    ['admin', 'no request\r\n\r\n', 400],
  ] as ReadonlyArray<[Listener, string, number]>)('%s %j: %d has it, once', async (listener, bytes, status) => {
    const [head = ''] = (await raw(listener, bytes)).split('\r\n\r\n')
    expect(statusOf(head)).toBe(status)
    expect(head.match(/^cache-control: /gim)).toHaveLength(1)
    expect(head.match(/^x-content-type-options: nosniff$/gim)).toHaveLength(1)
  })

  test.each(['/debug/pprof/', '/ready', '/debug/ledger'])('%s of the admin listener cannot be framed', async (path) => {
    const [head] = (await raw('admin', request(path, ['Host: localhost']))).split('\r\n\r\n')
    expect(head).toMatch(/^content-security-policy: default-src 'none'.*frame-ancestors 'none'/im)
    expect(head).toMatch(/^cross-origin-resource-policy: same-origin/im)
  })
})
