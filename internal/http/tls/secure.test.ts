import { once } from 'node:events'
import { copyFile } from 'node:fs/promises'
import { type ClientHttp2Session, connect as connectHttp2, constants, type IncomingHttpHeaders } from 'node:http2'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net'
import { join } from 'node:path'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { ApiScene } from '../../../test/support/api-scene.ts'
import { type IssuedFiles, TestAuthority } from '../../../test/support/certificates.ts'
import { switchesOf } from '../../../test/support/fabric.ts'
import { FabricScene } from '../../../test/support/fabric-scene.ts'
import { KeyFileScene } from '../../../test/support/keys.ts'
import type { ApiOptions } from '../../api/api.ts'
import { LogThrottle } from '../../observe/log-throttle.ts'
import { readMaterial, type TlsFiles } from '../../tls/material.ts'
import { WatchedTls } from '../../tls/watched.ts'
import { startAdmin } from '../admin.ts'
import { createApp } from '../app.ts'
import { Refusals } from '../doorkeeper.ts'
import { Guard } from '../guard.ts'

const silent = pino({ level: 'silent' })
let authority: TestAuthority
let server: IssuedFiles
let ca: string
beforeAll(async () => {
  authority = await TestAuthority.make()
  server = await authority.issue('server')
  ca = await authority.ca()
})
afterAll(() => authority.remove())

async function watch(files: TlsFiles): Promise<WatchedTls> {
  const watched = await WatchedTls.open({ files, onRefused: () => {}, pollMs: 1e9 })
  onTestFinished(() => watched.close())
  return watched
}

async function open(files: TlsFiles = server, options: Partial<ApiOptions> = {}) {
  const refusals = new Refusals()
  const tls = await watch(files)
  const scene = await ApiScene.open({ ...options, tls, refusals })
  await scene.app.listen({ host: '127.0.0.1', port: 0 })
  scene.feed.start()
  onTestFinished(() => scene.app.close())
  const { port } = scene.app.server.address() as AddressInfo
  return { scene, port, refusals, tls }
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Asks with HTTP/1.1 over TLS. */
function ask(port: number, path: string, options: RequestOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = httpsRequest({ host: '127.0.0.1', port, path, ca, agent: false, ...options }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text) => (body += text))
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }))
    })
    asked.on('error', reject)
    asked.end()
  })
}

function session(port: number, options: ConnectionOptions = {}): ClientHttp2Session {
  const opened = connectHttp2(`https://127.0.0.1:${port}`, { ca, ...options })
  opened.on('error', () => {})
  onTestFinished(() => opened.destroy())
  return opened
}

/** Asks with HTTP/2. @param isEnough ends an endless answer */
async function askHttp2(
  on: ClientHttp2Session,
  path: string,
  headers: Record<string, string> = {},
  isEnough: (body: string) => boolean = () => false,
): Promise<Answer> {
  const stream = on.request({ ':path': path, ...headers })
  stream.setEncoding('utf8')
  const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders]
  let body = ''
  for await (const text of stream) {
    body += text
    if (isEnough(body)) break
  }
  return { status: answer[':status'] as unknown as number, headers: answer, body }
}

/** Sends bytes without TLS, and reads until the connection ends. */
async function plain(port: number, bytes: string): Promise<string> {
  const socket = connectTcp(port, '127.0.0.1', () => socket.write(bytes)).setEncoding('utf8')
  let answer = ''
  for await (const text of socket) answer += text
  return answer
}

