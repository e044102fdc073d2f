import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { GROUP, type RedisScene, startRedisScene } from '../../../test/support/redis-brokers.ts'
import { sleep, until } from '../../../test/support/servers.ts'
import { startTcpProxy } from '../../../test/support/tcp-proxy.ts'
import { describeBroker, receiver, texts } from '../broker.contract.ts'
import { describeSnapshots } from '../snapshots.contract.ts'
import { streamKeys } from './names.ts'

let scene: RedisScene

beforeAll(async () => {
  scene = await startRedisScene()
})

afterEach(() => scene.closeBrokers())

afterAll(() => scene.stop())

describeBroker({
  name: 'streams',
  whilePaused: 'is kept',
  keepsUnacked: true,
  reportsNoSubscriber: false,
  open: () => scene.open('streams'),
  empty: () => scene.empty(),
})

describeSnapshots({ name: 'streams', open: () => scene.open('streams'), empty: () => scene.empty() })

describe('StreamsBroker', () => {
  it('delivers unacked entries again, to the same consumer, with the same tie, and acked ones never', async () => {
    await scene.empty()
    const first = await scene.open('streams')
    const before = receiver()
    const subscription = await first.subscribe(before.handler)
    await Promise.all(Array.from({ length: 100 }, (_, i) => first.publish(`key-${i}`, Buffer.from(`${i}`))))
    await until('all have arrived', () => before.payloads.length === 100)
    expect(await scene.pending()).toHaveLength(100)
    subscription.ack(60)
    await first.close()
    expect(await scene.pending()).toHaveLength(40)

    const second = await scene.open('streams')
    const after = receiver()
    const again = await second.subscribe(after.handler)
    await until('the rest has arrived', () => after.payloads.length === 40)
    expect(texts(after).sort()).toEqual(texts(before).slice(60).sort())
    const ties = new Map(texts(before).map((text, i) => [text, before.ties[i]]))
    expect(after.ties).toEqual(texts(after).map((text) => ties.get(text)))
    expect(after.ids).toEqual(Array.from({ length: 40 }, (_, i) => i + 1))
    again.ack(40)
    await until('nothing is pending', async () => (await scene.pending()).length === 0)
  })

  it('delivers no entry twice when only its connections were lost, and acks entries afterwards', async () => {
    await scene.empty()
    const broker = await scene.open('streams')
    const received = receiver()
    const subscription = await broker.subscribe(received.handler)
    await Promise.all(Array.from({ length: 50 }, (_, i) => broker.publish(`key-${i}`, Buffer.from(`${i}`))))
    await until('all have arrived', () => received.payloads.length === 50)
    await scene.admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await until('it is connected again', () => broker.stats.reconnects >= 2 && broker.health().connected)
    subscription.ack(50)
    await broker.publish('key', Buffer.from('new'))
    await until('the new one has arrived', () => received.payloads.length >= 51)
    await until('only the new one is pending', async () => (await scene.pending()).length === 1)
    expect(texts(received).at(-1)).toBe('new')
    expect(received.payloads).toHaveLength(51)
  })

  it('stops reading at its bound of unacked entries, and goes on after acks', async () => {
    await scene.empty()
    const broker = await scene.open('streams', { maxUnacked: 10 })
    const received = receiver()
    const subscription = await broker.subscribe(received.handler)
    await Promise.all(Array.from({ length: 95 }, (_, i) => broker.publish(`key-${i}`, Buffer.from(`${i}`))))
    for (let acked = 0; acked < 90; acked += 10) {
      await until('the bound is reached', () => received.payloads.length === acked + 10)
      subscription.ack(acked + 10)
    }
    await until('all have arrived', () => received.payloads.length === 95)
  })

  it('leaves entries in Redis that it has not delivered when it stops paused', async () => {
    await scene.empty()
    const broker = await scene.open('streams')
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

  it('creates its group again when it has vanished, and counts it', async () => {
    await scene.empty()
    const broker = await scene.open('streams')
    const received = receiver()
    await broker.subscribe(received.handler)
    await scene.admin.flushall()
    await until('all four groups are there again', () => broker.stats.groupsRemade === 4)
    await broker.publish('key', Buffer.from('after'))
    await until('it has arrived', () => received.payloads.length === 1)
  })

  it('shares the work of a group among its servers', async () => {
    await scene.empty()
    const [a, b] = [receiver(), receiver()]
    const first = await scene.open('streams')
    await first.subscribe(a.handler)
    await (await scene.open('streams', { consumer: 'server-2' })).subscribe(b.handler)
    let published = 0
    await until('both have had some', async () => {
      await first.publish(`key-${published}`, Buffer.from(`${published}`))
      published++
      return a.payloads.length > 0 && b.payloads.length > 0
    })
    await until('all have arrived', () => a.payloads.length + b.payloads.length === published)
    expect(new Set([...texts(a), ...texts(b)]).size).toBe(published)
  })

  it('claims entries of a dead server, and none of a live one', async () => {
    await scene.empty()
    const visibilityMs = 3000
    const dead = await scene.open('streams', { consumer: 'dead', visibilityMs })
    const left = receiver()
    await dead.subscribe(left.handler)
    for (let i = 0; i < 8; i++) await dead.publish(`key-${i}`, Buffer.from(`left ${i}`))
    await until('the first server has read them', () => left.payloads.length === 8)
    await dead.close()

    const slow = await scene.open('streams', { consumer: 'slow', visibilityMs, backlogIntervalMs: 3_600_000 })
    const held = receiver()
    const slowSubscription = await slow.subscribe(held.handler)
    await until('they have been claimed', () => held.payloads.length === 8)
    expect(texts(held).sort()).toEqual(texts(left).sort())
    expect(slow.stats.claimed).toBe(8)
    await slowSubscription.stop()

    const idle = await scene.open('streams', { consumer: 'idle', visibilityMs, backlogIntervalMs: 3_600_000 })
    const stolen = receiver()
    await idle.subscribe(stolen.handler)
    // Only the idle one still looks for abandoned entries: one XPENDING a partition each time.
    const heldSince = Date.now()
    await until('they have been held for longer than the visibility time', () => Date.now() - heldSince > visibilityMs)
    const looked = await scene.calls('xpending')
    await until(
      'all partitions have been looked through twice',
      async () => (await scene.calls('xpending')) >= looked + 8,
    )
    expect(texts(stolen)).toEqual([])
    slowSubscription.ack(8)
    await until('nothing is pending', async () => (await scene.pending()).length === 0)
  })

  it('asks how long messages may wait for one of so many servers as read', async () => {
    await scene.empty()
    let readers = 0
    const timing = {
      readWithinMs: (count: number) => {
        readers = count
        return 20
      },
      nothingForMs: () => {},
    }
    const first = await scene.open('streams', { consumer: 'first', backlogIntervalMs: 100 })
    const subscription = await first.subscribe((_payload, { id }) => subscription.ack(id), { timing })
    const second = await scene.open('streams', { consumer: 'second', backlogIntervalMs: 100 })
    const other = await second.subscribe((_payload, { id }) => other.ack(id))
    let sent = 0
    const reach = (count: number): Promise<void> =>
      until(`${count} servers read`, async () => {
        await Promise.all(Array.from({ length: 100 }, () => first.publish(`key-${sent++}`, Buffer.from('x'))))
        return readers === count
      })
    await reach(2)
    await second.close()
    await reach(1)
  })

  it('finds entries that Redis gave to a dead connection of its own', async () => {
    await scene.empty()
    const broker = await scene.open('streams', { visibilityMs: 500, partitions: 1 })
    const received = receiver()
    await broker.subscribe(received.handler)
    const [key] = streamKeys('telemetry', 1)
    await scene.admin.xgroup('SETID', key!, GROUP, '18446744073709551615-18446744073709551614')
    await broker.publish('key', Buffer.from('astray'))
    await scene.admin.xgroup('SETID', key!, GROUP, '0')
    await scene.admin.xreadgroup('GROUP', GROUP, 'server-1', 'COUNT', 1, 'STREAMS', key!, '>')
    await until('it has arrived', () => received.payloads.length > 0)
    expect(texts(received)).toEqual(['astray'])
  })

  it('sends acks that came while others were on their way', async () => {
    await scene.empty()
    const proxy = await startTcpProxy(scene.server.port)
    const broker = await scene.open('streams', { redis: { url: `redis://127.0.0.1:${proxy.port}` } })
    const received = receiver()
    const subscription = await broker.subscribe(received.handler)
    for (let i = 0; i < 3; i++) await broker.publish('key', Buffer.from(`${i}`))
    await until('all have arrived', () => received.payloads.length === 3)
    proxy.become({ kind: 'slow', delayMs: 100 })
    for (let i = 1; i <= 3; i++) {
      subscription.ack(i)
      await sleep(60)
    }
    await until('nothing is pending', async () => (await scene.pending()).length === 0)
    await broker.close()
    await proxy.stop()
  })

  it('acks entries that were trimmed while they were pending, and counts them', async () => {
    await scene.empty()
    const first = await scene.open('streams')
    const received = receiver()
    await first.subscribe(received.handler)
    await first.publish('key', Buffer.from('trimmed'))
    await until('it has arrived', () => received.payloads.length === 1)
    await first.close()
    for (const key of streamKeys('telemetry', 4)) await scene.admin.xtrim(key, 'MAXLEN', 0)
    const second = await scene.open('streams')
    await second.subscribe(received.handler)
    await until('nothing is pending', async () => (await scene.pending()).length === 0)
    expect(second.stats.trimmedUnacked).toBe(1)
    expect(received.payloads).toHaveLength(1)
  })

  it('reads the field d of any entry, and an entry without it as an empty message', async () => {
    await scene.empty()
    const broker = await scene.open('streams')
    const received = receiver()
    await broker.subscribe(received.handler)
    const [key] = streamKeys('telemetry', 4)
    await scene.admin.xadd(key!, '5-18446744073709551615', 'x', '1', 'd', 'by the gateway')
    await scene.admin.xadd(key!, '6-1002', 'x', '1')
    await until('both have arrived', () => received.payloads.length === 2)
    expect(texts(received)).toEqual(['by the gateway', ''])
    expect(received.ties).toEqual([(615 + 5 * 31) % 1000, (2 + 6 * 31) % 1000])
  })

  it('keeps about maxLength entries', async () => {
    await scene.empty()
    const broker = await scene.open('streams', { maxLength: 500, partitions: 1 })
    await Promise.all(Array.from({ length: 3000 }, (_, i) => broker.publish('key', Buffer.from(`${i}`))))
    const [key] = streamKeys('telemetry', 1)
    const length = await scene.admin.xlen(key!)
    expect(length).toBeGreaterThanOrEqual(500)
    expect(length).toBeLessThan(700)
  })

  it('says that Redis is full, and leaves the message with its publisher', async () => {
    await scene.empty()
    const broker = await scene.open('streams')
    await scene.admin.config('SET', 'maxmemory', '1')
    try {
      await expect(broker.publish('key', Buffer.from('x'))).rejects.toMatchObject({
        kind: 'not_sent',
        message: expect.stringContaining('is full'),
      })
    } finally {
      await scene.admin.config('SET', 'maxmemory', '0')
    }
  })

  it('has one subscription at a time', async () => {
    const broker = await scene.open('streams')
    await broker.subscribe(() => {})
    await expect(broker.subscribe(() => {})).rejects.toThrow('one subscription')
  })
})
