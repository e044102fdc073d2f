import { createServer } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type RedisScene, startRedisScene } from '../../../test/support/redis-brokers.ts'
import { freePort, until } from '../../../test/support/servers.ts'
import { receiver, texts } from '../broker.contract.ts'
import { type Broker, BrokerError, LIVE_KEPT_MS } from '../broker.ts'

let scene: RedisScene

beforeAll(async () => {
  scene = await startRedisScene()
})

afterEach(() => scene.closeBrokers())

afterAll(() => scene.stop())

/** The names of our connections, as Redis lists them. */
async function clients(): Promise<string[]> {
  const list = (await scene.admin.client('LIST')) as string
  return [...list.matchAll(/ name=(sentinel:\S+)/g)].map(([, name]) => name!)
}

/** Kills Redis for the time of `work`, and starts it again even when `work` fails. */
async function withoutRedis(work: () => Promise<void>): Promise<void> {
  await scene.server.halt('SIGKILL')
  try {
    await work()
  } finally {
    await scene.server.start()
  }
}

/** Freezes Redis for the time of `work`: connections stay open, and nothing comes back on them. */
async function withFrozenRedis(work: () => Promise<void>): Promise<void> {
  process.kill(scene.server.pid, 'SIGSTOP')
  try {
    await work()
  } finally {
    process.kill(scene.server.pid, 'SIGCONT')
  }
}