describe('a server over TLS', () => {
  it('says who wrote what from where, over HTTP/2 too, whose streams forget it', async () => {
    const keys = await KeyFileScene.open()
    onTestFinished(() => keys.close())
    const lines: string[] = []
    const logger = pino({}, { write: (line) => void lines.push(line) })
    const key = await keys.add('writer', ['write'])
    const own = { keys: await keys.ring(), refusals: new Refusals(), logger, open: () => [] }
    const takeCounters = async () => ({ rows: 1, badRows: 0, badCells: 0 })
    const { port } = await open(server, { guard: new Guard({ ...own, serviceScopes: [] }), takeCounters })
    const headers = { 'x-api-key': key, 'content-type': 'text/csv' }
    const stream = session(port).request({ ':method': 'POST', ':path': '/telemetry/counters', ...headers })
    stream.end('switch_id,latency_ms\nsw1,1\n')
    const [answer] = (await once(stream.resume(), 'response')) as [IncomingHttpHeaders]
    expect(answer[':status']).toBe(202)
    await expect
      .poll(() => lines.map((line) => JSON.parse(line)))
      .toMatchObject([{ audit: true, key: 'writer', route: '/telemetry/counters', status: 202, address: '127.0.0.1' }])
  })

  it('answers HTTP/1.1 as it does without, and tells browsers to stay with TLS', async () => {
    const { scene, port } = await open()
    scene.way.send('cpu', { host: 'a', cpu: 'cpu-total' }, { usage_idle: 75 })
    const answer = await ask(port, '/api/v1/hosts')
    expect([answer.status, answer.body.includes('"host":"a"')]).toEqual([200, true])
    expect(answer.headers).toMatchObject({ 'strict-transport-security': 'max-age=86400', 'cache-control': 'no-store' })
    const local = await ask(port, '/api/v1/hosts', { headers: { host: `localhost:${port}` } })
    expect([local.status, local.headers['strict-transport-security']]).toEqual([200, undefined])
    const headers = { host: 'evil.example' }
    expect((await ask(port, '/', { headers, checkServerIdentity: () => undefined })).status).toBe(421)
    const broken = await ask(port, '/%zz')
    expect([broken.status, broken.headers]).toMatchObject([400, { 'strict-transport-security': 'max-age=86400' }])
  })

  it('gives answers that are ready past the router, with the same headers', async () => {
    const fabric = await FabricScene.open({ tls: await watch(server) })
    onTestFinished(() => fabric.scene.app.close())
    await fabric.show(switchesOf(10, 1e15, 1))
    await fabric.scene.app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = fabric.scene.app.server.address() as AddressInfo
    const path = '/telemetry/GetMetric?switch_id=sw5&metric=latency_ms'
    const [ready, usual] = [await ask(port, path), await ask(port, path, { headers: { 'if-none-match': '"x"' } })]
    const overHttp2 = await askHttp2(session(port), path)
    expect([ready.status, ready.body]).toEqual([200, usual.body])
    for (const name of Object.keys(usual.headers)) {
      if (name === 'date') continue
      expect([name, ready.headers[name]]).toEqual([name, usual.headers[name]])
      if (!/^(connection|keep-alive|content-length)$/.test(name))
        expect([name, overHttp2.headers[name]]).toEqual([name, usual.headers[name]])
    }
    expect(ready.headers['strict-transport-security']).toBe('max-age=86400')
    expect(overHttp2.body).toBe(usual.body)
  })

  it('says so to plain HTTP, and asks nothing of what is neither', async () => {
    const { port, refusals } = await open()
    const answer = await plain(port, 'GET /api/v1/hosts HTTP/1.1\r\nHost: localhost\r\nX-API-Key: secret\r\n\r\n')
    expect(answer).toMatch(
      /^HTTP\/1\.1 400 Bad Request\r\n.*"detail":"this port speaks TLS alone: use https:\/\/ here/s,
    )
    expect(await plain(port, '\u0016no handshake')).not.toContain('HTTP')
    await plain(port, '\u0016\u0003\u0001\u0000\u0005hello')
    expect([refusals.plain, refusals.tls]).toEqual([1, 2])
    expect((await ask(port, '/health')).status).toBe(200)
  })

  it('ends connections that say nothing, or begin no more than a handshake', async () => {
    const { port } = await open(server, { limits: { requestTimeoutMs: 200 } })
    expect(await plain(port, '')).toBe('')
    expect(await plain(port, '\u0016\u0003\u0001')).not.toContain('HTTP')
  })

  it('counts connections before they are encrypted', async () => {
    const { port, scene, refusals } = await open()
    const most = 1000 + scene.feed.maxClients
    expect(most).toBeGreaterThan(0)
    const sockets: Socket[] = []
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
    })
    // A few at a time: beyond 511 that wait to be accepted, the kernel lets a client believe that it is connected, and has it try again.
    while (sockets.length < most) {
      const next = Array.from({ length: Math.min(100, most - sockets.length) }, () => connectTcp(port, '127.0.0.1'))
      sockets.push(...next)
      await Promise.all(next.map((socket) => once(socket, 'connect')))
    }
    expect(await plain(port, '')).toBe('')
    expect(refusals.connections).toBe(1)
  })

  it('shows a new certificate to new connections, and keeps those that are open', async () => {
    const [certFile, keyFile] = [join(authority.folder, 'a.pem'), join(authority.folder, 'a.key')]
    const put = async (files: IssuedFiles): Promise<void> => {
      await copyFile(files.certFile, certFile)
      await copyFile(files.keyFile, keyFile)
    }
    await put(server)
    const { port, tls } = await open({ certFile, keyFile })
    const before = session(port)
    expect((await askHttp2(before, '/health')).status).toBe(200)
    await put(await authority.issue('renewed'))
    await tls.look()
    await tls.look()
    const shown = connectTls({ host: '127.0.0.1', port, ca })
    onTestFinished(() => void shown.destroy())
    await once(shown, 'secureConnect')
    expect(shown.getPeerCertificate().subject.CN).toBe('renewed')
    expect((await askHttp2(before, '/health')).status).toBe(200)
  })
})

