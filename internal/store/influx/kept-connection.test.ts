import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { freePort, until } from '../../../test/support/servers.ts'
import type { InfluxAnswer } from './exchange.ts'
import { type InfluxServer, InfluxTransport } from './transport.ts'

const never = new AbortController().signal
const WRITE = { path: '/write?db=a%20b&precision=ns', headers: { 'content-type': 'text/plain; charset=utf-8' } }
const NO_CONTENT = 'HTTP/1.1 204 No Content\r\nX-Influxdb-Version: 1.6.7\r\n\r\n'
const undo: Array<() => unknown> = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

interface Store {
  readonly transport: InfluxTransport
  readonly sockets: Set<Socket>
  post(body?: string | Buffer, signal?: AbortSignal): Promise<InfluxAnswer>
}

async function open(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  options: Partial<InfluxServer> = {},
): Promise<Store> {
  const server = createServer(handler)
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const transport = new InfluxTransport({ url: `http://127.0.0.1:${port}/behind/`, ...options })
  undo.push(
    () => new Promise((resolve) => server.close(resolve)),
    () => server.closeAllConnections(),
    () => transport.close(),
  )
  const post: Store['post'] = (body = 'm v=1', signal = never) => transport.post(WRITE, Buffer.from(body), signal)
  return { transport, sockets, post }
}

