import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { LogThrottle } from '../observe/log-throttle.ts'
import { Push } from './push.ts'
import { type Snapshot, SnapshotWriter } from './snapshot.ts'
import { SwitchProfile } from './switch.ts'

interface Received {
  readonly method: string | undefined
  readonly headers: IncomingMessage['headers']
  readonly text: string
}

let intake: Server
let received: Received[]
/** What the intake does with a request that it has read. */
let answer: (response: ServerResponse, count: number) => void
let lines: string[]
let push: Push
let writer: SnapshotWriter

const QUICK = { pauses: { firstMs: 5, largestMs: 20 }, serviceToken: () => 'a-token-of-the-roles' }

beforeEach(async () => {
  ;[received, lines] = [[], []]
  intake = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    received.push({ method: request.method, headers: request.headers, text })
    answer(response, received.length)
  })
  intake.listen(0, '127.0.0.1')
  await once(intake, 'listening')
  const url = new URL(
    `http://who:secret@127.0.0.1:${(intake.address() as AddressInfo).port}/telemetry/counters?fabric=a`,
  )
  const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
  push = new Push({ url, throttle: new LogThrottle(logger), ...QUICK })
  writer = new SnapshotWriter(new SwitchProfile({ switches: 20, intervalMs: 10_000, seed: 1 }))
})
afterEach(async () => {
  await push.close()
  intake.closeAllConnections()
  await new Promise((resolve) => intake.close(resolve))
})

const next = (): Promise<Snapshot> => writer.write(1.7e15)
const textOf = ({ body }: Snapshot): string => `${Buffer.concat(body.pieces)}`
const accept = (response: ServerResponse): void => void response.writeHead(202).end()

it('sends each snapshot whole, with its length, and is content with 202', async () => {
  answer = accept
  const snapshots = [await next(), await next()]
  for (const [i, snapshot] of snapshots.entries()) {
    push.offer(snapshot)
    await expect.poll(() => push.stats.accepted).toBe(i + 1)
  }
  expect(received.map(({ text }) => text)).toEqual(snapshots.map(textOf))
  expect(received[0]).toMatchObject({
    method: 'POST',
    headers: {
      'content-type': 'text/csv; charset=utf-8',
      'content-length': `${snapshots[0]!.body.bytes}`,
      'x-service-token': 'a-token-of-the-roles',
      authorization: `Basic ${Buffer.from('who:secret').toString('base64')}`,
    },
  })
  expect([push.problem, lines]).toEqual(['', []])
})

it.each([
  [200, 'answers 200 to a snapshot, and not 202: why'],
  [404, 'answers 404 to a snapshot, and not 202: why'],
  [503, 'answers 503 to a snapshot, and not 202: why'],
])('tries again after %i, and says so', async (status, words) => {
  answer = (response, count) => (count < 3 ? void response.writeHead(status).end('why\n') : accept(response))
  push.offer(await next())
  await expect.poll(() => push.stats).toEqual({ accepted: 1, refused: 2, unanswered: 0, replaced: 0 })
  expect(push.problem).toBe('')
  expect(new Set(received.map(({ text }) => text)).size).toBe(1)
  // One line, whatever the tries; the rest is counted.
  expect(lines).toHaveLength(1)
  expect(lines[0]).toContain(words)
  expect(lines[0]).not.toContain('secret')
})

it('tries again where the connection ends without an answer', async () => {
  answer = (response, count) => (count === 1 ? response.destroy() : accept(response))
  push.offer(await next())
  await expect.poll(() => push.stats).toEqual({ accepted: 1, refused: 0, unanswered: 1, replaced: 0 })
  expect(lines[0]).toContain('does not answer: ')
})

it('keeps only the newest while the intake takes none', async () => {
  let isOpen = false
  answer = (response) => (isOpen ? accept(response) : void response.writeHead(503).end())
  const snapshots = [await next(), await next(), await next(), await next()]
  for (const snapshot of snapshots) {
    const tried = received.length
    push.offer(snapshot)
    await expect.poll(() => received.length).toBeGreaterThan(tried)
  }
  isOpen = true
  await expect.poll(() => push.stats.accepted).toBe(1)
  expect(push.stats.replaced).toBe(3)
  expect(received.at(-1)?.text).toBe(textOf(snapshots[3]!))
})

it('takes the answer of an intake that does not read all', async () => {
  const large = new SnapshotWriter(new SwitchProfile({ switches: 100_000, intervalMs: 10_000, seed: 1 }))
  intake.removeAllListeners('request')
  intake.on('request', (_request, response: ServerResponse) => {
    response.writeHead(413, { connection: 'close' }).end('too large')
  })
  push.offer(await large.write(1.7e15))
  await expect.poll(() => push.stats.refused + push.stats.unanswered).toBeGreaterThan(0)
  expect(push.problem).not.toBe('')
})

it('a stop waits for no intake', async () => {
  answer = () => {}
  push.offer(await next())
  await expect.poll(() => received.length).toBe(1)
  await push.close()
  push.offer(await next())
  await push.close()
  expect(received).toHaveLength(1)
  expect(lines).toEqual([])
})
