import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http'
import type { Socket } from 'node:net'
import { freePort, sleep } from './servers.ts'

/** How a store fails. The messages are those of real servers (test/fixtures/influxdb-*.jsonl). */
export type StoreFault =
  | { readonly kind: 'none' }
  /** The port is closed. */
  | { readonly kind: 'refuse' }
  /** Gives this answer to writes, or to a share of them, and does not pass these on. */
  | {
      readonly kind: 'status'
      readonly status: number
      readonly body: string
      readonly headers?: Readonly<Record<string, string>>
      readonly share?: number
    }
  /** 413 to every body above this size. */
  | { readonly kind: 'too large'; readonly maxBytes: number }
  /**
   * Refuses some lines as InfluxDB 2.7 does. 400: nothing of the body is stored, and every bad line is quoted. 422: the
   * other lines are stored; the answer names only the first bad line, and counts all of them.
   */
  | { readonly kind: 'bad lines'; readonly status: 400 | 422; readonly isBad: (line: string) => boolean }
  /** Stores writes, and answers late. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** Accepts connections and requests, and never answers. */
  | { readonly kind: 'silent' }
  /** Stores writes, and closes the connection in the middle of the answer. */
  | { readonly kind: 'cut answer' }
  /** Closes the connection at the beginning of a request, and stores nothing. */
  | { readonly kind: 'cut request' }

export interface InfluxProxy {
  readonly url: string
  /** Writes received, and those that a fault affected. */
  readonly writes: number
  readonly spoiled: number
  become(fault: StoreFault): Promise<void>
  stop(): Promise<void>
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/**
 * A proxy in front of an InfluxDB 1.6 that injects faults into writes. It can act as InfluxDB 2.7: then it accepts
 * `/api/v2/write` and passes it on as `/write`.
 */
export async function startInfluxProxy(target: string, speaks: '1.6' | '2.7' = '1.6'): Promise<InfluxProxy> {
  const agent = new Agent({ keepAlive: true })
  const sockets = new Set<Socket>()
  let fault: StoreFault = { kind: 'none' }
  let [writes, spoiled] = [0, 0]
  let turn = 0

  const forward = async (incoming: IncomingMessage, body: Buffer): Promise<Answer> => {
    const url = new URL(incoming.url ?? '/', target)
    if (url.pathname === '/api/v2/write') {
      url.pathname = '/write'
      url.searchParams.set('db', url.searchParams.get('bucket') ?? '')
    }
    const answer = await send(agent, url, incoming, body)
    return speaks === '2.7' ? { ...answer, headers: { ...answer.headers, 'x-influxdb-version': 'v2.7.12' } } : answer
  }

  const refuseLines = async (
    incoming: IncomingMessage,
    body: Buffer,
    { status, isBad }: Extract<StoreFault, { kind: 'bad lines' }>,
  ): Promise<Answer> => {
    const lines = body.toString('latin1').split('\n')
    const bad = lines.filter((line) => line !== '' && isBad(line))
    const isGood = (line: string): boolean => line !== '' && !isBad(line)
    if (bad.length === 0) return forward(incoming, body)
    spoiled++
    if (status === 400) {
      const quoted = bad.map((line) => `unable to parse '${line}': invalid field format`)
      return failure(400, 'invalid', quoted.join('\n'))
    }
    const answer = await forward(incoming, Buffer.from(lines.filter(isGood).join('\n'), 'latin1'))
    if (answer.status !== 204) return answer
    const conflict = `input field "text" on measurement "${bad[0]!.split(',', 1)[0]}" is type string, already exists as type float`
    const words = `failure writing points to database: partial write: field type conflict: ${conflict} dropped=${bad.length}`
    return failure(422, 'unprocessable entity', words)
  }

  /** @returns undefined if it gives no answer */
  const answerTo = async (incoming: IncomingMessage, body: Buffer): Promise<Answer | undefined> => {
    const isWrite = incoming.method === 'POST' && /^\/(api\/v2\/)?write\?/.test(incoming.url ?? '')
    if (isWrite) writes++
    const now = fault
    if (now.kind === 'silent') {
      spoiled++
      return undefined
    }
    if (!isWrite) return forward(incoming, body)
    switch (now.kind) {
      case 'status': {
        turn += now.share ?? 1
        if (turn < 1) return forward(incoming, body)
        turn -= 1
        spoiled++
        return json(now.status, now.body, now.headers)
      }
      case 'too large':
        if (body.length <= now.maxBytes) return forward(incoming, body)
        spoiled++
        return { status: 413, headers: { 'content-type': 'text/html' }, body: Buffer.from(TOO_LARGE) }
      case 'bad lines':
        return refuseLines(incoming, body, now)
      case 'slow': {
        spoiled++
        const answer = await forward(incoming, body)
        await sleep(now.delayMs)
        return answer
      }
      case 'cut answer':
        spoiled++
        await forward(incoming, body)
        incoming.socket.write('HTTP/1.1 204 No Con', () => incoming.socket.destroy())
        return undefined
      case 'cut request':
        spoiled++
        incoming.socket.destroy()
        return undefined
      default:
        return forward(incoming, body)
    }
  }

  const server = createServer(async (incoming, response) => {
    try {
      const answer = await answerTo(incoming, await bodyOf(incoming))
      if (answer !== undefined) reply(response, answer)
    } catch {
      // The server or the client is gone. The other side sees a broken connection.
      incoming.socket.destroy()
    }
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
  })
  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  const close = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of sockets) socket.destroy()
    await closed
  }
  // Not a port that the system chooses: a fault closes the listener, which must get the same port again.
  const port = await freePort()
  await listen(port)
  return {
    url: `http://127.0.0.1:${port}`,
    get writes() {
      return writes
    },
    get spoiled() {
      return spoiled
    },
    async become(next) {
      const before = fault
      fault = next
      if (next.kind === 'refuse' && before.kind !== 'refuse') await close()
      if (next.kind !== 'refuse' && before.kind === 'refuse') await listen(port)
    },
    async stop() {
      if (server.listening) await close()
      agent.destroy()
    },
  }
}

