import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../test/support/servers.ts'
import type { Broker, MessageHandler, Subscription } from './broker.ts'

export interface BrokerUnderTest {
  readonly name: string
  /** What `publish` does while the subscriber is paused: stays pending, resolves with 1, or with 0. */
  readonly whilePaused: 'waits' | 'is kept' | 'no subscriber'
  /** Whether messages without an ack are delivered again to the same consumer. */
  readonly keepsUnacked: boolean
  /** Whether a message without a subscriber is gone, and `publish` resolves with 0. */
  readonly reportsNoSubscriber: boolean
  /** Opens a broker that is connected. Two are open at once only where the engine is a server. */
  open(): Promise<Broker>
  /** Empties the engine: called before each test. */
  empty(): Promise<void>
}

interface Received {
  readonly payloads: Buffer[]
  readonly ids: number[]
  readonly ties: number[]
  readonly handler: MessageHandler
}

export function receiver(): Received {
  const received = { payloads: [] as Buffer[], ids: [] as number[], ties: [] as number[] }
  return {
    ...received,
    handler: (payload, delivery) => {
      received.payloads.push(Buffer.from(payload))
      received.ids.push(delivery.id)
      received.ties.push(delivery.tie)
    },
  }
}

export function texts({ payloads }: Received): string[] {
  return payloads.map((payload) => payload.toString())
}

