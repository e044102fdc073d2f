import { createServer, type Server } from 'node:http'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { Random } from '../../../test/support/random.ts'
import type { LineBatch } from './batch.ts'
import { batchOfLines } from './lines.contract.ts'
import { InfluxTransport } from './transport.ts'
import { InfluxWriter } from './writer.ts'

const signal = new AbortController().signal
const undo: Array<() => unknown> = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

interface OddStore {
  readonly writer: InfluxWriter
  readonly stored: Set<string>
  readonly requests: () => number
  /** Which bodies get the odd answer from now on. */
  answerOddlyTo: (lines: readonly string[]) => boolean
}

/** A store that takes lines, and gives the bytes `odd` as the answer to some bodies, of which it stores nothing. */
async function startOddStore(odd: string | Buffer): Promise<OddStore> {
  const stored = new Set<string>()
  let requests = 0
  const server: Server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    requests++
    const lines = body.split('\n').filter((line) => line !== '')
    if (request.url !== '/ping' && store.answerOddlyTo(lines)) return void request.socket.end(odd)
    for (const line of lines) stored.add(line)
    response.writeHead(204, { 'x-influxdb-version': '1.6.7' }).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const transport = new InfluxTransport({ url: `http://127.0.0.1:${port}`, answerTimeoutMs: 5000 })
  const writer = new InfluxWriter({ transport, org: 'sentinel', bucket: 'telemetry' })
  undo.push(
    () => new Promise((resolve) => server.close(resolve)),
    () => server.closeAllConnections(),
    () => writer.close(),
  )
  const store: OddStore = { writer, stored, requests: () => requests, answerOddlyTo: hasPoison }
  return store
}

const good = (n: number): string => `m,host=a v=${n} ${1_795_400_000_000_000_000n + BigInt(n)}`
const poison = (n: number): string => good(n).replace(' v=', ' poison=')
const hasPoison = (lines: readonly string[]): boolean => lines.some((line) => line.includes(' poison='))
const manyLines = (count: number, poisoned: readonly number[] = []): string[] =>
  Array.from({ length: count }, (_, n) => (poisoned.includes(n) ? poison(n) : good(n)))

const head = (status: string, ...headers: string[]): string => `HTTP/1.1 ${[status, ...headers].join('\r\n')}\r\n\r\n`
const zipped = gzipSync('{"error":"unable to parse"}')

const ODD: Array<[name: string, answer: string | Buffer]> = [
  ['a header with a NUL in its name', head('400 Bad Request', 'X-Influx\0db: x', 'Content-Length: 0')],
  ['a header of 5 MiB', head('400 Bad Request', `X-Influxdb-Error: ${'x'.repeat(5 << 20)}`, 'Content-Length: 0')],
  ['a chunk without a size', `${head('400 Bad Request', 'Transfer-Encoding: chunked')}nonsense\r\n`],
  ['an end before the last chunk', `${head('400 Bad Request', 'Transfer-Encoding: chunked')}5\r\nhello\r\n`],
  ['a body that ends early', `${head('400 Bad Request', 'Content-Length: 100')}{"error":`],
  ['two lengths', head('400 Bad Request', 'Content-Length: 1', 'Content-Length: 2')],
  ['a length that is no number', head('400 Bad Request', 'Content-Length: many')],
  ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ['a web page', `${head('400 Bad Request', 'Content-Length: 15')}<html>no</html>`],
  ['no words', head('400 Bad Request', 'Content-Length: 0')],
  ['a damaged gzip body', Buffer.concat([Buffer.from(head('400 Bad Request', 'Content-Encoding: gzip', `Content-Length: ${zipped.length - 9}`)), zipped.subarray(5, -4)])], // biome-ignore format: one line per case
  ['a web page under 200', `${head('200 OK', 'Content-Length: 15')}<html>no</html>`],
  ['403 of a firewall', `${head('403 Forbidden', 'Content-Length: 15')}<html>no</html>`],
]

/** The results of writes until the ack, and the rejected lines. */
async function writeUntilTaken({ writer }: OddStore, batch: LineBatch, most = 6): Promise<string[]> {
  for (let write = 0; write < most; write++) {
    const result = await writer.write(batch, signal)
    if (result.next === 'ack') return result.rejected.map(({ line }) => line)
  }
  throw new Error('not taken')
}

describe.each(ODD)('%s as the answer', (_name, odd) => {
  it('to one line: that line is rejected, and all others are stored', async () => {
    const store = await startOddStore(odd)
    const lines = manyLines(300, [17, 211])
    expect(await writeUntilTaken(store, batchOfLines(lines))).toEqual([poison(17), poison(211)])
    expect(store.stored).toEqual(new Set(lines.filter((_, n) => n !== 17 && n !== 211)))
  })

  it('to a line alone in its batch: it is rejected after the store has taken another batch', async () => {
    const store = await startOddStore(odd)
    const batch = batchOfLines([poison(1)])
    const words: string[] = []
    for (let i = 0; i < 4; i++) words.push((await store.writer.write(batch, signal)).next)
    expect(words.at(-1)).toBe('postpone')
    expect(await store.writer.write(batchOfLines([good(2)]), signal)).toEqual({ next: 'ack', rejected: [] })
    expect(await writeUntilTaken(store, batch, 1)).toEqual([poison(1)])
  })

  it('to everything: nothing is rejected, and all is stored when that is over', async () => {
    const store = await startOddStore(odd)
    store.answerOddlyTo = () => true
    const lines = manyLines(300)
    const batch = batchOfLines(lines)
    for (let i = 0; i < 5; i++) {
      const result = await store.writer.write(batch, signal)
      expect(['retry', 'wait']).toContain(result.next)
    }
    store.answerOddlyTo = () => false
    expect(await writeUntilTaken(store, batch)).toEqual([])
    expect(store.stored).toEqual(new Set(lines))
  })

  // Hundreds of answers of 5 MiB would take a core for 14 s. That such an answer cannot be read, the tests above show.
  if (odd.length > 1 << 20) return

  it('to everything but an empty body: nothing is rejected, with few requests', async () => {
    const store = await startOddStore(odd)
    store.answerOddlyTo = (lines) => lines.length > 0
    const batch = batchOfLines(manyLines(300))
    for (let i = 0; i < 4; i++) expect(await store.writer.write(batch, signal)).not.toHaveProperty('rejected')
    expect(store.requests()).toBeLessThan(4 * 120)
  })

  it('of one of three servers behind the address: nothing is rejected', async () => {
    const store = await startOddStore(odd)
    const random = new Random(1, 0)
    store.answerOddlyTo = () => random.below(3) === 0
    for (let n = 0; n < 20; n++) expect(await writeUntilTaken(store, batchOfLines([good(n)]), 50)).toEqual([])
    expect(store.stored.size).toBe(20)
  })
})

it('many lines at fault: each is rejected, and none keeps the batch from its end', async () => {
  const store = await startOddStore(head('400 Bad Request', 'X-Influx\0db: x'))
  await store.writer.write(batchOfLines([good(9999)]), signal)
  const poisoned = Array.from({ length: 100 }, (_, n) => n + 20)
  const lines = manyLines(130, poisoned)
  expect(await writeUntilTaken(store, batchOfLines(lines), 1)).toEqual(poisoned.map(poison))
  expect(store.stored.size).toBe(31)
})
