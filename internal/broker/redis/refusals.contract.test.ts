import { type AddressInfo, createServer, type Socket } from 'node:net'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type RedisScene, startRedisScene } from '../../../test/support/redis-brokers.ts'
import { freePort, startRedisCluster, until } from '../../../test/support/servers.ts'
import { receiver, texts } from '../broker.contract.ts'
import type { Broker } from '../broker.ts'

let scene: RedisScene

beforeAll(async () => {
  // An RDB file that cannot be written makes Redis refuse writes, and only a Redis with a schedule of saves does.
  scene = await startRedisScene(['--enable-protected-configs', 'yes', '--save', '3600', '1000000'])
})

afterEach(() => scene.closeBrokers())

afterAll(() => scene.stop())

function open(kind: 'pubsub' | 'streams'): Promise<Broker> {
  const redis = { url: scene.server.url, pingIntervalMs: 200 }
  return scene.open(kind, { redis, uses: ['publish', 'consume', 'announce', 'watch'] })
}

/** Makes Redis refuse writes, and the undo. */
const STATES: ReadonlyArray<readonly [reply: string, words: RegExp, make: () => unknown, undo: () => unknown]> = [
  [
    'OOM',
    /is full: OOM .*raise maxmemory of Redis/,
    () => scene.admin.config('SET', 'maxmemory', '1', 'maxmemory-policy', 'noeviction'),
    () => scene.admin.config('SET', 'maxmemory', '0'),
  ],
  [
    'MISCONF',
    /cannot save its data: is its disk full\?/,
    async () => {
      await scene.admin.config('SET', 'dir', '/proc')
      await scene.admin.bgsave()
      await until('the save has failed', async () => (await scene.admin.info()).includes('rdb_last_bgsave_status:err'))
    },
    () => scene.admin.config('SET', 'stop-writes-on-bgsave-error', 'no', 'dir', '/tmp'),
  ],
  [
    'NOREPLICAS',
    /too few replicas are connected: see min-replicas-to-write/,
    () => scene.admin.config('SET', 'min-replicas-to-write', '1'),
    () => scene.admin.config('SET', 'min-replicas-to-write', '0'),
  ],
  [
    'WRONGTYPE',
    /another program uses/,
    async () => {
      await scene.empty()
      for (const partition of [0, 1, 2, 3]) await scene.admin.set(`queue:{telemetry:${partition}}`, 'x')
    },
    () => scene.empty(),
  ],
]

describe('a Redis that refuses writes', () => {
  it.each(STATES)(
    'with %s: says why, keeps the connection, and takes them again later',
    async (_reply, words, make, undo) => {
      await scene.empty()
      const broker = await open('streams')
      const received = receiver()
      await broker.subscribe(received.handler)
      await make()
      try {
        await expect(broker.publish('key', Buffer.from('x'))).rejects.toMatchObject({ kind: 'not_sent' })
        expect(broker.health()).toEqual({ connected: false, problem: expect.stringMatching(words) })
      } finally {
        await undo()
      }
      await until('nothing is refused', () => broker.health().connected)
      expect(await broker.publish('key', Buffer.from('after'))).toBe(1)
      await until('it has arrived', () => texts(received).includes('after'))
    },
  )
})

describe('a message', () => {
  // A real Redis closes the connection as well, so that its answer may be lost: then the message is sent again.
  it.each([
    ['pubsub', 'PUBLISH'],
    ['streams', 'XADD'],
  ] as const)('that %s can never take is refused, and says nothing of the connection', async (kind, command) => {
    const answer = '-ERR Protocol error: invalid bulk length\r\n'
    const url = await startFake((sent) => (sent === command ? answer : undefined))
    const broker = await scene.open(kind, { redis: { url } })
    await expect(broker.publish('key', Buffer.from('x'))).rejects.toMatchObject({ kind: 'refused' })
    expect(broker.health()).toEqual({ connected: true, problem: '' })
  })

  it.each([
    ['pubsub', 'PUBLISH', ':1\r\n'],
    ['streams', 'XADD', '$3\r\n1-1\r\n'],
  ] as const)('of %s that a proxy refuses for a while is kept', async (kind, command, taken) => {
    let answer = '-ERR Connection timed out\r\n'
    const url = await startFake((sent) => (sent === command ? answer : undefined))
    const logged: string[] = []
    const logger = pino({}, { write: (line) => logged.push(line) })
    const broker = await scene.open(kind, { redis: { url }, logger })
    for (let i = 0; i < 100; i++) {
      await expect(broker.publish('key', Buffer.from('x'))).rejects.toMatchObject({ kind: 'not_sent' })
    }
    expect(broker.health().problem).toMatch(/^Redis at .* answers: ERR Connection timed out: it is tried again$/)
    await until('it is logged', () => logged.length > 0)
    expect(logged).toHaveLength(1)
    answer = taken
    expect(await broker.publish('key', Buffer.from('x'))).toBe(1)
    expect(broker.health()).toEqual({ connected: true, problem: '' })
  })
})

describe('a server that cannot be the broker', () => {
  it.each(['pubsub', 'streams'] as const)('is refused by %s at the start: a node of a cluster', async (kind) => {
    const nodes = await startRedisCluster()
    onTestFinished(async () => void (await Promise.all(nodes.map((node) => node.stop()))))
    for (const node of nodes) {
      const opening = scene.open(kind, { redis: { url: node.url } })
      await expect(opening).rejects.toMatchObject({
        name: 'BrokerError',
        kind: 'refused',
        message: expect.stringMatching(/^Redis at .* is a node of a Redis Cluster, which is not supported/),
      })
    }
  })

  it('is refused at the start: a Redis Sentinel', async () => {
    // As a Redis Sentinel 7.0 answers; a real one needs a configuration file that it may write.
    const url = await startFake((sent) => (sent === 'HELLO' ? hello({ mode: 'sentinel' }) : undefined))
    await expect(scene.open('pubsub', { redis: { url } })).rejects.toMatchObject({
      message: expect.stringMatching(/is a Redis Sentinel, which carries no messages: put the address of the master/),
    })
  })

  it('is waited out when it comes later', async () => {
    const port = await freePort()
    const broker = await scene.open('pubsub', { redis: { url: `redis://127.0.0.1:${port}` } })
    let mode = 'cluster'
    const fake = await startFake((sent) => (sent === 'HELLO' ? hello({ mode, role: 'master' }) : undefined), port)
    await until('it is known', () => broker.health().problem.includes('is a node of a Redis Cluster'))
    await expect(broker.publish('key', Buffer.from('x'))).rejects.toMatchObject({ kind: 'not_sent' })
    mode = 'standalone'
    await until('it is connected', () => broker.health().connected)
    expect(fake).toContain(`:${port}`)
  })
})

function hello(answer: Readonly<Record<string, string>>): string {
  const fields = Object.entries({ server: 'redis', ...answer }).flat()
  return `*${fields.length}\r\n${fields.map((field) => `$${field.length}\r\n${field}\r\n`).join('')}`
}

/**
 * A server that answers every command with OK, unless told otherwise, and HELLO as a proxy that does not know it.
 *
 * @returns its URL
 */
async function startFake(answerTo: (command: string) => string | undefined, port = 0): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      for (const [, command] of chunk.toString().matchAll(/\*\d+\r\n\$\d+\r\n(\w+)/g)) {
        const name = command!.toUpperCase()
        socket.write(answerTo(name) ?? (name === 'HELLO' ? "-ERR unknown command 'HELLO'\r\n" : '+OK\r\n'))
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return `redis://127.0.0.1:${(server.address() as AddressInfo).port}`
}
