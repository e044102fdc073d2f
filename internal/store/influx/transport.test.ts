import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { freePort } from '../../../test/support/servers.ts'
import { TransportError } from './exchange.ts'
import { type InfluxServer, InfluxTransport } from './transport.ts'

const never = new AbortController().signal
const undo: Array<() => unknown> = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

async function listen(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server & { url: string }> {
  const server = createServer(handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  undo.push(
    () => new Promise((resolve) => server.close(resolve)),
    () => server.closeAllConnections(),
  )
  const address = server.address()
  return Object.assign(server, { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}` })
}

function transportTo(url: string, options: Partial<InfluxServer> = {}): InfluxTransport {
  const transport = new InfluxTransport({ url, ...options })
  undo.push(() => transport.close())
  return transport
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof TransportError)) throw new Error(`not a TransportError: ${error}`)
  return error.code
}

describe('a request', () => {
  it('has the body with its length, the path after that of the URL, and the credentials in a header', async () => {
    const seen: Array<Record<string, unknown>> = []
    const server = await listen(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      const { 'content-length': length, authorization, 'transfer-encoding': encoding } = request.headers
      seen.push({ url: request.url, method: request.method, body, length, authorization, encoding })
      response.end('fine')
    })
    const transport = transportTo(`${server.url}/behind/`, { token: async () => ' secret\n' })
    const request = { method: 'POST', path: '/write?db=a%20b&x=1', body: Buffer.from('käse') } as const
    expect(await transport.send(request, never)).toMatchObject({ status: 200, body: 'fine', cut: false })
    expect(seen).toEqual([
      {
        ...{ url: '/behind/write?db=a%20b&x=1', method: 'POST', body: 'käse', length: '5' },
        ...{ authorization: 'Token secret', encoding: undefined },
      },
    ])
  })

  it('has Basic authorization for a user and password in the URL, and messages do not show them', async () => {
    const server = await listen((request, response) => response.end(request.headers.authorization))
    const transport = transportTo(server.url.replace('//', '//us%40er:pass@'))
    expect(transport.url).toBe(server.url)
    const answer = await transport.send({ method: 'GET', path: '/' }, never)
    expect(answer.body).toBe(`Basic ${Buffer.from('us@er:pass').toString('base64')}`)
  })

  it('reaches a server at an IPv6 address', async () => {
    const server = createServer((request, response) => response.end(request.headers.host))
    await new Promise<void>((resolve) => server.listen(0, '::1', resolve))
    undo.push(
      () => server.close(),
      () => server.closeAllConnections(),
    )
    const { port } = server.address() as AddressInfo
    const answer = await transportTo(`http://[::1]:${port}`).send({ method: 'GET', path: '/ping' }, never)
    expect(answer.body).toBe(`[::1]:${port}`)
  })

  it('uses connections that stay open', async () => {
    const server = await listen((_request, response) => response.end())
    let connections = 0
    server.on('connection', () => connections++)
    const transport = transportTo(server.url)
    for (let n = 0; n < 5; n++) await transport.send({ method: 'POST', path: '/', body: 'x' }, never)
    expect(connections).toBe(1)
  })

  it('is sent again on another connection when the server closed the idle one', async () => {
    let requests = 0
    const server = await listen((request, response) => {
      requests++
      // The second request on a connection finds it closed, as after the idle timeout of the server.
      if (requests === 2) request.socket.resetAndDestroy()
      else response.end(`${requests}`)
    })
    const transport = transportTo(server.url)
    const send = async (): Promise<string> =>
      (await transport.send({ method: 'POST', path: '/', body: 'x' }, never)).body
    expect([await send(), await send()]).toEqual(['1', '3'])
  })
})

describe('the token', () => {
  it.each([401, 403, 404])('is read once, and again after a %i', async (refusal) => {
    const tokens = ['old', 'new']
    let asked = 0
    const server = await listen((request, response) => {
      response.statusCode = request.headers.authorization === 'Token new' ? 204 : refusal
      response.end()
    })
    const transport = transportTo(server.url, { token: () => tokens[asked++] ?? 'new' })
    const statuses: number[] = []
    for (let n = 0; n < 3; n++) statuses.push((await transport.send({ method: 'GET', path: '/' }, never)).status)
    expect([statuses, asked]).toEqual([[204, 204, 204], 2])
  })

  it('that is refused again gives the 401', async () => {
    let requests = 0
    const server = await listen((_request, response) => {
      requests++
      response.writeHead(401).end('{"message":"unauthorized access"}')
    })
    const transport = transportTo(server.url, { token: () => 'wrong' })
    expect(await transport.send({ method: 'GET', path: '/' }, never)).toMatchObject({ status: 401 })
    expect(requests).toBe(1)
  })

  it.each<[string, () => string | Promise<string>]>([
    ['cannot be read', () => Promise.reject(new Error('ENOENT: no file'))],
    ['is two lines long', () => 'one\ntwo'],
    ['no header can carry', () => 'käse\u2028'],
  ])('that %s is an error of its own', async (_name, token) => {
    const transport = transportTo('http://127.0.0.1:1', { token })
    expect(await codeOf(transport.send({ method: 'GET', path: '/' }, never))).toBe('NO_TOKEN')
  })
})

