import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { Address } from './address.ts'
import { AnswerBody } from './answer-body.ts'
import { TargetError } from './target-error.ts'

const MAX_BYTES = 100_000
/** More than a socket reads at once. */
const LONG = Array.from({ length: 15_000 }, (_, i) => i)
  .join(',')
  .slice(0, MAX_BYTES)
const CSV = `switch_id,a\n${Array.from({ length: 500 }, (_, i) => `sw${i},${i}\n`).join('')}`

const closers: Array<() => Promise<void>> = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

interface Asked {
  readonly url: string
  readonly address: Address
  readonly requests: IncomingMessage[]
  /** Reads once. @returns the body, or what was thrown */
  readonly read: (signal?: AbortSignal) => Promise<string>
}

/** An address at which a server answers as it is told. */
async function ask(answer: RequestListener, { path = '/counters', gzip = false, user = '' } = {}): Promise<Asked> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    answer(request, response)
  })
  const port = await listen(server)
  const url = `http://${user}127.0.0.1:${port}${path}`
  return { url, requests, ...reader(url, gzip) }
}

async function listen(server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(async () => {
    if ('closeAllConnections' in server) server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function reader(url: string, gzip = false): Pick<Asked, 'address' | 'read'> {
  const address = new Address({ url, gzip })
  closers.push(async () => address.close())
  const body = new AnswerBody(MAX_BYTES)
  const read = async (signal = new AbortController().signal): Promise<string> => {
    try {
      return (await address.read(body, signal)) === 'read' ? body.bytes.toString() : 'nothing new'
    } catch (error) {
      if (error instanceof TargetError) return `${error.problem}: ${error.message}`
      throw error
    }
  }
  return { address, read }
}

const answerWith =
  (text: string | Buffer, headers: Record<string, string | number> = {}, status = 200): RequestListener =>
  (_, response) =>
    void response.writeHead(status, headers).end(text)

/** Whole, with a length, and with validators. */
const GOOD = answerWith(CSV, { 'content-length': CSV.length, etag: '"1"', 'last-modified': 'Tue, 14 Nov 2023 22:13:20 GMT' }) // biome-ignore format: one line

describe('an address', () => {
  it.each<[string, RequestListener, string]>([
    ['all of it', GOOD, CSV],
    ['all of it, in parts', (_, response) => {
      response.write(CSV.slice(0, 100))
      response.end(CSV.slice(100))
    }, CSV],
    ['all of it, in several reads', answerWith(LONG), LONG],
    ['all of it, until the connection ends', ({ socket }) => socket.end(`HTTP/1.0 200 OK\r\n\r\n${CSV}`), CSV],
    ['gzip, which was not asked for', answerWith(gzipSync(CSV), { 'content-encoding': 'gzip' }), CSV],
    ['nothing but a status', answerWith(''), 'nothing new'],
    ['an empty body with a length', answerWith('', { 'content-length': 0 }), 'nothing new'],
    ['an empty body in gzip', answerWith(gzipSync(''), { 'content-encoding': 'gzip' }), 'nothing new'],
    ['304, without having been told what is known', answerWith('', {}, 304), 'nothing new'],
    ['204', answerWith('', {}, 204), 'nothing new'],
    ['500', answerWith('out of\nmemory\n', {}, 500), 'status: it answered 500: out of'],
    ['503 without a word', answerWith('', {}, 503), 'status: it answered 503'],
    ['401', answerWith('<html>', {}, 401), 'status: it answered 401: <html>'],
    ['206', answerWith(CSV.slice(0, 10), {}, 206), 'status: it answered 206: switch_id,'],
    ['less than its length says', (request, response) => {
      response.writeHead(200, { 'content-length': CSV.length })
      response.write(CSV.slice(0, 100), () => request.socket.destroySoon())
    }, 'cut_off: it was cut off after 100 bytes: aborted'],
    ['a part alone', (request, response) => {
      response.write(CSV.slice(0, 100), () => request.socket.destroySoon())
    }, 'cut_off: it was cut off after 100 bytes: aborted'],
    ['gzip that is cut off', answerWith(gzipSync(CSV).subarray(0, 300), { 'content-encoding': 'gzip' }), 'cut_off: it was cut off after 300 bytes: unexpected end of file'],
    ['what is said to be gzip', answerWith(CSV, { 'content-encoding': 'gzip' }), 'encoding: it says that its answer is gzip, which it is not'],
    ['another encoding', answerWith(CSV, { 'content-encoding': 'br' }), 'encoding: it answers in br, which nobody asked for'],
    ['too much, by its length', answerWith('x', { 'content-length': MAX_BYTES + 1 }), 'too_large: its answer has more than 97.7 KiB: raise fabric.maxBodyBytes if that is right'],
    ['too much, without a length', answerWith(Buffer.alloc(MAX_BYTES + 1), { 'transfer-encoding': 'chunked' }), 'too_large: its answer has more than 97.7 KiB: raise fabric.maxBodyBytes if that is right'],
    ['too much in little gzip', answerWith(gzipSync(Buffer.alloc(50 * MAX_BYTES)), { 'content-encoding': 'gzip' }), 'too_large: its answer has more than 97.7 KiB: raise fabric.maxBodyBytes if that is right'],
    ['no HTTP', ({ socket }) => socket.end('hello\r\n\r\n'), 'unreachable: it cannot be asked: Parse Error: Expected HTTP/, RTSP/ or ICE/'],
    ['a reset', ({ socket }) => socket.resetAndDestroy(), 'unreachable: it cannot be asked: socket hang up'],
  ])('answers %s', async (_, answer, read) => {
    const asked = await ask(answer)
    const first = await asked.read()
    expect(first.replace('read ECONNRESET', 'socket hang up')).toBe(read)
  }) // biome-ignore format: a row a case

  it('gives all of an answer after each that was bad, over the same Address', async () => {
    const bad: RequestListener[] = [
      answerWith('', {}, 500),
      answerWith('x', { 'content-length': MAX_BYTES + 1 }),
      answerWith(Buffer.alloc(3 * MAX_BYTES), {}),
      answerWith(CSV, { 'content-encoding': 'gzip' }),
      ({ socket }) => void socket.destroy(),
    ]
    let answer: RequestListener = GOOD
    const asked = await ask((request, response) => answer(request, response))
    for (const fault of bad) {
      answer = fault
      expect(await asked.read()).toMatch(/^\w+: it/)
      answer = GOOD
      expect(await asked.read()).toBe(CSV)
    }
  })

  it('is asked for what is new since the answer that was taken, and for nothing else', async () => {
    let etag = '"1"'
    const asked = await ask((request, response) => {
      if (request.headers['if-none-match'] === etag) response.writeHead(304).end()
      else answerWith(CSV, { etag })(request, response)
    })
    expect(await asked.read()).toBe(CSV)
    // It was not good: it must come again.
    expect(await asked.read()).toBe(CSV)
    asked.address.taken()
    expect(await asked.read()).toBe('nothing new')
    etag = '"2"'
    expect([await asked.read(), await asked.read()]).toEqual([CSV, CSV])
    asked.address.taken()
    expect(await asked.read()).toBe('nothing new')
    expect(asked.requests.map(({ headers }) => headers['if-none-match'])).toEqual([
      ...[undefined, undefined, '"1"', '"1"', '"1"', '"2"'],
    ])
  })

  it('is told the time of its answer, and forgets what a later one does not say', async () => {
    const modified = 'Tue, 14 Nov 2023 22:13:20 GMT'
    const headers: Record<string, string>[] = [{ 'last-modified': modified }, { etag: 'W/"1"' }, {}, {}]
    const asked = await ask((request, response) =>
      answerWith(CSV, headers[asked.requests.length - 1])(request, response),
    )
    for (let i = 0; i < 4; i++) {
      await asked.read()
      asked.address.taken()
    }
    const sent = asked.requests.map(({ headers: of }) => [of['if-none-match'], of['if-modified-since']])
    expect(sent).toEqual([[undefined, undefined], [undefined, modified], ['W/"1"', undefined], [undefined, undefined]]) // biome-ignore format: one line
  })

  it.each([true, false])('asks for gzip: %s', async (gzip) => {
    const asked = await ask(GOOD, { gzip })
    expect(await asked.read()).toBe(CSV)
    expect(asked.requests[0]!.headers).toMatchObject({
      ...{ 'accept-encoding': gzip ? 'gzip' : 'identity', 'user-agent': 'sentinelstream', connection: 'keep-alive' },
      accept: expect.stringContaining('text/csv'),
    })
  })

  it('takes the name and the password of its URL, and says them to nobody', async () => {
    const asked = await ask(answerWith('', {}, 401), { user: 'ada:s%40cret@' })
    expect(await asked.read()).toBe('status: it answered 401')
    const { authorization } = asked.requests[0]!.headers
    expect(Buffer.from(authorization!.slice('Basic '.length), 'base64').toString()).toBe('ada:s@cret')
  })

  it('is followed to another path of its host, with its password, a few times', async () => {
    const asked = await ask(
      (request, response) => {
        if (request.url === '/old') response.writeHead(301, { location: '/new?a=1' }).end('moved')
        else if (request.url === '/round') response.writeHead(302, { location: '/round' }).end()
        else if (request.headers.authorization === undefined) response.writeHead(401).end()
        else GOOD(request, response)
      },
      { path: '/old', user: 'ada:secret@' },
    )
    expect(await asked.read()).toBe(CSV)
    expect(asked.requests.map(({ url }) => url)).toEqual(['/old', '/new?a=1'])
    const round = reader(asked.url.replace('/old', '/round'))
    expect(await round.read()).toBe('redirect: it redirects more than 3 times')
    expect(asked.requests).toHaveLength(6)
  })

  it.each([
    ['http://other.example.com:9001/x', 'other.example.com:9001'],
    ['https://127.0.0.1/x', '127.0.0.1'],
    ['http://[', 'which cannot be read'],
  ])('is not followed to another host: %s', async (location, host) => {
    const asked = await ask(answerWith('', { location }, 302), { user: 'ada:secret@' })
    expect(await asked.read()).toBe(`redirect: it redirects to another host, ${host}: name that address as the target`)
    expect(asked.requests).toHaveLength(1)
  })

  it('is asked over one connection', async () => {
    const asked = await ask(GOOD)
    for (let i = 0; i < 3; i++) expect(await asked.read()).toBe(CSV)
    expect(new Set(asked.requests.map(({ socket }) => socket.remotePort)).size).toBe(1)
  })

  it('is asked once more where it ended the connection, which had been idle, without an answer', async () => {
    let connections = 0
    const server = createTcpServer((socket) => {
      const isFirst = connections++ === 0
      let asked = 0
      socket.on('error', () => {})
      socket.on('data', () => {
        if (isFirst && asked++ > 0) socket.resetAndDestroy()
        else socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${CSV.length}\r\n\r\n${CSV}`)
      })
    })
    const { read } = reader(`http://127.0.0.1:${await listen(server)}/`)
    expect([await read(), await read(), connections]).toEqual([CSV, CSV, 2])
  })

  it('is asked no third time', async () => {
    let requests = 0
    const asked = await ask((request, response) =>
      requests++ === 0 ? GOOD(request, response) : request.socket.destroy(),
    )
    expect(await asked.read()).toBe(CSV)
    expect(await asked.read()).toMatch(/^unreachable/)
    expect(requests).toBe(3)
  })

  it('where nobody listens, or which has no name, is unreachable', async () => {
    const server = createServer()
    const port = await listen(server)
    server.close()
    await once(server, 'close')
    expect(await reader(`http://127.0.0.1:${port}/`).read()).toMatch(/^unreachable: it cannot be asked: .*ECONNREFUSED/)
  })

  it.each<[string, RequestListener]>([
    ['before the answer', () => {}],
    ['within the body', (_, response) => void response.write(CSV.slice(0, 100))],
    [
      'within gzip',
      (_, response) =>
        void response.writeHead(200, { 'content-encoding': 'gzip' }).write(gzipSync(CSV).subarray(0, 100)),
    ],
    ['within the words of an error', (_, response: ServerResponse) => void response.writeHead(500).flushHeaders()],
  ])('is left at the signal, %s', async (_, answer) => {
    const stop = new AbortController()
    const asked = await ask((request, response) => {
      answer(request, response)
      setImmediate(() => stop.abort(new TargetError('timeout', 'late')))
    })
    expect(await asked.read(stop.signal)).toMatch(/^(timeout: late|status: it answered 500)$/)
    const { socket } = asked.requests[0]!
    await new Promise((resolve) => (socket.destroyed ? resolve(undefined) : socket.once('close', resolve)))
  })
})
