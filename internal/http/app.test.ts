import { type AddressInfo, connect } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import { LogThrottle } from '../observe/log-throttle.ts'
import { type AppOptions, createApp } from './app.ts'
import type { App } from './app-types.ts'
import { Refusals } from './doorkeeper.ts'
import { HttpError, NotFoundError } from './errors.ts'
import { limitRate, RateLimit, ratesOf } from './rate-limit.ts'

const LIMITS = {
  ...{ maxBodyBytes: 10, maxHeaderBytes: 1_000, maxUrlLength: 100, maxPathPartLength: 100, requestTimeoutMs: 1_000 },
  connections: { total: () => 100, perAddress: () => undefined },
}

let app: App | undefined
afterEach(async () => {
  await app?.close()
  app = undefined
})

async function open(addRoutes: (root: App) => Promise<void>, options: Partial<AppOptions> = {}): Promise<App> {
  const logger = pino({ level: 'silent' })
  app = createApp(
    {
      logger,
      faults: new LogThrottle(logger),
      translate: () => undefined,
      limits: LIMITS,
      hosts: { hosts: () => [], setting: '--hosts' },
      refusals: new Refusals(),
      corsOrigins: [],
      trustProxy: false,
      ...options,
    },
    addRoutes,
  )
  await app.ready()
  return app
}

describe('a method that a path has no route for', () => {
  /** Routes of a new resource, in a scope of their own. */
  async function newRoutes(root: App): Promise<void> {
    root.register(
      async (api: App) => {
        limitRate(
          api,
          new RateLimit(ratesOf('api', { requestsPerMinute: 2, requestsPerMinutePerKey: 3 })),
          new Refusals(),
        )
        api.get('/things', async () => 'all')
        api.post('/things', async () => 'made')
        api.delete('/things/:name', async () => 'gone')
      },
      { prefix: '/api/v9' },
    )
    root.get('/', async () => 'home')
    root.get('/files/*', async () => 'a file')
  }

  it.each([
    ['PUT', '/api/v9/things', 'GET, HEAD, POST'],
    ['PATCH', '/api/v9/things/', 'GET, HEAD, POST'],
    ['OPTIONS', '/api/v9/things?a=b', 'GET, HEAD, POST'],
    ['GET', '/api/v9/things/a', 'DELETE'],
    ['HEAD', '/api/v9/things/a', 'DELETE'],
    ['POST', '/', 'GET, HEAD'],
    ['POST', '/files/', 'GET, HEAD'],
  ] as const)('%s %s: 405, and allow names %s', async (method, url, allow) => {
    const answer = await (await open(newRoutes)).inject({ method, url })
    expect([answer.statusCode, answer.headers.allow]).toEqual([405, allow])
    expect(answer.headers).toMatchObject({
      'content-type': expect.stringContaining('application/problem+json'),
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    })
    if (method === 'HEAD') return
    const path = url.split('?')[0]
    expect(answer.json()).toMatchObject({ status: 405, title: 'Method Not Allowed', instance: path })
  })

  it.each([
    ['GET', '/api/v9/things', 'all'],
    ['HEAD', '/api/v9/things', ''],
    ['POST', '/api/v9/things', 'made'],
    ['DELETE', '/api/v9/things/a', 'gone'],
  ] as const)('%s %s has a route, which answers', async (method, url, body) => {
    const answer = await (await open(newRoutes)).inject({ method, url })
    expect([answer.statusCode, answer.body]).toEqual([200, body])
  })

  it('is refused before its body is read', async () => {
    const payload = 'far more than ten bytes, of a type without a parser'
    const headers = { 'content-type': 'text/unknown' }
    const ask = async (method: 'POST' | 'PUT') =>
      (await app!.inject({ method, url: '/api/v9/things', payload, headers })).statusCode
    await open(newRoutes)
    expect(await ask('POST')).toBe(415)
    expect(await ask('PUT')).toBe(405)
  })

  it('counts for the rate limit of the scope', async () => {
    await open(newRoutes)
    const ask = async (remoteAddress: string) =>
      (await app!.inject({ method: 'PUT', url: '/api/v9/things', remoteAddress })).statusCode
    const statuses: number[] = []
    for (let n = 0; n < 3; n++) statuses.push(await ask('192.0.2.1'))
    expect(statuses).toEqual([405, 405, 429])
    for (let n = 0; n < 3; n++) expect(await ask('127.0.0.1')).toBe(405)
  })

  it('is a 404 at a file, and at a path without a route', async () => {
    await open(newRoutes)
    for (const url of ['/files/a', '/nothing', '/api/v9']) {
      const answer = await app!.inject({ method: 'POST', url })
      expect([answer.statusCode, answer.headers.allow]).toEqual([404, undefined])
    }
  })

  it('leaves a preflight to CORS', async () => {
    await open(newRoutes, { corsOrigins: ['https://page.example'] })
    const headers = { origin: 'https://page.example', 'access-control-request-method': 'GET' }
    const answer = await app!.inject({ method: 'OPTIONS', url: '/api/v9/things', headers })
    expect([answer.statusCode, answer.headers['access-control-allow-methods']]).toEqual([204, 'GET, HEAD'])
  })
})

