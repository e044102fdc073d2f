import { createServer } from 'node:net'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { freePort, sleep, startRedis, type TestServer, until } from '../../../test/support/servers.ts'
import { startTcpProxy } from '../../../test/support/tcp-proxy.ts'
import { describeBroker, receiver, texts } from '../broker.contract.ts'
import { type Broker, BrokerError, LIVE_KEPT_MS } from '../broker.ts'
import { type BrokerOptions, openBroker } from '../open.ts'
import { StreamsBroker, type StreamsOptions } from './broker.ts'
import { streamKeys } from './names.ts'

const logger = pino({ level: 'silent' })
const GROUP = 'sentinel'

let server: TestServer
let admin: Redis
const opened: Broker[] = []

beforeAll(async () => {
  server = await startRedis()
  admin = new Redis(server.port, { retryStrategy: () => 50, maxRetriesPerRequest: null })
  admin.on('error', () => {})
})

afterEach(async () => {
  for (const broker of opened.splice(0)) await broker.close()
})

afterAll(async () => {
  admin.disconnect()
  await server.stop()
})

async function open(kind: 'pubsub' | 'streams', options: Partial<StreamsOptions> = {}): Promise<Broker> {
  const redis = { url: server.url }
  const broker = await openBroker({ kind, redis, logger, consumer: 'server-1', ...options } as BrokerOptions)
  opened.push(broker)
  return broker
}

async function pending(): Promise<number> {
  let total = 0
  for (const key of streamKeys('telemetry', 4)) total += Number((await admin.xpending(key, GROUP))[0])
  return total
}

/** How often Redis was told a command since it began. */
async function calls(command: string): Promise<number> {
  const stats = await admin.info('commandstats')
  return Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(stats)?.[1] ?? 0)
}

async function clients(): Promise<string[]> {
  const list = (await admin.client('LIST')) as string
  return [...list.matchAll(/ name=(sentinel:\S+)/g)].map(([, name]) => name!)
}

async function empty(): Promise<void> {
  await admin.flushall()
}

/** Ends Redis for the time of `work`. Whatever goes wrong in it, the next test finds one that runs. */
async function withoutRedis(work: () => Promise<void>): Promise<void> {
  await server.halt('SIGKILL')
  try {
    await work()
  } finally {
    await server.start()
  }
}

/** Stops Redis in its tracks for the time of `work`: connections stand, and nothing comes back on them. */
async function withFrozenRedis(work: () => Promise<void>): Promise<void> {
  process.kill(server.pid, 'SIGSTOP')
  try {
    await work()
  } finally {
    process.kill(server.pid, 'SIGCONT')
  }
}

describeBroker({
  name: 'pubsub',
  whilePaused: 'nobody listens',
  keepsUnacked: false,
  tellsWhenNobodyListens: true,
  open: () => open('pubsub'),
  empty,
})

describeBroker({
  name: 'streams',
  whilePaused: 'is kept',
  keepsUnacked: true,
  tellsWhenNobodyListens: false,
  open: () => open('streams'),
  empty,
})