describe('HTTP/2', () => {
  it('answers many requests of one connection, and streams live', async () => {
    const { scene, port } = await open()
    scene.way.send('cpu', { host: 'a', cpu: 'cpu-total' }, { usage_idle: 75 })
    const client = session(port)
    const live = askHttp2(client, '/api/v1/live', {}, (body) => body.includes('"usage_idle":50'))
    const answers = await Promise.all(Array.from({ length: 20 }, () => askHttp2(client, '/api/v1/hosts')))
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    expect(answers[0]?.headers['strict-transport-security']).toBe('max-age=86400')
    scene.way.clock.time++
    scene.way.send('cpu', { host: 'a', cpu: 'cpu-total' }, { usage_idle: 50 })
    const { status, headers, body } = await live
    expect([status, headers['content-type']]).toEqual([200, 'text/event-stream; charset=utf-8'])
    expect(body).toContain('"usage_idle":75')
    expect(scene.feed.stats.clients).toBeLessThanOrEqual(1)
  })

  it('answers errors in words', async () => {
    const { port } = await open()
    const client = session(port)
    const cases: Array<[string, Record<string, string>, number]> = [
      ['/api/v1/nothing', {}, 404],
      ['/api/v1/hosts?x=1', {}, 400],
      ['/api/v1/hosts', { ':authority': 'evil.example' }, 421],
      ['/api/v1/hosts', { host: 'evil.example' }, 421],
      ['/api/v1/hosts', { ':authority': 'localhost', host: 'evil.example' }, 400],
      ['/api/v1/hosts', { ':method': 'DELETE' }, 405],
      ['/api/v1/hosts', { 'x-long': 'a'.repeat(30_000) }, 431],
      ['/api/v1/hosts', { expect: 'a-miracle' }, 417],
      [`/?${'a'.repeat(9_000)}`, {}, 414],
    ]
    for (const [path, headers, status] of cases) {
      const answer = await askHttp2(client, path, headers)
      expect([path, headers, answer.status]).toEqual([path, headers, status])
      expect(answer.headers['content-type']).toContain('application/problem+json')
    }
  })

  it('takes no body that was cut off or comes too late for a whole one', async () => {
    const bodies: string[] = []
    const tls = await watch(server)
    const app = createApp(
      {
        ...{
          logger: silent,
          faults: new LogThrottle(silent),
          refusals: new Refusals(),
          translate: () => undefined,
          tls,
        },
        ...{ hosts: { hosts: () => [], setting: '--hosts' }, corsOrigins: [], trustProxy: false },
        limits: {
          ...{
            maxBodyBytes: 100,
            maxHeaderBytes: 1000,
            maxUrlLength: 100,
            maxPathPartLength: 100,
            requestTimeoutMs: 300,
          },
          connections: { total: () => 100, perAddress: () => undefined },
        },
      },
      async (root) => {
        root.removeAllContentTypeParsers()
        root.addContentTypeParser('text/whole', { parseAs: 'string' }, (_request, body, done) => done(null, body))
        root.addContentTypeParser('*', (_request, _body, done) => done(null))
        root.post('/whole', { config: { takesBody: true } }, async ({ body }) => bodies.push(body as string))
        root.post('/raw', { config: { takesBody: true } }, async ({ raw }) => {
          let body = ''
          for await (const part of raw) body += String(part)
          bodies.push(body)
          return body
        })
      },
    )
    await app.listen({ host: '127.0.0.1', port: 0 })
    onTestFinished(() => app.close())
    const { port } = app.server.address() as AddressInfo
    const post = (path: string) =>
      session(port).request({ ':method': 'POST', ':path': path, 'content-type': `text${path}` })
    for (const path of ['/whole', '/raw']) {
      const good = post(path)
      good.end('all of it')
      await once(good.resume(), 'end')
      expect(bodies.splice(0)).toEqual(['all of it'])
      const cut = post(path)
      cut.write('a half')
      await once(cut, 'ready')
      cut.session!.destroy()
      const late = post(path)
      late.on('error', () => {})
      late.write('a half')
      await once(late, 'close')
      const reset = post(path)
      reset.on('error', () => {})
      reset.write('a half')
      await once(reset, 'ready')
      reset.close(constants.NGHTTP2_CANCEL)
      await once(reset, 'close')
    }
    expect(bodies).toEqual([])
  })

  it('ends with the process, after what is being answered', async () => {
    const { scene, port } = await open()
    const client = session(port)
    const live = askHttp2(client, '/api/v1/live')
    await expect.poll(() => scene.feed.stats.clients).toBe(1)
    await scene.app.close()
    expect((await live).body).toContain('event: end')
  })
})

