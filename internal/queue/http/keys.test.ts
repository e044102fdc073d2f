import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { InjectOptions } from 'fastify'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { KeyFileScene } from '../../../test/support/keys.ts'
import { silent } from '../../../test/support/live-feed.ts'
import type { App } from '../../http/app-types.ts'
import { Refusals } from '../../http/doorkeeper.ts'
import { Guard } from '../../http/guard.ts'
import type { OpenPart } from '../../http/needs.ts'
import { LogThrottle } from '../../observe/log-throttle.ts'
import { Gateway } from '../gateway.ts'
import { buildQueueServer } from './server.ts'

let file: KeyFileScene
let app: App
let gateway: Gateway
let open: OpenPart[] = []
let token: string | undefined

beforeEach(async () => {
  file = await KeyFileScene.open()
})
afterEach(async () => {
  await app.close()
  await gateway.close()
  file.close()
  ;[open, token] = [[], undefined]
})

/** It never starts: no request of these tests gets as far as Redis. */
async function openServer(): Promise<void> {
  const keys = await file.ring({ serviceToken: () => token })
  const [refusals, throttle] = [new Refusals(), new LogThrottle(silent)]
  gateway = new Gateway({
    ...{
      redis: { url: 'redis://127.0.0.1:1', password: undefined },
      topics: [],
      partitions: 1,
      maxPartitions: 1,
      maxTopics: 1,
    },
    ...{ queueSize: () => 10, visibilityMs: () => 1000, maxInFlight: () => 10, maxBytes: () => 1e6 },
    ...{ folder: await mkdtemp(join(tmpdir(), 'queue-')), name: 'gateway', epoch: 'k1', nowMs: () => Date.now() },
    ...{ logger: silent, throttle },
  })
  app = buildQueueServer({
    ...{ gateway, maxPartitions: 1, maxBodyBytes: 1000, maxConsumers: () => 1, maxConnectionsPerAddress: () => 1 },
    ...{ ready: () => [], metrics: async () => '', hosts: () => [], listensOn: '127.0.0.1', logger: silent },
    ...{ refusals, faults: throttle },
    guard: new Guard({
      ...{ keys, refusals, logger: silent, open: () => open, part: 'queue', tokenLocks: true },
      serviceScopes: ['read', 'write'],
    }),
  })
}

const [READ, WRITE, ACK]: readonly InjectOptions[] = [
  { url: '/topics' },
  { method: 'POST', url: '/produce' },
  { method: 'POST', url: '/ack' },
]
const statuses = (headers: Record<string, string>, remoteAddress = '192.0.2.1'): Promise<number[]> =>
  Promise.all(
    [READ, WRITE, ACK].map(async (asked) => (await app.inject({ ...asked, headers, remoteAddress })).statusCode),
  )
/** What passes lacks its topic. */
const [READS, WRITES, ALL, NONE, UNKNOWN] = [[200, 403, 403], [403, 400, 400], [200, 400, 400], [401, 401, 401], 401]

it('asks a key for each request, but for those of probes', async () => {
  const [reader, writer] = [await file.add('reader', ['read']), await file.add('writer', ['write'])]
  token = 'a-token-of-the-roles'
  await openServer()
  expect(await statuses({})).toEqual(NONE)
  expect(await statuses({}, '127.0.0.1')).toEqual(NONE)
  expect(await statuses({ 'x-api-key': reader })).toEqual(READS)
  expect(await statuses({ authorization: `Bearer ${writer}` })).toEqual(WRITES)
  expect(await statuses({ 'x-service-token': token })).toEqual(ALL)
  for (const url of ['/health', '/ready']) expect((await app.inject({ url })).statusCode, url).toBe(200)
  expect((await app.inject({ url: '/metrics' })).statusCode).toBe(UNKNOWN)
})

it('answers its own machine alone where there is neither key nor token', async () => {
  await openServer()
  expect(await statuses({}, '127.0.0.1')).toEqual(ALL)
  expect(await statuses({})).toEqual(NONE)
})

it('asks for the token where there is nothing else', async () => {
  token = 'a-token-of-the-roles'
  await openServer()
  expect(await statuses({}, '127.0.0.1')).toEqual(NONE)
  expect(await statuses({ 'x-service-token': token })).toEqual(ALL)
})

it('is open to everybody where that is wanted, but for its metrics', async () => {
  await file.add('reader', ['read'])
  open = ['queue']
  await openServer()
  expect(await statuses({})).toEqual(ALL)
  expect((await app.inject({ url: '/metrics' })).statusCode).toBe(UNKNOWN)
})