/** What every broker promises, on any engine. */
export function describeBroker(under: BrokerUnderTest): void {
  describe(`the ${under.name} broker`, () => {
    const open: Array<{ close(): Promise<void> }> = []

    const openBroker = async (): Promise<Broker> => {
      const broker = await under.open()
      open.push(broker)
      return broker
    }
    const start = async (): Promise<{ broker: Broker; subscription: Subscription; received: Received }> => {
      await under.empty()
      const broker = await openBroker()
      const received = receiver()
      return { broker, received, subscription: await broker.subscribe(received.handler) }
    }
    const arrived = (received: Received, count: number): Promise<void> =>
      until(`${count} messages have arrived`, () => received.payloads.length >= count)

    afterEach(async () => {
      for (const opened of open.splice(0)) await opened.close()
    })

    it('delivers every message once, and those of a key in order', async () => {
      const { broker, subscription, received } = await start()
      const sent: Array<Promise<number>> = []
      for (let i = 0; i < 3000; i++) sent.push(broker.publish(`key-${i % 7}`, Buffer.from(`${i % 7}:${i}`)))
      await Promise.all(sent)
      await arrived(received, 3000)
      await subscription.stop()
      expect(received.payloads).toHaveLength(3000)
      for (let key = 0; key < 7; key++) {
        const ofKey = texts(received).filter((text) => text.startsWith(`${key}:`))
        const want = Array.from({ length: Math.ceil((3000 - key) / 7) }, (_, i) => `${key}:${key + i * 7}`)
        expect(ofKey).toEqual(want)
      }
    })

    it('carries any bytes, an empty payload and a megabyte', async () => {
      const { broker, received } = await start()
      const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
      const large = Buffer.alloc(2 ** 20, every)
      const resp = Buffer.from('$3\r\nfoo\r\n*1\r\n\r\n')
      for (const payload of [every, Buffer.alloc(0), large, resp]) await broker.publish('one key', payload)
      await arrived(received, 4)
      expect(received.payloads.map((payload) => payload.length)).toEqual([256, 0, 2 ** 20, resp.length])
      expect(received.payloads[0]!.equals(every)).toBe(true)
      expect(received.payloads[2]!.equals(large)).toBe(true)
      expect(received.payloads[3]!.equals(resp)).toBe(true)
    })

    it('numbers deliveries 1, 2, 3 …, and gives ties as the engine promises', async () => {
      const { broker, received } = await start()
      await Promise.all(Array.from({ length: 1500 }, (_, i) => broker.publish('one key', Buffer.from(`${i}`))))
      await arrived(received, 1500)
      expect(received.ids).toEqual(Array.from({ length: 1500 }, (_, i) => i + 1))
      if (!under.keepsUnacked) expect(received.ties.every((tie) => tie === -1)).toBe(true)
      else expect(received.ties.every((tie) => Number.isInteger(tie) && tie >= 0 && tie < 1000)).toBe(true)
    })

    it('tells a publisher how many servers listen', async () => {
      await under.empty()
      const broker = await openBroker()
      expect(await broker.publish('key', Buffer.from('early'))).toBe(under.reportsNoSubscriber ? 0 : 1)
      const received = receiver()
      const subscription = await broker.subscribe(received.handler)
      expect(await broker.publish('key', Buffer.from('heard'))).toBe(1)
      await arrived(received, under.reportsNoSubscriber ? 1 : 2)
      await subscription.stop()
      await subscription.close()
      expect(await broker.publish('key', Buffer.from('late'))).toBe(under.reportsNoSubscriber ? 0 : 1)
      expect(texts(received)).toEqual(under.reportsNoSubscriber ? ['heard'] : ['early', 'heard'])
    })

    it('delivers all earlier messages before stop resolves, and none after it', async () => {
      const { broker, subscription, received } = await start()
      for (let i = 0; i < 500; i++) await broker.publish('key', Buffer.from(`${i}`))
      const stopped = subscription.stop()
      const late = Promise.allSettled(Array.from({ length: 50 }, () => broker.publish('key', Buffer.from('late'))))
      await stopped
      const atTheEnd = received.payloads.length
      await late
      await broker.publish('key', Buffer.from('later')).catch(() => {})
      await subscription.stop()
      expect(received.payloads).toHaveLength(atTheEnd)
      if (!under.keepsUnacked) expect(texts(received).filter((text) => text !== 'late')).toHaveLength(500)
    })

    it('survives a handler that throws, counts the error, and hands the message to onPoison', async () => {
      await under.empty()
      const broker = await openBroker()
      const heard: string[] = []
      const poison: Array<{ text: string; problem: string }> = []
      const subscription = await broker.subscribe(
        (payload, delivery) => {
          if (payload.toString() === 'bad') throw new Error('the handler broke')
          heard.push(payload.toString())
          subscription.ack(delivery.id)
        },
        {
          onPoison: (payload, _id, _deliveries, problem) => {
            poison.push({ text: payload.toString(), problem })
          },
        },
      )
      for (const text of ['good', 'bad', 'good']) await broker.publish('key', Buffer.from(text))
      await until('all have come to their end', () => heard.length + poison.length === 3)
      expect(heard).toEqual(['good', 'good'])
      expect(poison).toEqual([{ text: 'bad', problem: 'the handler broke' }])
      expect(broker.stats.handlerErrors).toBeGreaterThanOrEqual(1)
    })

    /** As our publishers do: a message without a subscriber is kept and sent again. */
    const publishAndKeep = async (broker: Broker, text: string): Promise<void> => {
      await until(`${text} is taken`, async () => (await broker.publish('key', Buffer.from(text))) > 0)
    }
    const heldBack = async (broker: Broker): Promise<void> => {
      if (under.whilePaused !== 'no subscriber') return
      await until('no subscriber', async () => (await broker.publish('key', Buffer.from('probe'))) === 0)
    }
    const withoutProbes = (received: Received): string[] => texts(received).filter((text) => text !== 'probe')

    it('holds messages back while paused', async () => {
      const { broker, subscription, received } = await start()
      await broker.publish('key', Buffer.from('before'))
      await arrived(received, 1)
      subscription.pause()
      await heldBack(broker)
      const answers: number[] = []
      const sent = ['1', '2', '3'].map(async (text) => {
        answers.push(await broker.publish('key', Buffer.from(text)))
        if (answers.at(-1) === 0) await publishAndKeep(broker, text)
      })
      // This round trip takes longer than a delivery would.
      await broker.live.recall()
      expect(withoutProbes(received)).toEqual(['before'])
      if (under.whilePaused !== 'is kept') expect(answers).toEqual(under.whilePaused === 'waits' ? [] : [0, 0, 0])
      subscription.resume()
      await Promise.all(sent)
      await publishAndKeep(broker, 'after')
      await until('the last has arrived', () => texts(received).includes('after'))
      expect(withoutProbes(received).sort()).toEqual(['1', '2', '3', 'after', 'before'])
    })

    it('follows the last of many pauses and resumes', async () => {
      const { broker, subscription, received } = await start()
      for (let i = 0; i < 25; i++) {
        subscription.pause()
        subscription.resume()
      }
      await publishAndKeep(broker, 'resumed')
      await until('it has arrived', () => texts(received).includes('resumed'))
      for (let i = 0; i < 25; i++) {
        subscription.resume()
        subscription.pause()
      }
      await heldBack(broker)
      const sent = publishAndKeep(broker, 'paused')
      await broker.live.recall()
      expect(withoutProbes(received)).toEqual(['resumed'])
      subscription.resume()
      await sent
      await until('it has arrived', () => texts(received).includes('paused'))
      expect(withoutProbes(received)).toEqual(['resumed', 'paused'])
    })

    it('stops while it is paused, and a resume does not start it again', async () => {
      const { broker, subscription, received } = await start()
      subscription.pause()
      await heldBack(broker)
      const sent = broker.publish('key', Buffer.from('late'))
      await subscription.stop()
      subscription.resume()
      subscription.pause()
      subscription.resume()
      expect(await sent).toBe(under.reportsNoSubscriber ? 0 : 1)
      expect(await broker.publish('key', Buffer.from('later'))).toBe(under.reportsNoSubscriber ? 0 : 1)
      await subscription.close()
      expect(withoutProbes(received)).toEqual([])
    })

    it('can be paused and resumed from within the handler', async () => {
      await under.empty()
      const broker = await openBroker()
      const heard: string[] = []
      const subscription = await broker.subscribe((payload) => {
        heard.push(payload.toString())
        subscription.pause()
        setImmediate(() => subscription.resume())
      })
      await Promise.all(['1', '2', '3', '4'].map((text) => broker.publish('key', Buffer.from(text))))
      await until('four have been heard', () => heard.length === 4)
      expect(heard).toEqual(['1', '2', '3', '4'])
    })

    it('accepts repeated and late acks, and a close before all are sent', async () => {
      const { broker, subscription, received } = await start()
      await Promise.all(Array.from({ length: 100 }, (_, i) => broker.publish('key', Buffer.from(`${i}`))))
      await arrived(received, 100)
      for (const upTo of [1, 1, 50, 50, 99]) subscription.ack(upTo)
      await subscription.stop()
      subscription.ack(100)
      await subscription.close()
      await subscription.close()
    })

    it('subscribes again after a close', async () => {
      const { broker, subscription } = await start()
      await subscription.close()
      const again = receiver()
      await broker.subscribe(again.handler)
      await broker.publish('key', Buffer.from('again'))
      await arrived(again, 1)
      expect([texts(again), again.ids]).toEqual([['again'], [1]])
    })

    it('refuses to publish after close', async () => {
      await under.empty()
      const broker = await openBroker()
      expect(broker.health()).toEqual({ connected: true, problem: '' })
      await broker.close()
      await broker.close()
      expect(broker.health().connected).toBe(false)
      await expect(broker.publish('key', Buffer.from('x'))).rejects.toMatchObject({
        name: 'BrokerError',
        kind: 'not_sent',
      })
    })

    it('carries the live feed to all subscribers, and not to those that have left', async () => {
      await under.empty()
      const broker = await openBroker()
      const first: string[] = []
      const second: string[] = []
      await broker.live.subscribe(() => {
        throw new Error('the handler broke')
      })
      const leave = await broker.live.subscribe((payload) => first.push(payload.toString()))
      await broker.live.subscribe((payload) => second.push(payload.toString()))
      broker.live.publish(Buffer.from('1'), [])
      await until('both have heard the first', () => first.length === 1 && second.length === 1)
      await leave()
      broker.live.publish(Buffer.from('2'), [])
      await until('the one that stayed has heard the second', () => second.length === 2)
      expect([first, second]).toEqual([['1'], ['1', '2']])
    })

    it('knows whether anybody hears the live feed, from the answer to a message on', async () => {
      await under.empty()
      const broker = await openBroker()
      const isHeard = (expected: boolean): Promise<void> =>
        until(`it is ${expected ? '' : 'not '}heard`, () => {
          broker.live.publish(Buffer.from('?'), [])
          return broker.live.isHeard === expected
        })
      await isHeard(false)
      const leave = await broker.live.subscribe(() => {})
      await isHeard(true)
      await leave()
      await isHeard(false)
    })

    it('keeps the latest live value of each series', async () => {
      await under.empty()
      const broker = await openBroker()
      expect(await broker.live.recall()).toEqual([])
      const many = Array.from({ length: 1000 }, (_, i) => ({
        key: `series\u0000${i}`,
        payload: Buffer.from([0, i & 255, 255]),
        ageMs: 0,
      }))
      broker.live.publish(Buffer.from('x'), many)
      broker.live.publish(Buffer.from('y'), [
        { key: 'series\u00001', payload: Buffer.from('newer'), ageMs: 0 },
        { key: 'empty', payload: Buffer.alloc(0), ageMs: 0 },
      ])
      let kept: Buffer[] = []
      await until('all are kept', async () => {
        kept = (await broker.live.recall()).map(({ payload }) => payload)
        return kept.length === 1001
      })
      expect(kept.filter((value) => value.length === 0)).toHaveLength(1)
      expect(kept.filter((value) => value.toString() === 'newer')).toHaveLength(1)
      expect(kept.filter((value) => value.length === 3 && value[2] === 255)).toHaveLength(999)
    })
  })
}