it.each<[string, Partial<InfluxServer>, RegExp]>([
  ['a token', { token: () => 'secret', username: 'u', password: 'p' }, /^INFLUX_TOKEN or INFLUX_TOKEN_FILE$/],
  ['a user', { username: 'u', password: 'p' }, /^INFLUX_USERNAME and INFLUX_PASSWORD or INFLUX_PASSWORD_FILE$/],
  ['nothing', {}, /^INFLUX_TOKEN .*; for InfluxDB 1.x INFLUX_USERNAME/],
])('the settings to correct are named where %s was refused', async (_name, options, want) => {
  const server = await listen((_request, response) => response.writeHead(401).end())
  const transport = transportTo(server.url, options)
  expect(await transport.send({ method: 'GET', path: '/' }, never)).toMatchObject({ status: 401 })
  expect(transport.credentials).toMatch(want)
})

describe('an answer', () => {
  it('is cut at the limit', async () => {
    const server = await listen((_request, response) => response.writeHead(400).end('x'.repeat(100_000)))
    const answer = await transportTo(server.url).send({ method: 'GET', path: '/', maxAnswerBytes: 1000 }, never)
    expect(answer).toMatchObject({ status: 400, cut: true, body: 'x'.repeat(1000) })
  })

  it('may have a header of a megabyte, as 1.x sends for many bad lines', async () => {
    const words = 'x'.repeat(1 << 20)
    const server = await listen((_request, response) => response.writeHead(400, { 'X-Influxdb-Error': words }).end())
    const answer = await transportTo(server.url).send({ method: 'GET', path: '/' }, never)
    expect(answer.headers['x-influxdb-error']).toHaveLength(1 << 20)
  })

  it('may have control characters in a header, as 1.x repeats them from a bad line', async () => {
    const connections = new Set<unknown>()
    const server = await listen((request, response) => {
      connections.add(request.socket)
      if (request.url === '/good') return void response.end()
      request.socket.write('HTTP/1.1 400 Bad Request\r\nX-Influxdb-Error: \u001b[31m\0\r\nContent-Length: 2\r\n\r\nno')
    })
    const transport = transportTo(server.url)
    const answer = await transport.send({ method: 'POST', path: '/', body: 'x' }, never)
    expect(answer).toMatchObject({ status: 400, headers: { 'x-influxdb-error': '\u001b[31m\0' }, body: 'no' })
    // Neither connection is used again: the one that was read strictly is broken, the other one was read leniently.
    await transport.send({ method: 'GET', path: '/good' }, never)
    expect(connections.size).toBe(3)
  })

  it('counts even if the server sends it before it has read the body', async () => {
    const server = await listen((_request, response) =>
      response.writeHead(413, { connection: 'close' }).end('too much'),
    )
    const body = Buffer.alloc(32 << 20)
    const answer = await transportTo(server.url).send({ method: 'POST', path: '/', body }, never)
    expect(answer).toMatchObject({ status: 413, body: 'too much' })
  })

  const broken: Array<[string, string, (request: IncomingMessage, response: ServerResponse) => void]> = [
    ['a broken connection', 'ECONNRESET', (request) => request.socket.destroy()],
    [
      'an answer that breaks off',
      'ECONNRESET',
      (request, response) => {
        response.writeHead(200, { 'content-length': '100' })
        response.write('half')
        setTimeout(() => request.socket.destroy(), 20)
      },
    ],
    ['no answer', 'TIMEOUT', () => {}],
    ['an answer that never ends', 'TIMEOUT', (_request, response) => void response.write('half')],
    ['no HTTP', 'HPE_INVALID_CONSTANT', (request) => void request.socket.end('hello\r\n')],
  ]
  it.each(broken)('%s is the error %s', async (_name, code, handler) => {
    const server = await listen(handler)
    const transport = transportTo(server.url, { answerTimeoutMs: 200 })
    expect(await codeOf(transport.send({ method: 'POST', path: '/', body: 'x' }, never))).toBe(code)
  })

  it('is an error without a server, with a text even for two addresses', async () => {
    const transport = transportTo(`http://localhost:${await freePort()}`)
    const sent = transport.send({ method: 'GET', path: '/' }, never)
    await expect(sent).rejects.toMatchObject({ code: 'ECONNREFUSED', message: /ECONNREFUSED/ })
  })
})

describe('the signal', () => {
  it('stops a request before and during sending', async () => {
    const server = await listen(() => {})
    const transport = transportTo(server.url)
    expect(await codeOf(transport.send({ method: 'GET', path: '/' }, AbortSignal.abort()))).toBe('ABORTED')
    const controller = new AbortController()
    server.once('request', () => controller.abort())
    expect(await codeOf(transport.send({ method: 'GET', path: '/' }, controller.signal))).toBe('ABORTED')
  })
})

describe('a retired transport', () => {
  it('receives pending answers, and then holds no connection', async () => {
    let answer = (): void => {}
    const asked = new Promise<void>((resolve) => {
      answer = resolve
    })
    const server = await listen(async (_request, response) => {
      await asked
      response.end('fine')
    })
    const closed = new Promise((resolve) => {
      server.once('connection', (socket) => socket.once('close', resolve))
    })
    const transport = transportTo(server.url)
    const sent = transport.send({ method: 'GET', path: '/' }, never)
    transport.retire()
    answer()
    expect((await sent).body).toBe('fine')
    await closed
  })

  it('closes idle connections at once', async () => {
    const server = await listen((_request, response) => response.end())
    const closed = new Promise((resolve) => {
      server.once('connection', (socket) => socket.once('close', resolve))
    })
    const transport = transportTo(server.url)
    await transport.send({ method: 'GET', path: '/' }, never)
    transport.retire()
    await closed
  })
})