describe.each(['pubsub', 'streams'] as const)('%s on Redis', (kind) => {
  it('leaves no connection behind', async () => {
    await empty()
    await until('those of the test before are gone', async () => (await clients()).length === 0)
    const broker = await open(kind)
    await broker.subscribe(() => {})
    const leave = await broker.live.subscribe(() => {})
    await broker.live.subscribe(() => {})
    const own = kind === 'pubsub' ? ['metrics'] : ['queue:0', 'queue:1', 'queue:2', 'queue:3']
    expect((await clients()).sort()).toEqual(['commands', 'live', 'live', ...own].map((name) => `sentinel:${name}`))
    await leave()
    await broker.close()
    await until('all connections are gone', async () => (await clients()).length === 0)
  })

  it('heals by itself when Redis was away', async () => {
    await empty()
    const broker = await open(kind)
    const received = receiver()
    const live: string[] = []
    await broker.subscribe(received.handler)
    await broker.live.subscribe((payload) => live.push(payload.toString()))
    await broker.publish('key', Buffer.from('before'))
    await until('the first has arrived', () => received.payloads.length === 1)

    await withoutRedis(async () => {
      // Each connection hears of the end by itself; until the one that publishes has, a message may have left.
      await until('a message is known not to be sent', async () => {
        const error = await broker.publish('key', Buffer.from('lost')).catch((refusal: unknown) => refusal)
        expect(error).toBeInstanceOf(BrokerError)
        return (error as BrokerError).kind === 'not_sent'
      })
      broker.live.publish(Buffer.from('lost'), [['k', Buffer.from('lost')]])
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
    expect(broker.stats.reconnects).toBeGreaterThanOrEqual(kind === 'pubsub' ? 2 : 5)
  })

  it('heals when its connections were taken and closed at once, as by a proxy without a server', async () => {
    await empty()
    const broker = await open(kind)
    const received = receiver()
    await broker.subscribe(received.handler)
    await withoutRedis(async () => {
      let taken = 0
      const closer = createServer((socket) => {
        taken++
        socket.destroy()
      })
      await new Promise<void>((resolve) => closer.listen(server.port, '127.0.0.1', resolve))
      await until('each connection was closed some times', () => taken >= 20)
      await new Promise((resolve) => closer.close(resolve))
    })
    await until('it is connected again', () => broker.health().connected)
    await broker.publish('key', Buffer.from('after'))
    await until('the last has arrived', () => texts(received).includes('after'))
  })

  it('replaces a connection on which nothing comes back', async () => {
    await empty()
    const broker = await open(kind, { redis: { url: server.url, pingIntervalMs: 500 } })
    const received = receiver()
    await broker.subscribe(received.handler)
    await withFrozenRedis(async () => {
      const unanswered = broker.publish('key', Buffer.from('unanswered')).catch((error: unknown) => error)
      expect(await unanswered).toMatchObject({ name: 'BrokerError', kind: 'unknown' })
      await until('it is known to be away', () => !broker.health().connected)
    })
    await until('it is connected again', () => broker.health().connected)
    await broker.publish('key', Buffer.from('after'))
    await until('the last has arrived', () => texts(received).includes('after'))
  })

  it('waits with its subscription for a Redis that is away, and gives up when it is closed', async () => {
    await withoutRedis(async () => {
      const broker = await open(kind)
      const waits = broker.subscribe(() => {}).catch((error: unknown) => error)
      await broker.close()
      expect(await waits).toMatchObject({ name: 'BrokerError' })
    })
  })

  it('says what is wrong, and never the password', async () => {
    const closed = await freePort()
    const cases: Array<[string, RegExp]> = [
      [`redis://127.0.0.1:${closed}`, new RegExp(`^Redis at redis://127.0.0.1:${closed} refuses the connection`)],
      [`rediss://:geheim@127.0.0.1:${server.port}`, /does not complete a TLS handshake/],
      [`redis://no-such-host.invalid:6379`, /name is not known/],
    ]
    for (const [url, want] of cases) {
      const broker = await openBroker({ kind, redis: { url }, logger, consumer: 'x' })
      opened.push(broker)
      expect(broker.health()).toEqual({ connected: false, problem: expect.stringMatching(want) })
      expect(broker.health().problem).not.toContain('geheim')
    }
    await expect(openBroker({ kind, redis: { url: 'http://u:geheim@h' }, logger, consumer: 'x' })).rejects.toThrow(
      /^http:\/\/\*\*\*@h is not a Redis URL/,
    )
  })

  it('authenticates, and says when it cannot', async () => {
    await admin.config('SET', 'requirepass', 's3cret@/')
    try {
      const health = async (url: string, password?: string): Promise<Broker> => {
        const broker = await openBroker({ kind, redis: { url, password }, logger, consumer: 'x' })
        opened.push(broker)
        return broker
      }
      const { port } = server
      const none = await health(`redis://127.0.0.1:${port}`)
      expect(none.health().problem).toMatch(/NOAUTH.*set REDIS_URL with the password, or REDIS_PASSWORD_FILE/)
      await expect(none.publish('k', Buffer.from('x'))).rejects.toMatchObject({ kind: 'not_sent' })
      const wrong = await health(`redis://:guessed@127.0.0.1:${port}`)
      expect(wrong.health().problem).toMatch(/refuses the user or the password/)
      expect(wrong.health().problem).not.toContain('guessed')
      const inUrl = await health(`redis://default:${encodeURIComponent('s3cret@/')}@127.0.0.1:${port}`)
      expect(inUrl.health().connected).toBe(true)
      const inFile = await health(`redis://:old@127.0.0.1:${port}`, 's3cret@/')
      expect(inFile.health().connected).toBe(true)
    } finally {
      await admin.config('SET', 'requirepass', '')
    }
  })

  it('keeps live values for a day', async () => {
    await empty()
    const broker = await open(kind)
    const stale = Buffer.alloc(9)
    stale.writeDoubleBE(Date.now() - LIVE_KEPT_MS - 1000)
    await admin.hset('live:latest', 'stale', stale, 'torn', 'x')
    broker.live.publish(Buffer.from('x'), [['fresh', Buffer.from('fresh')]])
    await until('it is kept', async () => (await broker.live.recall()).length > 0)
    expect((await broker.live.recall()).map(String)).toEqual(['fresh'])
    expect(await admin.pttl('live:latest')).toBeGreaterThan(LIVE_KEPT_MS - 60_000)
  })
})

describe('PubSubBroker', () => {
  it('spreads keys over channels, each consumed by one server', async () => {
    await empty()
    const [first, second] = [receiver(), receiver()]
    const options = { kind: 'pubsub', redis: { url: server.url }, logger, partitions: 3 } as const
    const a = await openBroker({ ...options, consumes: [0, 2] })
    const b = await openBroker({ ...options, consumes: [1] })
    opened.push(a, b)
    await a.subscribe(first.handler)
    await b.subscribe(second.handler)
    for (let i = 0; i < 60; i++) expect(await a.publish(`key-${i}`, Buffer.from(`${i}`))).toBe(1)
    await until('all have arrived', () => first.payloads.length + second.payloads.length === 60)
    expect(first.payloads.length).toBeGreaterThan(second.payloads.length)
    await expect(openBroker({ ...options, consumes: [3] }).then((c) => c.subscribe(() => {}))).rejects.toThrow(
      'no partition 3',
    )
  })

  it('hears what anybody publishes on the channel metrics', async () => {
    const broker = await open('pubsub')
    const received = receiver()
    await broker.subscribe(received.handler)
    expect(await admin.publish('metrics', '{"timestamp":1}')).toBe(1)
    await until('it has arrived', () => received.payloads.length === 1)
    expect(texts(received)).toEqual(['{"timestamp":1}'])
  })
})

describe('StreamsBroker', () => {
  it('delivers again what was not acked, to the same consumer, with the same tie, and what was acked never', async () => {
    await empty()
    const first = await open('streams')
    const before = receiver()
    const subscription = await first.subscribe(before.handler)
    await Promise.all(Array.from({ length: 100 }, (_, i) => first.publish(`key-${i}`, Buffer.from(`${i}`))))
    await until('all have arrived', () => before.payloads.length === 100)
    expect(await pending()).toBe(100)
    subscription.ack(60)
    await first.close()
    expect(await pending()).toBe(40)

    const second = await open('streams')
    const after = receiver()
    const again = await second.subscribe(after.handler)
    await until('the rest has arrived', () => after.payloads.length === 40)
    expect(texts(after).sort()).toEqual(texts(before).slice(60).sort())
    const ties = new Map(texts(before).map((text, i) => [text, before.ties[i]]))
    expect(after.ties).toEqual(texts(after).map((text) => ties.get(text)))
    expect(after.ids).toEqual(Array.from({ length: 40 }, (_, i) => i + 1))
    again.ack(40)
    await until('nothing is pending', async () => (await pending()) === 0)
  })

  it('delivers once what it holds when only its connections were lost, and acks it then', async () => {
    await empty()
    const broker = await open('streams')
    const received = receiver()
    const subscription = await broker.subscribe(received.handler)
    await Promise.all(Array.from({ length: 50 }, (_, i) => broker.publish(`key-${i}`, Buffer.from(`${i}`))))
    await until('all have arrived', () => received.payloads.length === 50)
    await admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await until('it is connected again', () => broker.stats.reconnects >= 5 && broker.health().connected)
    subscription.ack(50)
    await broker.publish('key', Buffer.from('new'))
    await until('the new one has arrived', () => received.payloads.length >= 51)
    await until('only the new one is pending', async () => (await pending()) === 1)
    expect(texts(received).at(-1)).toBe('new')
    expect(received.payloads).toHaveLength(51)
  })

  it('stops reading at its bound of unacked entries, and goes on after acks', async () => {
    await empty()
    const broker = await open('streams', { maxUnacked: 10 })
    const received = receiver()
    const subscription = await broker.subscribe(received.handler)
    await Promise.all(Array.from({ length: 95 }, (_, i) => broker.publish(`key-${i}`, Buffer.from(`${i}`))))
    for (let acked = 0; acked < 90; acked += 10) {
      await until('the bound is reached', () => received.payloads.length === acked + 10)
      subscription.ack(acked + 10)
    }
    await until('all have arrived', () => received.payloads.length === 95)
  })

  it('leaves in Redis what it may not deliver at the end', async () => {
    await empty()
    const broker = await open('streams')
    const received = receiver()
    const subscription = await broker.subscribe((payload, delivery) => {
      received.handler(payload, delivery)
      if (received.payloads.length === 3) subscription.pause()
    })
    await Promise.all(Array.from({ length: 20 }, (_, i) => broker.publish('key', Buffer.from(`${i}`))))
    await until('three have arrived', () => received.payloads.length === 3)
    await subscription.stop()
    expect(received.payloads).toHaveLength(3)
    subscription.ack(3)
    await subscription.close()

    const rest = receiver()
    await broker.subscribe(rest.handler)
    await until('the rest has arrived', () => rest.payloads.length === 17)
    expect(texts(rest)).toEqual(Array.from({ length: 17 }, (_, i) => `${i + 3}`))
  })

  it('makes its group anew when it has vanished, and counts it', async () => {
    await empty()
    const broker = await open('streams')
    const received = receiver()
    await broker.subscribe(received.handler)
    await admin.flushall()
    await until('all four groups are there again', () => broker.stats.groupsRemade === 4)
    await broker.publish('key', Buffer.from('after'))
    await until('it has arrived', () => received.payloads.length === 1)
  })

  it('shares the work of a group among its servers', async () => {
    await empty()
    const [a, b] = [receiver(), receiver()]
    const first = await open('streams')
    await first.subscribe(a.handler)
    await (await open('streams', { consumer: 'server-2' })).subscribe(b.handler)
    let published = 0
    await until('both have had some', async () => {
      await first.publish(`key-${published}`, Buffer.from(`${published}`))
      published++
      return a.payloads.length > 0 && b.payloads.length > 0
    })
    await until('all have arrived', () => a.payloads.length + b.payloads.length === published)
    expect(new Set([...texts(a), ...texts(b)]).size).toBe(published)
  })

  it('takes over what a dead server has left, and leaves a live one what it holds', async () => {
    await empty()
    const visibilityMs = 3000
    const dead = await open('streams', { consumer: 'dead', visibilityMs })
    const left = receiver()
    await dead.subscribe(left.handler)
    for (let i = 0; i < 8; i++) await dead.publish(`key-${i}`, Buffer.from(`left ${i}`))
    await until('the first server has read them', () => left.payloads.length === 8)
    await dead.close()

    const slow = await open('streams', { consumer: 'slow', visibilityMs, backlogIntervalMs: 3_600_000 })
    const held = receiver()
    const slowSubscription = await slow.subscribe(held.handler)
    await until('they have been taken over', () => held.payloads.length === 8)
    expect(texts(held).sort()).toEqual(texts(left).sort())
    expect(slow.stats.claimed).toBe(8)
    await slowSubscription.stop()

    const idle = await open('streams', { consumer: 'idle', visibilityMs, backlogIntervalMs: 3_600_000 })
    const stolen = receiver()
    await idle.subscribe(stolen.handler)
    // Only the idle one still looks for forsaken entries: one XPENDING a partition at each look.
    const heldSince = Date.now()
    await until('they have been held for longer than the visibility time', () => Date.now() - heldSince > visibilityMs)
    const looked = await calls('xpending')
    await until('all partitions have been looked through twice', async () => (await calls('xpending')) >= looked + 8)
    expect(texts(stolen)).toEqual([])
    slowSubscription.ack(8)
    await until('nothing is pending', async () => (await pending()) === 0)
  })

  it('finds what Redis gave to a connection of its own that was dead already', async () => {
    await empty()
    const broker = await open('streams', { visibilityMs: 500, partitions: 1 })
    const received = receiver()
    await broker.subscribe(received.handler)
    const [key] = streamKeys('telemetry', 1)
    await admin.xgroup('SETID', key!, GROUP, '18446744073709551615-18446744073709551614')
    await broker.publish('key', Buffer.from('astray'))
    await admin.xgroup('SETID', key!, GROUP, '0')
    await admin.xreadgroup('GROUP', GROUP, 'server-1', 'COUNT', 1, 'STREAMS', key!, '>')
    await until('it has arrived', () => received.payloads.length > 0)
    expect(texts(received)).toEqual(['astray'])
  })

  it('sends acks that came while others were on a slow way', async () => {
    await empty()
    const proxy = await startTcpProxy(server.port)
    const broker = await open('streams', { redis: { url: `redis://127.0.0.1:${proxy.port}` } })
    const received = receiver()
    const subscription = await broker.subscribe(received.handler)
    for (let i = 0; i < 3; i++) await broker.publish('key', Buffer.from(`${i}`))
    await until('all have arrived', () => received.payloads.length === 3)
    proxy.become({ kind: 'slow', delayMs: 100 })
    for (let i = 1; i <= 3; i++) {
      subscription.ack(i)
      await sleep(60)
    }
    await until('nothing is pending', async () => (await pending()) === 0)
    await broker.close()
    await proxy.stop()
  })

  it('gives up entries that were trimmed while they were pending, and counts them', async () => {
    await empty()
    const first = await open('streams')
    const received = receiver()
    await first.subscribe(received.handler)
    await first.publish('key', Buffer.from('eaten'))
    await until('it has arrived', () => received.payloads.length === 1)
    await first.close()
    for (const key of streamKeys('telemetry', 4)) await admin.xtrim(key, 'MAXLEN', 0)
    const second = await open('streams')
    await second.subscribe(received.handler)
    await until('nothing is pending', async () => (await pending()) === 0)
    expect(second.stats.trimmedUnacked).toBe(1)
    expect(received.payloads).toHaveLength(1)
  })

  it('reads entries of others by the field d, and any other as an empty message', async () => {
    await empty()
    const broker = await open('streams')
    const received = receiver()
    await broker.subscribe(received.handler)
    const [key] = streamKeys('telemetry', 4)
    await admin.xadd(key!, '5-18446744073709551615', 'x', '1', 'd', 'by the gateway')
    await admin.xadd(key!, '6-1002', 'x', '1')
    await until('both have arrived', () => received.payloads.length === 2)
    expect(texts(received)).toEqual(['by the gateway', ''])
    expect(received.ties).toEqual([(615 + 5 * 31) % 1000, (2 + 6 * 31) % 1000])
  })

  it('keeps about as many entries as it is told', async () => {
    await empty()
    const broker = await open('streams', { maxLength: 500, partitions: 1 })
    await Promise.all(Array.from({ length: 3000 }, (_, i) => broker.publish('key', Buffer.from(`${i}`))))
    const [key] = streamKeys('telemetry', 1)
    const length = await admin.xlen(key!)
    expect(length).toBeGreaterThanOrEqual(500)
    expect(length).toBeLessThan(700)
  })

  it('names a full Redis, and leaves the message with its publisher', async () => {
    await empty()
    const broker = await open('streams')
    await admin.config('SET', 'maxmemory', '1')
    try {
      await expect(broker.publish('key', Buffer.from('x'))).rejects.toMatchObject({
        kind: 'not_sent',
        message: expect.stringContaining('is full'),
      })
    } finally {
      await admin.config('SET', 'maxmemory', '0')
    }
  })

  it('has one subscription at a time', async () => {
    const broker = new StreamsBroker({ redis: { url: server.url }, logger, consumer: 'x' })
    opened.push(broker)
    await broker.subscribe(() => {})
    await expect(broker.subscribe(() => {})).rejects.toThrow('one subscription')
  })
})