describe.each(['pubsub', 'streams'] as const)('%s on Redis', (kind) => {
  it('leaves no connection behind', async () => {
    await scene.empty()
    await until('those of the test before are gone', async () => (await clients()).length === 0)
    const broker = await scene.open(kind)
    await broker.subscribe(() => {})
    const leave = await broker.live.subscribe(() => {})
    await broker.live.subscribe(() => {})
    const own = kind === 'pubsub' ? ['metrics'] : ['queue']
    expect((await clients()).sort()).toEqual(['commands', 'live', 'live', ...own].map((name) => `sentinel:${name}`))
    await leave()
    await broker.close()
    await until('all connections are gone', async () => (await clients()).length === 0)
  })

  it('heals by itself when Redis was away', async () => {
    await scene.empty()
    const broker = await scene.open(kind)
    const received = receiver()
    const live: string[] = []
    await broker.subscribe(received.handler)
    await broker.live.subscribe((payload) => live.push(payload.toString()))
    await broker.publish('key', Buffer.from('before'))
    await until('the first has arrived', () => received.payloads.length === 1)

    await withoutRedis(async () => {
      // Each connection notices the end by itself. Until the publishing one has, a message may have left.
      await until('a message is known not to be sent', async () => {
        const error = await broker.publish('key', Buffer.from('lost')).catch((refusal: unknown) => refusal)
        expect(error).toBeInstanceOf(BrokerError)
        return (error as BrokerError).kind === 'not_sent'
      })
      broker.live.publish(Buffer.from('lost'), [{ key: 'k', payload: Buffer.from('lost'), ageMs: 0 }])
      await until('the live message is counted', () => broker.stats.liveDropped > 0)
      expect(broker.stats.liveDropped).toBe(1)
      await until('the log can say why', () => broker.health().problem.includes('refuses the connection'))
    })
    await until('it is connected again', () => broker.health().connected)
    await broker.publish('key', Buffer.from('after'))
    await until('the last has arrived', () => texts(received).includes('after'))
    await until('the live feed is heard again', () => {
      broker.live.publish(Buffer.from('after'), [])
      return live.includes('after')
    })
    expect(texts(received)).toEqual(['before', 'after'])
    expect(received.ids).toEqual([1, 2])
    expect(broker.stats.reconnects).toBeGreaterThanOrEqual(2)
  })

  it('heals when each connection was accepted and closed at once, as by a proxy without a server', async () => {
    await scene.empty()
    const broker = await scene.open(kind)
    const received = receiver()
    await broker.subscribe(received.handler)
    await withoutRedis(async () => {
      let taken = 0
      const closer = createServer((socket) => {
        taken++
        socket.destroy()
      })
      await new Promise<void>((resolve) => closer.listen(scene.server.port, '127.0.0.1', resolve))
      await until('each connection was closed some times', () => taken >= 20)
      await new Promise((resolve) => closer.close(resolve))
    })
    await until('it is connected again', () => broker.health().connected)
    await broker.publish('key', Buffer.from('after'))
    await until('the last has arrived', () => texts(received).includes('after'))
  })

  it('replaces a connection on which no answer comes', async () => {
    await scene.empty()
    const broker = await scene.open(kind, { redis: { url: scene.server.url, pingIntervalMs: 500 } })
    const received = receiver()
    await broker.subscribe(received.handler)
    await withFrozenRedis(async () => {
      const unanswered = broker.publish('key', Buffer.from('unanswered')).catch((error: unknown) => error)
      expect(await unanswered).toMatchObject({ name: 'BrokerError', kind: 'unknown' })
      await until('it is known to be away', () => !broker.health().connected)
    })
    await until('it is connected again', () => broker.health().connected)
    // A subscriber that had not noticed follows the connection for commands, and hears nothing for that moment.
    await until('it is taken', async () => (await broker.publish('key', Buffer.from('after')).catch(() => 0)) > 0)
    await until('the last has arrived', () => texts(received).includes('after'))
  })

  it('waits with its subscription while Redis is away, until it is closed', async () => {
    await withoutRedis(async () => {
      const broker = await scene.open(kind)
      const waits = broker.subscribe(() => {}).catch((error: unknown) => error)
      await broker.close()
      expect(await waits).toMatchObject({ name: 'BrokerError' })
    })
  })

  it('says what is wrong, and never the password', async () => {
    const closed = await freePort()
    const cases: Array<[string, RegExp]> = [
      [`redis://127.0.0.1:${closed}`, new RegExp(`^Redis at redis://127.0.0.1:${closed} refuses the connection`)],
      [`rediss://:geheim@127.0.0.1:${scene.server.port}`, /does not complete a TLS handshake/],
      [`redis://no-such-host.invalid:6379`, /name is not known/],
    ]
    for (const [url, want] of cases) {
      const broker = await scene.open(kind, { redis: { url } })
      expect(broker.health()).toEqual({ connected: false, problem: expect.stringMatching(want) })
      expect(broker.health().problem).not.toContain('geheim')
    }
    await expect(scene.open(kind, { redis: { url: 'http://u:geheim@h' } })).rejects.toThrow(
      /^http:\/\/\*\*\*@h is not a Redis URL/,
    )
  })

  it('authenticates, and says when it cannot', async () => {
    await scene.admin.config('SET', 'requirepass', 's3cret@/')
    try {
      const open = (url: string, password?: string): Promise<Broker> => scene.open(kind, { redis: { url, password } })
      const { port } = scene.server
      const none = await open(`redis://127.0.0.1:${port}`)
      expect(none.health().problem).toMatch(
        /NOAUTH.*put the password into REDIS_URL, or name its file in REDIS_PASSWORD_FILE/,
      )
      await expect(none.publish('k', Buffer.from('x'))).rejects.toMatchObject({ kind: 'not_sent' })
      const wrong = await open(`redis://:guessed@127.0.0.1:${port}`)
      expect(wrong.health().problem).toMatch(/refuses the user or the password/)
      expect(wrong.health().problem).not.toContain('guessed')
      const inUrl = await open(`redis://default:${encodeURIComponent('s3cret@/')}@127.0.0.1:${port}`)
      expect(inUrl.health().connected).toBe(true)
      const inFile = await open(`redis://:old@127.0.0.1:${port}`, 's3cret@/')
      expect(inFile.health().connected).toBe(true)
    } finally {
      await scene.admin.config('SET', 'requirepass', '')
    }
  })

  it('keeps live values for a day', async () => {
    await scene.empty()
    const broker = await scene.open(kind)
    const stale = Buffer.alloc(9)
    stale.writeDoubleBE(Date.now() - LIVE_KEPT_MS - 1000)
    await scene.admin.hset('live:latest', 'stale', stale, 'torn', 'x')
    broker.live.publish(Buffer.from('x'), [{ key: 'fresh', payload: Buffer.from('fresh'), ageMs: 0 }])
    await until('it is kept', async () => (await broker.live.recall()).length > 0)
    expect((await broker.live.recall()).map(({ payload }) => String(payload))).toEqual(['fresh'])
    const hourOld = Buffer.from('12345678hour old')
    hourOld.writeDoubleBE(Date.now() - 3_600_000)
    await scene.admin.hset('live:latest', 'hour old', hourOld)
    const ages = (await broker.live.recall()).map(({ ageMs }) => Math.floor(ageMs / 3_600_000))
    expect(ages.toSorted()).toEqual([0, 1])
    expect(await scene.admin.pttl('live:latest')).toBeGreaterThan(LIVE_KEPT_MS - 60_000)
  })
})