describe('an error', () => {
  const failing = (error: Error) => async (root: App) => {
    root.get('/', () => Promise.reject(error))
  }

  it('carries its answer', async () => {
    await open(failing(new HttpError(409, 'it is taken', { parameter: 'name', retryAfterSeconds: 7 })))
    const answer = await app!.inject('/')
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([409, '7'])
    expect(answer.json()).toEqual({
      type: 'about:blank',
      title: 'Conflict',
      status: 409,
      detail: 'it is taken',
      instance: '/',
      parameter: 'name',
    })
  })

  it('of another layer is answered by its translation', async () => {
    const translate = (error: Error) => (error instanceof RangeError ? new NotFoundError('no such row') : undefined)
    await open(failing(new RangeError('row 7')), { translate })
    expect((await app!.inject('/')).json()).toMatchObject({ status: 404, detail: 'no such row' })
  })

  it('of ours is not told to the client', async () => {
    await open(failing(new Error('a secret')))
    const answer = await app!.inject('/')
    expect(answer.statusCode).toBe(500)
    expect(answer.body).not.toContain('secret')
  })
})

describe('a body that does not arrive in time', () => {
  it('is answered 408, and never taken for a whole one', { timeout: 20_000 }, async () => {
    const bodies: string[] = []
    const opened = await open(
      async (root) => {
        root.removeAllContentTypeParsers()
        root.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))
        root.post('/', { config: { takesBody: true } }, async ({ body }) => bodies.push(String(body)))
      },
      { limits: { ...LIMITS, requestTimeoutMs: 300 } },
    )
    await opened.listen({ host: '127.0.0.1', port: 0 })
    const { port } = opened.server.address() as AddressInfo
    const head = 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n'
    const answers = [
      `${head}Content-Length: 9\r\n\r\nhalf`,
      `${head}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`,
    ].map(async (bytes) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(bytes)).setEncoding('utf8')
      let answer = ''
      for await (const text of socket) answer += text
      return answer.split('\r\n', 1)[0]
    })
    expect(await Promise.all(answers)).toEqual(['HTTP/1.1 408 Request Timeout', 'HTTP/1.1 408 Request Timeout'])
    expect(bodies).toEqual([])
  })
})

describe('gzip', () => {
  const long = JSON.stringify(Array.from({ length: 1_000 }, (_, index) => `host-${index}`))
  const routes = async (root: App): Promise<void> => {
    root.get('/long', async (_request, reply) => reply.type('application/json').send(long))
    root.get('/short', async () => 'short')
    root.get('/wrong', async () => {
      throw new NotFoundError(long)
    })
  }

  it.each([
    ['/long', { 'accept-encoding': 'gzip, deflate, br, zstd' }, 'gzip'],
    ['/long', { 'accept-encoding': 'br' }, undefined],
    ['/long', { 'accept-encoding': 'gzip;q=0' }, undefined],
    ['/long', {}, undefined],
    ['/short', { 'accept-encoding': 'gzip' }, undefined],
  ])('%s for %o comes with content-encoding %s', async (url, headers, encoding) => {
    const answer = await (await open(routes)).inject({ url, headers })
    expect(answer.headers['content-encoding']).toBe(encoding)
    const body = encoding === undefined ? answer.body : gunzipSync(answer.rawPayload).toString()
    expect(body).toBe(url === '/long' ? long : 'short')
  })

  it('tells caches that the answer depends on what the client takes', async () => {
    const answer = await (await open(routes)).inject({ url: '/long', headers: { 'accept-encoding': 'gzip' } })
    expect(answer.headers.vary).toContain('accept-encoding')
  })

  it('leaves a HEAD without a body, and a long refusal readable', async () => {
    const app = await open(routes)
    const headers = { 'accept-encoding': 'gzip' }
    expect((await app.inject({ method: 'HEAD', url: '/long', headers })).rawPayload).toHaveLength(0)
    const refusal = await app.inject({ url: '/wrong', headers })
    expect(JSON.parse(gunzipSync(refusal.rawPayload).toString())).toMatchObject({ status: 404, detail: long })
  })
})