describe('a server that wants certificates of its clients', () => {
  async function openStrict() {
    return open({ ...server, caFile: authority.caFile })
  }

  it('answers who shows one of its authority, over either version', async () => {
    const { port } = await openStrict()
    const { cert, key } = await readMaterial(await authority.issue('client'))
    expect((await ask(port, '/health', { cert, key })).status).toBe(200)
    expect((await askHttp2(session(port, { cert, key }), '/health')).status).toBe(200)
  })

  it('says to others what is missing, and lets them not in by a ticket of such a connection', async () => {
    const { port, refusals } = await openStrict()
    const stranger = await TestAuthority.make('Other CA')
    onTestFinished(() => stranger.remove())
    const { cert, key } = await readMaterial(await stranger.issue('client'))
    for (const shown of [{}, { cert, key }]) {
      const answer = await ask(port, '/health', shown)
      expect([answer.status, answer.body.includes('wants a certificate of its clients')]).toEqual([403, true])
    }
    const answer = await askHttp2(session(port), '/health')
    expect([answer.status, answer.body.includes('wants a certificate of its clients')]).toEqual([403, true])
    expect(refusals.certificate).toBe(3)

    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      let ticket: Buffer | undefined
      const talk = async (options: ConnectionOptions): Promise<[string, boolean]> => {
        const socket: TLSSocket = connectTls({ host: '127.0.0.1', port, ca, maxVersion, ...options })
        socket.on('session', (given: Buffer) => (ticket = given))
        let isReused = false
        socket.on('secureConnect', () => (isReused = socket.isSessionReused()))
        socket.setEncoding('utf8')
        socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
        let answer = ''
        for await (const text of socket) answer += text
        return [answer.split('\r\n', 1)[0]!, isReused]
      }
      const [refusal] = await talk({})
      expect(refusal).toBe('HTTP/1.1 403 Forbidden')
      expect(await talk(ticket === undefined ? {} : { session: ticket })).toEqual(['HTTP/1.1 403 Forbidden', false])
    }
  })
})

it('the admin listener speaks TLS too, HTTP/1.1 alone', async () => {
  const admin = await startAdmin({
    ...{ host: '127.0.0.1', port: 0, portSetting: '--admin-port', hostSetting: '--admin-host' },
    ...{ name: 'server', version: '1.2.3', logger: silent, faults: new LogThrottle(silent), refusals: new Refusals() },
    hosts: () => [],
    ready: () => [],
    registry: { contentType: 'text/plain', metrics: async () => 'up 1\n' },
    tls: await watch(server),
  })
  expect(admin.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/)
  const port = Number(new URL(admin.url).port)
  expect(await ask(port, '/metrics')).toMatchObject({ status: 200, body: 'up 1\n' })
  expect(await plain(port, 'GET /metrics HTTP/1.1\r\n\r\n')).toContain('this port speaks TLS alone')
  const socket = connectTls({ host: '127.0.0.1', port, ca, ALPNProtocols: ['h2', 'http/1.1'] })
  await once(socket, 'secureConnect')
  expect(socket.alpnProtocol).toBe('http/1.1')
  await admin.close()
  await expect(ask(port, '/metrics')).rejects.toThrow('ECONNREFUSED')
})
