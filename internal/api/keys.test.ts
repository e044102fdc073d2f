import { once } from 'node:events'
import { connect } from 'node:net'
import type { InjectOptions } from 'fastify'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ApiScene } from '../../test/support/api-scene.ts'
import { KeyFileScene } from '../../test/support/keys.ts'
import { logTo } from '../../test/support/log.ts'
import { until } from '../../test/support/servers.ts'
import type { KeyRing } from '../auth/key-ring.ts'
import { Refusals } from '../http/doorkeeper.ts'
import { Guard } from '../http/guard.ts'
import type { OpenPart } from '../http/needs.ts'

const TOKEN = 'a-token-of-the-roles'
const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`

let file: KeyFileScene
let ring: KeyRing
let scene: ApiScene
let guard: Guard
let open: OpenPart[] = []
/** A client that nobody has counted anything of. */
let client = ''
let clients = 0
const refusals = new Refusals()
const lines: string[] = []

beforeEach(() => {
  client = `10.0.0.${++clients}`
})

async function openScene(): Promise<void> {
  file = await KeyFileScene.open()
  ring = await file.ring({ serviceToken: () => TOKEN })
  guard = new Guard({ keys: ring, refusals, logger: logTo(lines), open: () => open, serviceScopes: ['write'] })
  const limits = {
    maxBodyBytes: 1e6,
    maxPackedBytes: 1e6,
    maxReadingBytes: 1e6,
    requestsPerMinute: 1e6,
    requestsPerMinutePerKey: 1e6,
  }
  scene = await ApiScene.open({ guard, trustProxy: true, intake: { desk: undefined, limits: () => limits } })
}

async function closeScene(): Promise<void> {
  await scene.app.close()
  file.close()
}

const WRITE: InjectOptions = { method: 'POST', url: '/api/v2/write', payload: 'm v=1' }
/** Where nothing would be durable, a write that passes is answered so. */
const PASSED = 503

const ask = async (request: InjectOptions, headers: Record<string, string> = {}, from = client) => {
  const answer = await scene.app.inject({ ...request, headers, remoteAddress: from })
  return { status: answer.statusCode, body: answer.body, headers: answer.headers }
}
const statusOf = async (request: InjectOptions, headers?: Record<string, string>, from?: string): Promise<number> =>
  (await ask(request, headers, from)).status

describe('without any key', () => {
  beforeAll(openScene)
  afterAll(closeScene)

  it.each<[from: string, headers: Record<string, string>, status: number]>([
    ['127.0.0.1', {}, 200],
    ['::1', {}, 200],
    ['192.0.2.1', {}, 401],
    // What a proxy of this machine asks for others.
    ['127.0.0.1', { 'x-forwarded-for': '192.0.2.1' }, 401],
    ['127.0.0.1', { 'x-forwarded-for': '127.0.0.1' }, 401],
    ['127.0.0.1', { forwarded: 'for=192.0.2.1' }, 401],
    ['127.0.0.1', { 'x-real-ip': '192.0.2.1' }, 401],
    ['127.0.0.1', { via: '1.1 squid' }, 401],
  ])('a client at %s with %j gets %d', async (from, headers, status) => {
    expect(await statusOf({ url: '/api/v1/hosts' }, headers, from)).toBe(status)
    expect(await statusOf(WRITE, headers, from)).toBe(status === 200 ? PASSED : status)
    expect(await statusOf({ url: '/health' }, headers, from)).toBe(200)
  })

  it('says so to others, and that nobody needs one to its own machine', async () => {
    expect((await ask({ url: '/api/v1/hosts' }, {}, '192.0.2.1')).body).toContain('sentinel keys create')
    const { body } = await ask({ url: '/api/v1/whoami' }, {}, '127.0.0.1')
    expect(JSON.parse(body)).toEqual({ keyNeeded: false, name: null, scopes: ['read', 'write', 'admin'], endsAt: null })
  })

  it('asks for one as soon as there is one, and does not stop to when it is gone', async () => {
    const key = await file.add('first', ['read'])
    await ring.refresh()
    expect(await statusOf({ url: '/api/v1/hosts' })).toBe(401)
    expect(await statusOf({ url: '/api/v1/hosts' }, { 'x-api-key': key })).toBe(200)
    await file.revoke('first')
    expect(await statusOf({ url: '/api/v1/hosts' }, { 'x-api-key': 'wrong' }, '127.0.0.1')).toBe(401)
    expect(await statusOf({ url: '/api/v1/hosts' }, {}, '127.0.0.1')).toBe(401)
  })
})

describe('a key', () => {
  let [reader, writer] = ['', '']

  beforeAll(async () => {
    await openScene()
    reader = await file.add('reader', ['read'])
    writer = await file.add('writer', ['write'])
    await ring.refresh()
  })
  afterAll(closeScene)
  afterEach(() => {
    open = []
  })

  it.each<[what: string, request: InjectOptions, headers: (key: string) => Record<string, string>, passes: boolean]>([
    ['none for a read', { url: '/api/v1/hosts' }, () => ({}), false],
    ['X-API-Key for a read', { url: '/api/v1/hosts' }, (key) => ({ 'x-api-key': key }), true],
    ['Bearer for a read', { url: '/api/v1/hosts' }, (key) => ({ authorization: `Bearer ${key}` }), true],
    ['Token for a read', { url: '/api/v1/hosts' }, (key) => ({ authorization: `Token ${key}` }), false],
    ['Basic for a read', { url: '/api/v1/hosts' }, (key) => ({ authorization: basic(`u:${key}`) }), false],
    ['none for a write', WRITE, () => ({}), false],
    ['X-API-Key for a write', WRITE, (key) => ({ 'x-api-key': key }), true],
    ['Bearer for a write', WRITE, (key) => ({ authorization: `Bearer ${key}` }), true],
    ['Token for a write', WRITE, (key) => ({ authorization: `Token ${key}` }), true],
    ['Basic for a write', WRITE, (key) => ({ authorization: basic(`u:${key}`) }), true],
    ['as user of Basic', WRITE, (key) => ({ authorization: basic(`${key}:`) }), false],
    ['a service token for a write', WRITE, () => ({ 'x-service-token': TOKEN }), true],
    ['a wrong service token beside a key', WRITE, (key) => ({ 'x-service-token': 'x', 'x-api-key': key }), false],
    ['twice', { url: '/api/v1/hosts' }, (key) => ({ 'x-api-key': `${key}, ${key}` }), false],
  ])('is found where it belongs: %s', async (_what, request, headers, passes) => {
    const key = request.method === 'POST' ? writer : reader
    expect(await statusOf(request, headers(key))).toBe(passes ? (request.method === 'POST' ? PASSED : 200) : 401)
  })

  it.each(['p', 'key', 'api_key', 'token', 'access_token', 'x-api-key'])(
    'is not read from the parameter %s, and the answer says so',
    async (name) => {
      const { status, body } = await ask({ url: `/api/v1/hosts?${name}=${reader}` })
      expect([status, body]).toEqual([401, expect.stringContaining('a key in the URL is not read')])
      expect(body + scene.log.join('')).not.toContain(reader)
      expect(await statusOf({ ...WRITE, url: `/write?u=x&${name}=${writer}` })).toBe(401)
    },
  )

  it('that is missing, wrong, revoked or at its end gets the same answer', async () => {
    const ended = await file.add('ended', ['read'], new Date(Date.now() - 1))
    const revoked = await file.add('revoked', ['read'])
    await file.revoke('revoked')
    await ring.refresh()
    const before = refusals.key
    const all = [{}, ...[`${reader}x`, '', ended, revoked, TOKEN].map((key) => ({ 'x-api-key': key }))]
    const answers = await Promise.all(
      all.map(async (headers) => {
        const { headers: answered, ...rest } = await ask({ url: '/api/v1/hosts' }, headers)
        delete answered.date
        return { ...rest, headers: answered }
      }),
    )
    for (const answer of answers) expect(answer).toEqual(answers[0])
    expect(answers[0]).toMatchObject({
      status: 401,
      headers: {
        'www-authenticate': 'Bearer realm="SentinelStream"',
        'content-type': 'application/problem+json; charset=utf-8',
      },
    })
    expect(refusals.key - before).toBe(all.length)
  })

  it('without the scope gets 403, which names it', async () => {
    const before = { ...refusals }
    const { status, body } = await ask(WRITE, { 'x-api-key': reader })
    // As InfluxDB says it.
    expect([status, JSON.parse(body)]).toEqual([
      403,
      expect.objectContaining({ code: 'forbidden', message: expect.stringContaining('the scope write') }),
    ])
    const other = await ask({ url: '/api/v1/hosts' }, { 'x-api-key': writer })
    expect(JSON.parse(other.body)).toMatchObject({ status: 403, scope: 'read' })
    const service = await ask({ url: '/api/v1/hosts' }, { 'x-service-token': TOKEN })
    expect([service.status, refusals.scope, refusals.key]).toEqual([403, before.scope + 3, before.key])
  })

  it('made a moment ago opens at the next request', async () => {
    const key = await file.add('newest', ['read'])
    expect(await statusOf({ url: '/api/v1/hosts' }, { 'x-api-key': key })).toBe(200)
  })

  it('is not needed for what probes, the page and its reader begin with', async () => {
    const urls = ['/', '/health', '/ready', '/docs', '/docs/json', '/docs/static/index.html', '/swagger/', '/ping']
    for (const url of urls) expect((await ask({ url })).status, url).not.toBe(401)
    expect((await ask({ url: '/swagger/index.html' })).headers.location).toBe('/docs')
    expect((await ask({ url: '/swagger/' })).headers.location).toBe('/docs')
    for (const url of ['/metrics', '/api/v1/live', '/telemetry/GetMetric', '/api/v1/hosts/a/metrics'])
      expect((await ask({ url })).status, url).toBe(401)
  })

  it.each<[part: OpenPart, url: string, others: string]>([
    ['metrics', '/metrics', '/telemetry/stats'],
    ['telemetry', '/telemetry/stats', '/metrics'],
  ])('is not needed for what is open to everybody: %s', async (part, url, others) => {
    open = [part]
    expect([await statusOf({ url }, {}, '192.0.2.1'), await statusOf({ url: others })]).toEqual([200, 401])
    // A wrong one does not lock it.
    expect(await statusOf({ url }, { 'x-api-key': 'wrong' })).toBe(200)
    expect(await statusOf({ method: 'POST', url: '/telemetry', payload: '{}' })).toBe(401)
  })

  it('says whose it is', async () => {
    const endsAt = new Date('2100-01-01T00:00:00Z')
    const guest = await file.add('guest', ['read', 'admin'], endsAt)
    const whoami = async (headers: Record<string, string>) =>
      JSON.parse((await ask({ url: '/api/v1/whoami' }, headers)).body)
    expect(await whoami({})).toEqual({ keyNeeded: true, name: null, scopes: [], endsAt: null })
    expect(await whoami({ 'x-api-key': guest })).toEqual({
      ...{ keyNeeded: true, name: 'guest', scopes: ['read', 'admin'], endsAt: endsAt.getTime() * 1000 },
    })
    expect(await whoami({ 'x-api-key': `${guest}x` })).toMatchObject({ status: 401 })
  })

  it('stands in the OpenAPI document: each path says what it needs, and its refusals', async () => {
    const { paths } = JSON.parse((await ask({ url: '/docs/json' })).body) as {
      paths: Record<string, Record<string, { security?: object[]; responses: Record<string, unknown> }>>
    }
    expect(paths['/api/v1/hosts']!.get!.security).toEqual([{ apiKey: ['read'] }, { bearer: ['read'] }])
    expect(paths['/write']!.post!.security).toContainEqual({ basic: ['write'] })
    expect(paths['/health']!.get!.security).toBeUndefined()
    expect(Object.keys(paths['/api/v1/hosts']!.get!.responses)).toEqual(expect.arrayContaining(['401', '403']))
    expect(Object.keys(paths['/health']!.get!.responses)).not.toContain('401')
  })

  it('wrong ones are slowed down by address, and right ones never', async () => {
    const wrong = { 'x-api-key': 'wrong' }
    for (let n = 0; n < 10; n++) await ask({ url: '/api/v1/hosts' }, wrong, '192.0.2.1')
    let answered = 0
    const slow = Array.from({ length: 30 }, async () => {
      const { status, headers } = await ask({ url: '/api/v1/hosts' }, wrong, '192.0.2.1')
      if (status === 401) answered++
      return [status, headers['retry-after']]
    })
    expect(await statusOf({ url: '/api/v1/hosts' }, { 'x-api-key': reader }, '192.0.2.1')).toBe(200)
    expect(await statusOf({ url: '/api/v1/hosts' }, wrong, '192.0.2.2')).toBe(401)
    expect(answered).toBeLessThan(8)
    const answers = await Promise.all(slow)
    expect(answers.filter(([status]) => status === 401)).toHaveLength(8)
    expect(answers.filter(([status]) => status === 429)).toEqual(Array.from({ length: 22 }, () => [429, '2']))
  })

  it('wrong ones are counted together where they come from one network of IPv6', async () => {
    const wrong = { 'x-api-key': 'wrong' }
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, n) =>
        statusOf({ url: '/api/v1/hosts' }, wrong, `2001:db8:1:2::${n.toString(16)}`),
      ),
    )
    expect(answers.filter((status) => status === 429)).toHaveLength(12)
  })

  it('leaves a line of who wrote what, one for many of the same', async () => {
    for (let n = 0; n < 50; n++) await ask({ ...WRITE, url: '/api/v2/write?precision=s' }, { 'x-api-key': writer })
    await ask({ url: '/api/v1/hosts' }, { 'x-api-key': reader })
    const audit = (): object[] => lines.map((line) => JSON.parse(line)).filter(({ address }) => address === client)
    await until('the line is there', () => audit().length > 0)
    const said = { audit: true, key: 'writer', kind: 'key', scope: 'write', method: 'POST', route: '/api/v2/write' }
    expect(audit()).toEqual([expect.objectContaining({ ...said, status: PASSED })])
    guard.close()
    expect(audit()[1]).toMatchObject({ ...said, repeated: 49 })
    expect(lines.join('')).not.toContain(writer)
  })

  it('ends its streams when it is revoked', async () => {
    const mortal = await file.add('mortal', ['read'])
    await scene.app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = scene.app.server.address() as { port: number }
    const stream = async (key: string) => {
      const socket = connect(port, '127.0.0.1')
      socket.write(`GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${key}\r\n\r\n`)
      const [head] = (await once(socket, 'data')) as [Buffer]
      expect(head.toString()).toContain('200 OK')
      return socket
    }
    const other = await file.add('other', ['read'])
    const [ends, stays] = [await stream(mortal), await stream(other)]
    const ended = once(ends.resume(), 'close')
    await file.revoke('mortal')
    await ended
    expect(stays.closed).toBe(false)
    stays.destroy()
  })
})
