import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { type GenerationHead, nameOf } from '../../fabric/generation.ts'
import { deferred } from '../../time/deferred.ts'
import { describeBroker, receiver, texts } from '../broker.contract.ts'
import { LIVE_KEPT_MS, SNAPSHOTS_KEPT_MS } from '../broker.ts'
import { describeSnapshots, generationHead, targetHead } from '../snapshots.contract.ts'
import { MemoryBroker } from './broker.ts'

const logger = pino({ level: 'silent' })

describeBroker({
  name: 'memory',
  whilePaused: 'waits',
  keepsUnacked: false,
  reportsNoSubscriber: true,
  open: async () => new MemoryBroker({ logger }),
  empty: async () => {},
})

describeSnapshots({ name: 'memory', open: async () => new MemoryBroker({ logger }), empty: async () => {} })

describe('MemoryBroker', () => {
  it('delivers before publish returns', async () => {
    const broker = new MemoryBroker({ logger })
    const received = receiver()
    await broker.subscribe(received.handler)
    const sent = broker.publish('key', Buffer.from('now'))
    expect(texts(received)).toEqual(['now'])
    expect(await sent).toBe(1)
  })

  it('has one subscriber', async () => {
    const broker = new MemoryBroker({ logger })
    await broker.subscribe(() => {})
    await expect(broker.subscribe(() => {})).rejects.toThrow('has a subscriber already')
  })

  it('resolves the publish of a message that waits with 0 when it stops', async () => {
    const broker = new MemoryBroker({ logger })
    const received = receiver()
    const subscription = await broker.subscribe(received.handler)
    subscription.pause()
    const sent = broker.publish('key', Buffer.from('waits'))
    await subscription.stop()
    expect(await sent).toBe(0)
    expect(received.payloads).toEqual([])
  })

  it('answers a publish that waits for the ack when its message is acked, and with 0 when the subscriber ends first', async () => {
    const broker = new MemoryBroker({ logger })
    expect(await broker.publishUntilAcked('key', Buffer.from('nobody listens'))).toBe(0)
    const ids: number[] = []
    const poison = deferred()
    const subscription = await broker.subscribe(
      (payload, { id }) => {
        if (String(payload) === 'bad') throw new Error('a bug')
        if (String(payload) === 'at once') subscription.ack(id)
        ids.push(id)
      },
      { onPoison: () => poison.promise },
    )
    const answers: Array<[string, number]> = []
    const send = (text: string): void =>
      void broker.publishUntilAcked('key', Buffer.from(text)).then((receivers) => answers.push([text, receivers]))
    for (const text of ['a', 'b', 'bad', 'at once', 'c']) send(text)
    subscription.pause()
    send('waits')
    await expect.poll(() => answers.length).toBe(3)
    expect(new Map(answers)).toEqual(
      new Map([
        ['a', 1],
        ['b', 1],
        ['at once', 1],
      ]),
    )
    poison.resolve()
    await expect.poll(() => answers.at(-1)).toEqual(['bad', 1])
    subscription.resume()
    subscription.ack(ids.at(-2)!)
    await expect.poll(() => answers.at(-1)).toEqual(['c', 1])
    await subscription.close()
    await expect.poll(() => answers.at(-1)).toEqual(['waits', 0])
  })

  it('forgets live values after a day', async () => {
    let now = 0
    const broker = new MemoryBroker({ logger, now: () => now })
    broker.live.publish(Buffer.from('x'), [{ key: 'old', payload: Buffer.from('old'), ageMs: 0 }])
    now = LIVE_KEPT_MS / 2
    broker.live.publish(Buffer.from('x'), [{ key: 'young', payload: Buffer.from('young'), ageMs: 0 }])
    expect((await broker.live.recall()).map(({ ageMs }) => ageMs)).toEqual([LIVE_KEPT_MS / 2, 0])
    now = LIVE_KEPT_MS + 1
    expect((await broker.live.recall()).map(({ payload }) => String(payload))).toEqual(['young'])
  })

  it('keeps two generations of snapshots, and forgets those of a publisher that is gone', async () => {
    let now = Date.now()
    const { snapshots } = new MemoryBroker({ logger, now: () => now })
    const heads = [1, 2, 3].map((at) => generationHead([targetHead('a', 1, at)], at))
    for (const head of heads) {
      await snapshots.put(nameOf(head, head.targets[0]!), Buffer.from('x'))
      // Again, as when there is nothing new.
      for (let i = 0; i < 2; i++) await snapshots.announce(head)
    }
    const read = (head: GenerationHead): Promise<Buffer | undefined> =>
      snapshots.read(nameOf(head, head.targets[0]!), 1)
    expect((await Promise.all(heads.map(read))).map(String)).toEqual(['undefined', 'x', 'x'])
    now += SNAPSHOTS_KEPT_MS + 1
    const told: GenerationHead[] = []
    await snapshots.subscribe((head) => told.push(head))
    expect(told).toEqual([])
    expect(await read(heads[2]!)).toBeUndefined()
  })
})