/** Answers with these bytes, one part after the other. */
const bytes =
  (...parts: string[]) =>
  async ({ socket }: IncomingMessage): Promise<void> => {
    for (const part of parts) {
      socket.write(part, 'latin1')
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

const noContent = (_request: IncomingMessage, response: ServerResponse): void => void response.writeHead(204).end()

describe('a post', () => {
  it('is what node:http would send, byte for byte of its body', async () => {
    const seen: unknown[] = []
    const store = await open(
      async (request, response) => {
        const chunks: Buffer[] = []
        for await (const chunk of request) chunks.push(chunk as Buffer)
        const { method, url, headers, httpVersion } = request
        seen.push({ method, url, headers, httpVersion, body: Buffer.concat(chunks).toString('hex') })
        response.writeHead(204).end()
      },
      { token: () => 'secret' },
    )
    const large = Buffer.alloc(3 << 20, 'käse\n')
    for (const body of [Buffer.alloc(0), Buffer.from('käse'), large]) {
      await store.post(body)
      await store.transport.send({ method: 'POST', ...WRITE, body }, never)
      expect(seen[0]).toEqual(seen[1])
      expect(seen.splice(0)).toHaveLength(2)
    }
  })

  it('uses the connection of the one before; two at the same time use two', async () => {
    const store = await open(noContent)
    for (let n = 0; n < 5; n++) expect(await store.post()).toMatchObject({ status: 204, body: '', cut: false })
    expect(store.sockets.size).toBe(1)
    await Promise.all([store.post(), store.post()])
    await Promise.all([store.post(), store.post()])
    expect(store.sockets.size).toBe(2)
  })

  it('has the credentials that are read anew after a 401', async () => {
    const tokens = ['old', 'new']
    const given: unknown[] = []
    const store = await open(
      ({ headers }, response) => {
        given.push(headers.authorization)
        response.writeHead(headers.authorization === 'Token new' ? 204 : 401).end()
      },
      { token: () => tokens.shift() ?? 'new' },
    )
    expect(await store.post()).toMatchObject({ status: 204 })
    expect(await store.post()).toMatchObject({ status: 204 })
    expect(given).toEqual(['Token old', 'Token new', 'Token new'])
  })

  it('is sent again on a new connection when the server has closed all that were idle', async () => {
    let posts = 0
    const store = await open(({ socket }, response) => {
      posts++
      // Each connection ends with its second request, as after the idle timeout of a server.
      if (posts === 3) socket.resetAndDestroy()
      else response.writeHead(204).end()
    })
    await Promise.all([store.post(), store.post()])
    expect(await store.post()).toMatchObject({ status: 204 })
    expect([posts, store.sockets.size]).toEqual([4, 3])
  })

  it('does not use a connection that the server has closed, or on which it speaks unasked', async () => {
    const store = await open(noContent)
    await store.post()
    for (const end of [(socket: Socket) => socket.end(), (socket: Socket) => socket.write(NO_CONTENT)]) {
      const [socket] = store.sockets
      store.sockets.clear()
      const closed = new Promise((resolve) => socket!.once('close', resolve))
      end(socket!)
      await closed
      expect(await store.post()).toMatchObject({ status: 204 })
      expect(store.sockets.size).toBe(1)
    }
  })
})

describe('an answer', () => {
  const answers: Array<[name: string, parts: string[], want: Partial<InfluxAnswer>, isKept?: boolean]> = [
    ['204', [NO_CONTENT], { status: 204, body: '' }, true],
    ['204 in two parts', [NO_CONTENT.slice(0, 30), NO_CONTENT.slice(30)], { status: 204, body: '' }],
    ['204 byte by byte', [...NO_CONTENT], { status: 204, body: '' }],
    ['204 after 100', ['HTTP/1.1 100 Continue\r\n\r\n', NO_CONTENT], { status: 204 }],
    ['204 of HTTP/1.0', ['HTTP/1.0 204 No Content\r\n\r\n'], { status: 204 }],
    ['204 that is the last', ['HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n'], { status: 204 }],
    [
      '204 with an error',
      ['HTTP/1.1 204 No Content\r\nX-InfluxDB-Error: no\r\n\r\n'],
      { status: 204, headers: { 'x-influxdb-error': 'no' } },
    ],
    ['200 with a body', ['HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine'], { status: 200, body: 'fine' }],
    [
      '400 in chunks',
      ['HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n', '2\r\nno\r\n', '0\r\n\r\n'],
      { status: 400, body: 'no' },
    ],
    ['503 until the end', ['HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nConnection: close\r\n\r\nbusy'], { status: 503 }],
  ]
  it.each(answers)('%s', async (_name, parts, want, isKept = false) => {
    const store = await open(async (request) => {
      await bytes(...parts)(request)
      if (!isKept) request.socket.end()
    })
    expect(await store.post()).toMatchObject(want)
    expect(await store.post()).toMatchObject(want)
    expect(store.sockets.size).toBe(isKept ? 1 : 2)
  })

  it('with control characters in a header is asked for again, and read leniently', async () => {
    const store = await open(
      bytes('HTTP/1.1 400 Bad Request\r\nX-Influxdb-Error: \u001b[31m\0\r\nContent-Length: 2\r\n\r\nno'),
    )
    expect(await store.post()).toMatchObject({
      status: 400,
      headers: { 'x-influxdb-error': '\u001b[31m\0' },
      body: 'no',
    })
  })

  it('counts even if it comes before the body is read', async () => {
    const store = await open((_request, response) => response.writeHead(413, { connection: 'close' }).end('too much'))
    expect(await store.post(Buffer.alloc(32 << 20))).toMatchObject({ status: 413, body: 'too much' })
  })

  it('of 204 before the body is read ends the connection', async () => {
    const requests: IncomingMessage[] = []
    const store = await open((request) => {
      requests.push(request)
      request.socket.write(NO_CONTENT)
    })
    expect(await store.post(Buffer.alloc(32 << 20))).toMatchObject({ status: 204 })
    // Its end is seen once the bytes before it are read.
    requests[0]!.resume()
    const [socket] = store.sockets
    await until('it is closed', () => socket!.destroyed)
  })

  it('is cut at 4 MiB', async () => {
    const store = await open((_request, response) => response.writeHead(400).end('x'.repeat(5 << 20)))
    const answer = await store.post()
    expect([answer.status, answer.cut, answer.body.length]).toEqual([400, true, 4 << 20])
  })

  const broken: Array<[string, string, (request: IncomingMessage, response: ServerResponse) => unknown]> = [
    ['a broken connection', 'ECONNRESET', ({ socket }) => socket.destroy()],
    ['a reset connection', 'ECONNRESET', ({ socket }) => socket.resetAndDestroy()],
    ['a head that breaks off', 'ECONNRESET', ({ socket }) => socket.end('HTTP/1.1 204 No Con')],
    [
      'a body that breaks off',
      'ECONNRESET',
      ({ socket }) => socket.end('HTTP/1.1 400 No\r\nContent-Length: 9\r\n\r\nhalf'),
    ],
    ['no answer', 'TIMEOUT', () => {}],
    ['a head that never ends', 'TIMEOUT', ({ socket }) => socket.write('HTTP/1.1 204 ')],
    ['a body that never ends', 'TIMEOUT', (_request, response) => response.writeHead(400).write('half')],
    ['no HTTP', 'HPE_INVALID_CONSTANT', ({ socket }) => socket.end('hello\r\n')],
  ]
  it.each(broken)('%s is the error %s, and the next post is answered', async (_name, code, handler) => {
    let isBroken = true
    const store = await open((request, response) => (isBroken ? handler : noContent)(request, response), {
      answerTimeoutMs: 200,
    })
    await expect(store.post()).rejects.toMatchObject({ name: 'TransportError', code })
    isBroken = false
    expect(await store.post()).toMatchObject({ status: 204 })
    expect(await store.post()).toMatchObject({ status: 204 })
    expect(store.sockets.size).toBe(2)
  })

  it('that takes longer than allowed for each of many posts is an error for each', async () => {
    let isSilent = false
    const store = await open((request, response) => (isSilent ? undefined : noContent(request, response)), {
      answerTimeoutMs: 100,
    })
    for (let n = 0; n < 3; n++) {
      isSilent = false
      await store.post()
      isSilent = true
      await expect(store.post()).rejects.toMatchObject({ code: 'TIMEOUT' })
    }
  })

  it('is an error without a server, with a text even for two addresses', async () => {
    const transport = new InfluxTransport({ url: `http://localhost:${await freePort()}` })
    const posted = transport.post(WRITE, Buffer.from('m v=1'), never)
    await expect(posted).rejects.toMatchObject({ code: 'ECONNREFUSED', message: /ECONNREFUSED/ })
  })
})

describe('the signal', () => {
  it('stops a post before it is sent, while it waits, and while its answer is read; others go on', async () => {
    const asked: ServerResponse[] = []
    const store = await open((_request, response) => void asked.push(response))
    const aborted = { name: 'TransportError', code: 'ABORTED' }
    await expect(store.post('m v=1', AbortSignal.abort())).rejects.toMatchObject(aborted)
    const other = store.post()
    await until('it is asked', () => asked.length === 1)
    for (const begun of ['', 'half']) {
      const controller = new AbortController()
      const posted = store.post('m v=1', controller.signal)
      await until('it is asked', () => asked.length > 1)
      if (begun !== '') asked[1]!.write(begun)
      await new Promise((resolve) => setTimeout(resolve, 20))
      controller.abort()
      await expect(posted).rejects.toMatchObject(aborted)
      asked.splice(1)
    }
    asked[0]!.writeHead(204).end()
    expect(await other).toMatchObject({ status: 204 })
  })
})

it('a retired transport gets the answers that it waits for, and then holds no connection', async () => {
  const asked: ServerResponse[] = []
  const store = await open((_request, response) => void asked.push(response))
  const posted = store.post()
  await until('it is asked', () => asked.length === 1)
  store.transport.retire()
  asked[0]!.writeHead(204).end()
  expect(await posted).toMatchObject({ status: 204 })
  const [socket] = store.sockets
  await until('it is closed', () => socket!.destroyed)
})
