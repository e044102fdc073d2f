// What a queue over HTTP costs at least: a server of node:http that does an XADD for each POST /produce, an XACK for each POST /ack, and
// writes what XREADGROUP brings to each GET /consume. It checks nothing, keeps nothing and trims nothing. Prints its port.
//
//   node bare-queue-process.mjs <port of Redis>
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Redis } from 'ioredis'

type Reply = Array<[key: string, entries: Array<[id: string, fields: string[]]>]> | null

const redisPort = Number(process.argv[2])
const redis = new Redis(redisPort)

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url!, 'http://bare')
  const key = `bare:{${searchParams.get('topic')}:${searchParams.get('partition')}}`
  const group = searchParams.get('group') ?? ''
  const work =
    pathname === '/produce'
      ? produce(request, response, key)
      : pathname === '/ack'
        ? ack(request, response, key, group)
        : consume(response, key, group)
  work.catch((error: unknown) => response.destroy(error as Error))
}).listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))

async function produce(request: IncomingMessage, response: ServerResponse, key: string): Promise<void> {
  answer(response, JSON.stringify({ id: await redis.xadd(key, '*', 'd', await bodyOf(request)) }))
}

async function ack(request: IncomingMessage, response: ServerResponse, key: string, group: string): Promise<void> {
  const { id } = JSON.parse((await bodyOf(request)).toString()) as { id: string }
  await redis.xack(key, group, id)
  answer(response, 'ok')
}

async function consume(response: ServerResponse, key: string, group: string): Promise<void> {
  const reader = new Redis(redisPort)
  await reader.xgroup('CREATE', key, group, '0', 'MKSTREAM').catch(() => {})
  response.writeHead(200, { 'Content-Type': 'text/event-stream' })
  while (!response.destroyed) {
    const args = ['GROUP', group, 'bare', 'COUNT', 100, 'BLOCK', 250, 'STREAMS', key, '>'] as const
    const [stream] = ((await reader.call('XREADGROUP', ...args)) as Reply) ?? []
    for (const [id, [, payload]] of stream?.[1] ?? []) {
      response.write(`id: ${id}\ndata: ${JSON.stringify({ id, payload })}\n\n`)
    }
  }
  reader.disconnect()
}

function answer(response: ServerResponse, body: string): void {
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) })
  response.end(body)
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