const TOO_LARGE = '<html><head><title>413 Request Entity Too Large</title></head></html>'

function json(status: number, body: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { 'content-type': 'application/json; charset=utf-8', ...headers }, body: Buffer.from(body) }
}

/** In InfluxDB 2.7's format. */
function failure(status: number, code: string, message: string): Answer {
  const headers = { 'x-influxdb-version': 'v2.7.12', 'x-platform-error-code': code }
  return json(status, JSON.stringify({ code, message }), headers)
}

function reply(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { ...headers, ...(status === 204 ? {} : { 'content-length': `${body.length}` }) })
  response.end(status === 204 ? undefined : body)
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function send(agent: Agent, url: URL, { method, headers }: IncomingMessage, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { connection, 'transfer-encoding': chunked, ...own } = headers
    const sent = { ...own, host: url.host, ...(method === 'POST' ? { 'content-length': `${body.length}` } : {}) }
    const asked = request(url, { method, agent, headers: sent }, async (answered) => {
      try {
        const text = await bodyOf(answered)
        resolve({ status: answered.statusCode ?? 0, headers: kept(answered.headers), body: text })
      } catch (error) {
        reject(error)
      }
    })
    asked.once('error', reject)
    asked.end(body)
  })
}

/** The headers that belong to the answer, not to its connection. */
function kept(headers: IncomingHttpHeaders): Record<string, string> {
  const own = Object.entries(headers).filter(
    ([name]) => name === 'content-type' || name === 'retry-after' || name.startsWith('x-influxdb-'),
  )
  return Object.fromEntries(own.map(([name, value]) => [name, String(value)]))
}
