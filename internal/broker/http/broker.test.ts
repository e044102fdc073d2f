import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { BrokerError } from '../broker.ts'
import { HttpBroker } from './broker.ts'

interface Asked {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly body: Buffer
  readonly token: string | string[] | undefined
}

type Reply = (response: ServerResponse, request: IncomingMessage) => void

const QUICK = { pauseMs: 1, timeoutMs: 5000, serviceToken: () => 'a-token-of-the-roles' }
const opened: Array<() => void> = []
afterEach(() => {
  for (const close of opened.splice(0)) close()
})

const ok: Reply = (response) => response.end('{"id":"0-1-0"}')
const status =
  (code: number): Reply =>
  (response) => {
    response.statusCode = code
    response.end(JSON.stringify({ detail: `because ${code}` }))
  }
const hangUp: Reply = (_response, request) => request.socket.destroy()

/** A gateway that replies in these ways, one after the other. */
async function gateway(...replies: Reply[]): Promise<{ readonly broker: HttpBroker; readonly asked: Asked[] }> {
  const asked: Asked[] = []
  const server: Server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const token = request.headers['x-service-token']
    asked.push({ method: request.method, url: request.url, body: Buffer.concat(chunks), token })
    const reply = replies[asked.length - 1] ?? ok
    reply(response, request)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const broker = new HttpBroker({ url: `http://127.0.0.1:${port}`, topic: 'telemetry', ...QUICK })
  opened.push(() => {
    void broker.close()
    server.closeAllConnections()
    server.close()
  })
  return { broker, asked }
}

describe('a broker that is a gateway of the queue', () => {
  it('posts the bytes of a message under its key', async () => {
    const { broker, asked } = await gateway()
    const payload = Buffer.from([0, 255, 10])
    expect(await broker.publish('web 01/agent/1', payload)).toBe(1)
    const url = '/produce?topic=telemetry&key=web+01%2Fagent%2F1'
    expect(asked).toEqual([{ method: 'POST', url, body: payload, token: 'a-token-of-the-roles' }])
    expect(broker.health()).toEqual({ connected: true, problem: '' })
  })

  it('keeps the order of messages that are published at once', async () => {
    const { broker, asked } = await gateway()
    await Promise.all(Array.from({ length: 50 }, (_, i) => broker.publish('k', Buffer.from(`${i}`))))
    expect(asked.map(({ body }) => body.toString())).toEqual(Array.from({ length: 50 }, (_, i) => `${i}`))
  })

  it.each([
    ['503', [status(503), ok], 2],
    ['507', [status(507), status(507), ok], 3],
    ['429', [status(429), ok], 2],
    ['a connection that ends', [hangUp, hangUp, ok], 3],
  ])('tries again after %s', async (_name, replies, tries) => {
    const { broker, asked } = await gateway(...replies)
    expect(await broker.publish('k', Buffer.from('x'))).toBe(1)
    expect(asked).toHaveLength(tries)
    expect(broker.health().connected).toBe(true)
  })

  it.each([
    ['503 three times', [status(503), status(503), status(503)], 3, 'not_sent', 'answers 503: because 503'],
    ['507 three times', [status(507), status(507), status(507)], 3, 'not_sent', 'answers 507: because 507'],
    ['three ends', [hangUp, hangUp, hangUp], 3, 'unknown', 'does not answer: ECONNRESET'],
    ['400', [status(400)], 1, 'not_sent', 'answers 400: because 400'],
    ['421', [status(421)], 1, 'not_sent', 'answers 421: because 421'],
    ['413', [status(413)], 1, 'refused', 'answers 413: because 413'],
  ])('gives up after %s', async (_name, replies, tries, kind, words) => {
    const { broker, asked } = await gateway(...replies)
    const failure = await broker.publish('k', Buffer.from('x')).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(BrokerError)
    expect(failure).toMatchObject({ kind, message: expect.stringContaining(words) })
    expect(asked).toHaveLength(tries)
    if (kind !== 'refused')
      expect(broker.health()).toMatchObject({ connected: false, problem: expect.stringContaining(words) })
    expect(await broker.publish('k', Buffer.from('y'))).toBe(1)
    expect(broker.health().connected).toBe(true)
  })

  it('shows no password', async () => {
    const broker = new HttpBroker({ url: 'http://agent:hunter2@127.0.0.1:9', topic: 'telemetry', pauseMs: 1 })
    const failure = (await broker.publish('k', Buffer.from('x')).catch((error: unknown) => error)) as Error
    expect(failure.message).toContain('127.0.0.1:9')
    expect(failure.message + broker.health().problem).not.toContain('hunter2')
  })

  it('says that nothing listens there, and that the message was not sent', async () => {
    const broker = new HttpBroker({ url: 'http://127.0.0.1:9', topic: 'telemetry', pauseMs: 1 })
    await expect(broker.publish('k', Buffer.from('x'))).rejects.toMatchObject({
      ...{ kind: 'not_sent', message: expect.stringContaining('ECONNREFUSED') },
    })
  })

  it('gives up what is under way when it is closed', async () => {
    const { broker } = await gateway(() => {})
    const published = broker.publish('k', Buffer.from('x')).catch((error: unknown) => error)
    await broker.close()
    expect(await published).toBeInstanceOf(BrokerError)
  })

  it('does nothing else', async () => {
    const { broker } = await gateway()
    await expect(broker.subscribe()).rejects.toThrow(BrokerError)
    await expect(broker.live.recall()).rejects.toThrow(BrokerError)
    await expect(broker.snapshots.newest('a', 'b')).rejects.toThrow(BrokerError)
  })
})
