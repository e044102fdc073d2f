import { tracingChannel } from 'node:diagnostics_channel'
import { Agent, get, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { switchesOf } from '../../test/support/fabric.ts'
import { FabricScene } from '../../test/support/fabric-scene.ts'
import { KeyFileScene } from '../../test/support/keys.ts'
import { silent } from '../../test/support/live-feed.ts'
import { until } from '../../test/support/servers.ts'
import { Refusals } from '../http/doorkeeper.ts'
import { Guard } from '../http/guard.ts'
import type { OpenPart } from '../http/needs.ts'
import { FabricLatencies } from './routes/telemetry/telemetry.ts'

/** Of the moment, and those that say how often its client may ask yet. */
const OTHERS = new Set(['date', 'ratelimit', 'ratelimit-policy'])

describe('an answer that is ready', () => {
  const latencies = new FabricLatencies()
  let fabric: FabricScene
  let port: number

  beforeAll(async () => {
    fabric = await FabricScene.open({
      fabricLatencies: latencies,
      trustProxy: true,
      limits: { requestsPerMinute: 1000 },
    })
    await fabric.show(switchesOf(100, 1e15, 1))
    const { reader, way } = fabric.scene
    reader.hosts = async () =>
      Array.from({ length: 30 }, (_, n) => ({ host: `wéb-${n}`, lastSeenAt: way.clock.time - 60e6 }))
    await fabric.scene.app.listen({ host: '127.0.0.1', port: 0 })
    port = (fabric.scene.app.server.address() as { port: number }).port
  })
  afterAll(async () => {
    agent.destroy()
    await fabric.scene.app.close()
  })

  const agent = new Agent({ keepAlive: true })
  const ask = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port, path, headers, method, agent }, resolve).on('error', reject)
    })

  const VALUE = '/telemetry/GetMetric?switch_id=sw5&metric=latency_ms'
  const LIST = '/telemetry/ListMetrics'
  const HOSTS = '/api/v1/hosts'
  it.each<[what: string, path: string, headers?: Record<string, string>, method?: string]>([
    ['a value', VALUE],
    ['a value, switch in another case', VALUE.replace('sw5', 'SW5')],
    ['a value with the parameters the other way', '/telemetry/GetMetric?metric=latency_ms&switch_id=sw5'],
    ['a value in an object', VALUE.replace('metric', 'metric_name')],
    ['a value whose id is percent-encoded', VALUE.replace('sw5', '%73w5')],
    ['a value with a slash at the end of the path', VALUE.replace('?', '/?')],
    ['HEAD', VALUE, {}, 'HEAD'],
    ['another method', VALUE, {}, 'DELETE'],
    ['a switch that is not there', VALUE.replace('sw5', 'sw500')],
    ['a metric that is not there', VALUE.replace('latency_ms', 'toString')],
    ['no metric', VALUE.replace('&metric=latency_ms', '')],
    ['a parameter twice', `${VALUE}&metric=latency_ms`],
    ['a parameter that is not there', `${VALUE}&x=1`],
    ['what the client has already', VALUE, { 'if-none-match': '*' }],
    ['a list', LIST],
    ['a page of a list', `${LIST}?limit=10`],
    ['a list in another shape', `${LIST}?shape=object`],
    ['a list with gzip', LIST, { 'accept-encoding': 'gzip, deflate, br' }],
    ['a short list with gzip', `${LIST}?switch_id=sw5`, { 'accept-encoding': 'gzip' }],
    ['a list without gzip', LIST, { 'accept-encoding': 'gzip;q=0, identity' }],
    ['a list for a name that is not ours', LIST, { host: 'elsewhere.example' }],
    ['a value for a name that is not ours', VALUE, { 'x-forwarded-host': 'elsewhere.example' }],
    ['a value with a body', VALUE, { 'content-length': '1' }],
    ['a value through two proxies', VALUE, { 'x-forwarded-for': '192.0.2.1, 192.0.2.2' }],
    ['a value through a proxy that says no address', VALUE, { 'x-forwarded-for': 'unknown' }],
    ['a value on a connection that ends', VALUE, { connection: 'close' }],
    ['hosts', HOSTS],
    ['hosts that are asked for', `${HOSTS}?brief=true&limit=2`],
    ['hosts with a slash at the end of the path', `${HOSTS}/`],
    ['hosts with gzip', HOSTS, { 'accept-encoding': 'gzip' }],
    ['few hosts with gzip', `${HOSTS}?limit=1`, { 'accept-encoding': 'gzip' }],
    ['hosts by a wrong parameter', `${HOSTS}?limit=0`],
    ['HEAD of hosts', HOSTS, {}, 'HEAD'],
    ['hosts for a name that is not ours', HOSTS, { host: 'elsewhere.example' }],
  ])('is what the route answers: %s', async (_what, url, headers = {}, method = 'GET') => {
    // What comes with a range goes the usual way, which knows none.
    const expected = await answerTo(url, { ...headers, range: 'none' }, method)
    // The second answer of a list is ready, and the third is when it is compressed.
    for (let n = 0; n < 3; n++) expect(await answerTo(url, headers, method)).toEqual(expected)
  })

  async function answerTo(url: string, headers: Record<string, string>, method: string): Promise<unknown> {
    const answer = await ask(url, headers, method)
    const body = await buffer(answer)
    const own = Object.entries(answer.headers).filter(([name]) => !OTHERS.has(name))
    return { status: answer.statusCode, headers: Object.fromEntries(own), body: body.toString('latin1') }
  }

  it('is of the generation that is shown, and recorded', async () => {
    const before = latencies.getMetric.recent().count
    const tag = (await ask(VALUE)).headers.etag
    await fabric.show(switchesOf(100, 2e15, 2))
    const answer = await ask(VALUE)
    expect(answer.headers.etag).not.toBe(tag)
    expect((await buffer(answer)).toString()).toBe('1')
    expect((await ask(LIST)).headers.etag).toBe(answer.headers.etag)
    expect(latencies.getMetric.recent().count).toBe(before + 2)
  })

  it.each<[what: string, path: string, headers: Record<string, string>, byRoute: number]>([
    ['a value', VALUE, {}, 0],
    ['a list', LIST, {}, 0],
    ['hosts', HOSTS, {}, 0],
    ['hosts with gzip', HOSTS, { 'accept-encoding': 'gzip' }, 1],
    ['few hosts with gzip', `${HOSTS}?limit=1`, { 'accept-encoding': 'gzip' }, 0],
    ['a value on a connection that ends', VALUE, { connection: 'close' }, 1],
    ['a value on a connection that is kept', VALUE, { connection: 'Keep-Alive' }, 0],
    ['what the client has already', VALUE, { 'if-none-match': '*' }, 1],
    ['a value in an object', VALUE.replace('metric', 'metric_name'), {}, 1],
  ])('goes past fastify: %s', async (_what, path, headers, byRoute) => {
    await buffer(await ask(path))
    let handled = 0
    const { start } = tracingChannel('fastify.request.handler')
    const count = (): void => void handled++
    start.subscribe(count)
    try {
      await buffer(await ask(path, headers))
    } finally {
      start.unsubscribe(count)
    }
    expect(handled).toBe(byRoute)
  })

  it('keeps its turn among answers that are not ready, on one connection', async () => {
    const paths = [VALUE, '/api/v1/hosts?limit=3', VALUE, VALUE.replace('sw5', 'none'), '/api/v1/hosts?limit=3', LIST]
    const client = connect(port, '127.0.0.1')
    client.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`).join(''))
    client.end(`GET ${VALUE} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`)
    const answers = (await buffer(client)).toString().split(/(?=HTTP\/1\.1 )/)
    const bodies = answers.map((answer) => answer.split('\r\n\r\n')[1]!)
    expect(bodies.map((body) => body.slice(0, 7))).toEqual([
      ...['1', '{"now":', '1', 'switch_', '{"now":', '[{"sw1"', '1'],
    ])
  })

  it('is closed when its client reads nothing for two minutes', async () => {
    const sockets: Socket[] = []
    agent.destroy()
    fabric.scene.app.server.once('connection', (socket: Socket) => sockets.push(socket))
    ;(await ask(VALUE)).resume()
    // One that was read at once needs no timer: there is that between two requests alone.
    expect(sockets[0]!.timeout).not.toBe(120_000)
    fabric.scene.app.server.once('connection', (socket: Socket) => sockets.unshift(socket))
    const client = connect(port, '127.0.0.1')
    client.pause()
    client.write(`GET ${LIST} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`.repeat(5_000))
    await until('answers wait', () => sockets[0]?.timeout === 120_000)
    client.destroy()
  })

  it('counts against the limit of its address, and is refused beyond it', async () => {
    const from = { 'x-forwarded-for': '192.0.2.77' }
    const told: unknown[] = []
    for (let n = 0; n < 1000; n++) {
      const { statusCode, headers } = (await ask(VALUE, from)).resume()
      expect(statusCode).toBe(200)
      if (headers.ratelimit !== undefined) told.push(headers.ratelimit)
    }
    // From the half on.
    expect([told.length, told.at(-1)]).toEqual([500, expect.stringMatching(/^"address";r=0;t=\d+$/)])
    expect((await ask(VALUE, from)).resume().statusCode).toBe(429)
    expect((await ask(VALUE, { 'x-forwarded-for': '192.0.2.78' })).resume().statusCode).toBe(200)
  })
})

describe('an answer that is ready, where there are keys', () => {
  let file: KeyFileScene
  let fabric: FabricScene
  let open: OpenPart[] = []
  let port: number
  let [reader, writer] = ['', '']

  beforeAll(async () => {
    file = await KeyFileScene.open()
    ;[reader, writer] = [await file.add('reader', ['read']), await file.add('writer', ['write'])]
    const keys = await file.ring({ serviceToken: () => 'a-token-of-the-roles' })
    const guard = new Guard({
      ...{ keys, refusals: new Refusals(), logger: silent, open: () => open, serviceScopes: ['write'] },
    })
    fabric = await FabricScene.open({ guard })
    await fabric.show(switchesOf(10, 1e15, 1))
    await fabric.scene.app.listen({ host: '127.0.0.1', port: 0 })
    port = (fabric.scene.app.server.address() as { port: number }).port
  })
  afterAll(async () => {
    await fabric.scene.app.close()
    file.close()
  })

  const statusOf = async (path: string, headers: Record<string, string>): Promise<number> =>
    (await fetch(`http://127.0.0.1:${port}${path}`, { headers })).status

  it.each<[what: string, headers: () => Record<string, string>, status: number]>([
    ['none', () => ({}), 401],
    ['a wrong one', () => ({ 'x-api-key': `${reader}x` }), 401],
    ['one without the scope', () => ({ 'x-api-key': writer }), 403],
    ['the token of the roles', () => ({ 'x-service-token': 'a-token-of-the-roles' }), 403],
    ['as a password', () => ({ authorization: `Basic ${Buffer.from(`u:${reader}`).toString('base64')}` }), 401],
    ['a good one', () => ({ 'x-api-key': reader }), 200],
    ['a good bearer', () => ({ authorization: `Bearer ${reader}` }), 200],
  ])('takes a key: %s', async (_what, headers, status) => {
    for (const path of ['/telemetry/GetMetric?switch_id=sw5&metric=latency_ms', '/telemetry/ListMetrics']) {
      // The second answer of a list is ready.
      for (let n = 0; n < 2; n++) expect(await statusOf(path, headers()), path).toBe(status)
    }
  })

  it('is open to everybody where that is wanted', async () => {
    open = ['telemetry']
    expect(await statusOf('/telemetry/ListMetrics', {})).toBe(200)
    open = []
    expect(await statusOf('/telemetry/ListMetrics', {})).toBe(401)
  })

  it('is none once its key is revoked', async () => {
    expect(await statusOf('/telemetry/ListMetrics', { 'x-api-key': reader })).toBe(200)
    await file.revoke('reader')
    await expect.poll(() => statusOf('/telemetry/ListMetrics', { 'x-api-key': reader })).toBe(401)
  })
})
