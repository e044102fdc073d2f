import fc from 'fast-check'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Behaviour, FaultyBroker, stubCodec } from '../../test/support/faulty-broker.ts'
import type { Broker } from '../broker/broker.ts'
import { MemoryBroker } from '../broker/memory/broker.ts'
import type { Encoder, MessageHeader } from '../codec/codec.ts'
import { frameCodec } from '../codec/frame.ts'
import { LogThrottle } from '../observe/log-throttle.ts'
import { PublisherLedger } from '../sample/ledger.ts'
import type { Sample } from '../sample/sample.ts'
import { SeriesTable, seriesApart } from '../sample/series.ts'
import { Publisher, type PublisherOptions } from './publisher.ts'
import { runId } from './run-id.ts'

const logger = pino({ level: 'silent' })
const series = seriesApart('m', [])
const never = new AbortController().signal

function sample(value: number | undefined): Sample {
  return { series, values: [value], at: 0, tie: 0 }
}

function start(
  options: Partial<PublisherOptions> = {},
  kind?: Broker['kind'],
): {
  broker: FaultyBroker
  ledger: PublisherLedger
  publisher: Publisher
} {
  const broker = new FaultyBroker(kind)
  const ledger = new PublisherLedger()
  const publisher = new Publisher({
    broker,
    codec: stubCodec(),
    runId: 'h/agent/1',
    clock: { now: () => Date.now() * 1000 },
    uptimeUs: () => Date.now() * 1000,
    logger,
    throttle: new LogThrottle(logger),
    ledger,
    ...options,
  })
  void publisher.start()
  return { broker, ledger, publisher }
}

function tick(publisher: Publisher, ...values: number[]): void {
  for (const value of values) publisher.add(sample(value))
  publisher.flush()
}

const sent = (broker: FaultyBroker): number[] => broker.arrived.flatMap((message) => message.values)
const soon = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] })
})

afterEach(() => {
  vi.useRealTimers()
})

describe('Publisher', () => {
  it('sends a tick as one message, and a full message at once', async () => {
    const { broker, publisher, ledger } = start()
    tick(publisher, 1, 2, 3)
    tick(publisher, 4, 5, 6, 7, 8, 9)
    publisher.flush()
    await soon()
    expect(
      broker.arrived.map(({ seq, firstSample, heldFrom, values }) => [seq, firstSample, heldFrom, values]),
    ).toEqual([
      [0, 0, 0, [1, 2, 3]],
      [1, 3, 0, [4, 5, 6, 7]],
      [2, 7, 0, [8, 9]],
    ])
    expect(broker.arrived.every((message) => message.run === 'h/agent/1')).toBe(true)
    expect([ledger.produced, ledger.sent, ledger.held, publisher.held]).toEqual([9, 9, 0, 0])
  })

  it.each<[string, Broker['kind'], Behaviour, boolean]>([
    ['and Redis took it', 'pubsub', 'take', true],
    ['and Redis took it', 'streams', 'take', true],
    ['and another part of the process may still read it', 'memory', 'take', false],
    ['and nobody listens', 'pubsub', 'no subscriber', false],
    ['and nobody knows whether it arrived', 'pubsub', 'unknown: it arrived', false],
  ])('frees the bytes of a large message only once it is sent, %s (%s)', async (_, kind, behaviour, isFreed) => {
    const { broker, publisher } = start({}, kind)
    broker.become(behaviour)
    const payload = Buffer.allocUnsafeSlow(100_000).fill(' ')
    payload.write('{"values":[1]}')
    publisher.send({ count: 1, finish: () => payload })
    expect(payload).toHaveLength(100_000)
    await soon()
    expect(payload).toHaveLength(isFreed ? 0 : 100_000)
    if (isFreed || kind === 'memory') return
    broker.become('take')
    await publisher.stop(never)
    expect(sent(broker)).toContain(1)
  })

  it('leaves out samples without a value, and counts one that fits no message as dropped', async () => {
    const { broker, publisher, ledger } = start()
    publisher.add(sample(undefined))
    tick(publisher, 1, -1, 2)
    await soon()
    expect(sent(broker)).toEqual([1, 2])
    expect([ledger.produced, ledger.sent]).toEqual([3, 2])
    expect(ledger.droppedBy).toEqual(new Map([['message_too_large', 1]]))
  })

  it('holds what waits beyond the message that is being made: a tick that reads the ledger does not find itself', async () => {
    const { broker, publisher, ledger } = start()
    const readInTick = async (): Promise<number[]> => {
      for (const value of [1, 2, 3]) publisher.add(sample(value))
      const read = [ledger.produced, ledger.sent, ledger.held, publisher.held]
      publisher.flush()
      await soon()
      return read
    }
    expect([await readInTick(), await readInTick()]).toEqual([
      [0, 0, 0, 0],
      [3, 3, 0, 0],
    ])
    broker.become('no subscriber')
    expect([await readInTick(), await readInTick()]).toEqual([
      [6, 6, 0, 0],
      [9, 6, 3, 3],
    ])
  })

  it('says how long the broker took', async () => {
    const times: number[] = []
    const { broker, publisher } = start({ onSent: (us) => times.push(us) })
    broker.become('hang')
    tick(publisher, 1)
    await vi.advanceTimersByTimeAsync(30)
    broker.become('take')
    await soon()
    expect(times).toEqual([30_000])
  })

  it.each(['no subscriber', 'not_sent', 'unknown: it did not'] as const)(
    'after %s: holds the messages, and sends them in order once a server listens, behind fresh samples',
    async (behaviour) => {
      const { broker, publisher, ledger } = start()
      broker.become(behaviour)
      for (let i = 0; i < 100; i++) tick(publisher, i)
      await soon()
      expect([ledger.sent, ledger.held, publisher.held]).toEqual([0, 100, 100])
      broker.become('take')
      tick(publisher, 1001)
      await vi.advanceTimersByTimeAsync(50)
      tick(publisher, 1002)
      await vi.advanceTimersByTimeAsync(10_000)
      const all = sent(broker)
      expect([all[0], all.indexOf(1002) < all.indexOf(50)]).toEqual([1001, true])
      expect(all.filter((value) => value < 1000)).toEqual(Array.from({ length: 100 }, (_, i) => i))
      expect([ledger.sent, publisher.held]).toEqual([102, 0])
    },
  )

  it('says in each message which is the oldest that it may still send', async () => {
    const { broker, publisher } = start()
    tick(publisher, 0)
    await soon()
    broker.become('no subscriber')
    tick(publisher, 1)
    await soon()
    tick(publisher, 2)
    await soon()
    broker.become('take')
    tick(publisher, 3)
    await vi.advanceTimersByTimeAsync(4000)
    tick(publisher, 4)
    await soon()
    expect(broker.arrived.map(({ seq, heldFrom }) => [seq, heldFrom])).toEqual([
      [0, 0],
      [3, 1],
      [1, 1],
      [2, 2],
      [4, 4],
    ])
  })

  it('shows by an empty frame that it lives, only after a silence', async () => {
    const { broker, publisher, ledger } = start({ heartbeatMs: 5000 })
    for (let second = 0; second < 8; second++) {
      tick(publisher, second)
      await vi.advanceTimersByTimeAsync(1000)
    }
    expect(broker.arrived).toHaveLength(8)
    await vi.advanceTimersByTimeAsync(9000)
    expect(broker.arrived.slice(8).map(({ seq, firstSample, values }) => [seq, firstSample, values])).toEqual([
      [8, 8, []],
      [9, 8, []],
    ])
    expect(ledger.sent).toBe(8)
  })

  it('tries one held message at each heartbeat while no server listens', async () => {
    const { broker, publisher } = start({ heartbeatMs: 5000 })
    broker.become('no subscriber')
    await vi.advanceTimersByTimeAsync(60_000)
    expect(broker.attempts).toBe(12)
    broker.become('take')
    await vi.advanceTimersByTimeAsync(5000)
    expect(broker.arrived.map(({ seq }) => seq)).toEqual([0])
    await publisher.stop(never)
  })

  it('sends no empty message in a format without one', async () => {
    const { broker, publisher } = start({ codec: stubCodec('json', 1) })
    await vi.advanceTimersByTimeAsync(60_000)
    tick(publisher, 1, 2)
    await publisher.stop(never)
    expect(sent(broker)).toEqual([1, 2])
    expect(broker.arrived).toHaveLength(2)
  })

  it('drops a message that the broker refuses for good', async () => {
    const { broker, publisher, ledger } = start()
    broker.become('refused')
    tick(publisher, 1, 2)
    await soon()
    broker.become('take')
    await publisher.stop(never)
    expect(sent(broker)).toEqual([])
    expect(ledger.droppedBy).toEqual(new Map([['broker_refused', 2]]))
  })

  it('bounds the outbox by bytes and by age', async () => {
    const { broker, publisher, ledger } = start({ outboxMaxBytes: 10_000, outboxMaxAgeMs: 60_000 })
    broker.become('not_sent')
    for (let i = 0; i < 500; i++) {
      tick(publisher, i)
      await soon()
    }
    expect(publisher.outboxBytes).toBeLessThanOrEqual(10_000)
    expect(ledger.dropped).toBe(500 - publisher.held)
    expect(ledger.dropped).toBeGreaterThan(400)
    await vi.advanceTimersByTimeAsync(65_001)
    expect(publisher.held).toBe(0)
    expect([...ledger.droppedBy.keys()]).toEqual(['outbox_full', 'outbox_age'])
  })

  it('does not wait for a broker that does not answer, and bounds what is in flight', async () => {
    const { broker, publisher, ledger } = start()
    broker.become('hang')
    for (let i = 0; i < 3000; i++) tick(publisher, i)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(broker.attempts).toBe(1000)
    expect([ledger.held, publisher.held]).toEqual([3000, 3000])
    broker.become('take')
    await vi.advanceTimersByTimeAsync(10_000)
    expect(sent(broker)).toEqual(Array.from({ length: 3000 }, (_, i) => i))
  })

  it('sends nothing more to a broker that has answered nothing for a second, and goes on when it answers', async () => {
    const { broker, ledger, publisher } = start({ heartbeatMs: 1e6 })
    broker.behaviour = 'hang'
    tick(publisher, 1)
    await vi.advanceTimersByTimeAsync(900)
    tick(publisher, 2)
    await vi.advanceTimersByTimeAsync(100)
    for (const value of [3, 4, 5]) tick(publisher, value)
    expect(broker.attempts).toBe(2)
    expect(publisher.held).toBe(5)
    broker.become('take')
    await vi.advanceTimersByTimeAsync(10_000)
    expect(sent(broker)).toEqual([1, 2, 3, 4, 5])
    expect([ledger.sent, publisher.held]).toEqual([5, 0])
    await publisher.stop(never)
  })

  it('sends held messages again only when those before are answered', async () => {
    const { broker, publisher } = start({ heartbeatMs: 1e6 })
    broker.behaviour = 'no subscriber'
    for (let value = 0; value < 100; value++) tick(publisher, value)
    await soon()
    broker.behaviour = 'take'
    tick(publisher, 100)
    await vi.advanceTimersByTimeAsync(200)
    broker.behaviour = 'hang'
    const before = broker.attempts
    await vi.advanceTimersByTimeAsync(900)
    const burst = broker.attempts - before
    expect(burst).toBeGreaterThan(0)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(broker.attempts - before).toBe(burst)
    broker.become('take')
    await vi.advanceTimersByTimeAsync(60_000)
    expect(publisher.held).toBe(0)
    await publisher.stop(never)
  })

  it('holds messages while a memory broker is paused', async () => {
    const broker = new MemoryBroker({ logger })
    const { publisher, ledger } = start({ broker })
    const heard: number[] = []
    const subscription = await broker.subscribe((payload) => heard.push(...JSON.parse(payload.toString()).values))
    subscription.pause()
    for (let i = 0; i < 1500; i++) tick(publisher, i)
    await soon()
    expect([heard.length, ledger.held]).toEqual([0, 1500])
    subscription.resume()
    await vi.advanceTimersByTimeAsync(15_000)
    expect(heard).toEqual(Array.from({ length: 1500 }, (_, i) => i))
  })

  it('sends frames: samples, a heartbeat, the end', async () => {
    const broker = new MemoryBroker({ logger })
    const decoder = frameCodec.decoder(new SeriesTable())
    const heard: unknown[] = []
    await broker.subscribe((payload) => {
      const refusal = decoder.decode(payload, { receivedAt: Date.now() * 1000, tie: 0 }, () => {})
      const { run, seq, firstSample, heldFrom, sampleCount } = decoder.header
      heard.push(refusal ?? [run, seq, firstSample, heldFrom, sampleCount])
    })
    const { publisher } = start({ broker, codec: frameCodec })
    const cpu = seriesApart('cpu', [])
    cpu.field('usage', 'float')
    for (const value of [1, 2, 3]) publisher.add({ series: cpu, values: [value], at: value, tie: 0 })
    publisher.flush()
    await vi.advanceTimersByTimeAsync(5000)
    await publisher.stop(never)
    expect(heard).toEqual([
      ['h/agent/1', 0, 0, 0, 3],
      ['h/agent/1', 1, 3, 1, 0],
      ['h/agent/1', 2, 3, 2, 0],
    ])
  })

  describe('stop', () => {
    it('sends what is held, and an empty frame at the end', async () => {
      const throttle = new LogThrottle(logger)
      const { broker, publisher, ledger } = start({ throttle })
      broker.become('no subscriber')
      for (let i = 0; i < 100; i++) tick(publisher, i)
      await soon()
      broker.become('take')
      publisher.add(sample(100))
      const stopped = publisher.stop(never)
      expect(publisher.stop(never)).toBe(stopped)
      await stopped
      expect(sent(broker).sort((a, b) => a - b)).toEqual(Array.from({ length: 101 }, (_, i) => i))
      expect(broker.arrived.at(-1)).toMatchObject({ seq: 101, heldFrom: 101, firstSample: 101, values: [] })
      expect([ledger.sent, ledger.held, ledger.dropped]).toEqual([101, 0, 0])
      throttle.flush()
      expect(vi.getTimerCount()).toBe(0)
    })

    it('does not wait where no server listens, and counts what it drops', async () => {
      const { broker, publisher, ledger } = start()
      broker.become('no subscriber')
      for (let i = 0; i < 50; i++) tick(publisher, i)
      await publisher.stop(never)
      expect(ledger.droppedBy).toEqual(new Map([['stopped', 50]]))
      expect([ledger.held, publisher.held]).toEqual([0, 0])
    })

    it('ends at the signal, with any behaviour of the broker', async () => {
      const { broker, publisher, ledger } = start()
      broker.become('hang')
      tick(publisher, 1, 2, 3)
      const deadline = new AbortController()
      const stopped = publisher.stop(deadline.signal)
      await soon()
      deadline.abort()
      await stopped
      expect([ledger.produced, ledger.sent, ledger.dropped]).toEqual([3, 0, 3])
      broker.become('take')
      await soon()
      expect([ledger.produced, ledger.sent, ledger.dropped]).toEqual([3, 0, 3])
    })

    it('drops and counts samples that come after the end of the run', async () => {
      const { broker, publisher, ledger } = start()
      tick(publisher, 1)
      await publisher.stop(never)
      const arrived = broker.arrived.length
      tick(publisher, 2, 3, 4, 5, 6)
      await soon()
      expect(broker.arrived.length).toBe(arrived)
      expect([ledger.produced, ledger.sent, publisher.held]).toEqual([6, 1, 0])
      expect(ledger.droppedBy).toEqual(new Map([['stopped', 5]]))
    })
  })

  describe('with another encoder', () => {
    const MEBIBYTE = 2 ** 20

    /** What it has gathered is one sample, in so many bytes. */
    function gathered(value: number, bytes = 0): Pick<Encoder, 'count' | 'finish'> {
      const finish = (header: MessageHeader): Buffer =>
        Buffer.from(JSON.stringify({ ...header, values: [value], more: 'x'.repeat(bytes) }))
      return { count: 1, finish }
    }

    it('sends what it has gathered as a message of its own, and leaves the one that is being made', async () => {
      const { broker, publisher, ledger } = start()
      publisher.add(sample(1))
      publisher.send(gathered(7))
      publisher.send({ ...gathered(8), count: 0 })
      publisher.add(sample(2))
      publisher.flush()
      await soon()
      expect(broker.arrived.map(({ seq, firstSample, sampleCount, values }) => [seq, firstSample, sampleCount, values])).toEqual([[0, 0, 1, [7]], [1, 1, 2, [1, 2]]]) // biome-ignore format: one line
      expect([ledger.produced, ledger.sent, publisher.held]).toEqual([3, 3, 0])
    })

    it('holds what no server takes, and drops and counts what comes after the end of the run', async () => {
      const { broker, publisher, ledger } = start()
      broker.become('no subscriber')
      publisher.send(gathered(1))
      await soon()
      expect([ledger.sent, publisher.held]).toEqual([0, 1])
      broker.become('take')
      await publisher.stop(never)
      publisher.send(gathered(2))
      await soon()
      expect([sent(broker), ledger.produced, ledger.sent]).toEqual([[1], 2, 1])
      expect(ledger.droppedBy).toEqual(new Map([['stopped', 1]]))
    })

    it('waits for the pace of a burst over Pub/Sub alone, and not beyond the signal', async () => {
      const roomAfter = async (kind: Broker['kind'], signal: AbortSignal): Promise<number> => {
        const { publisher } = start({}, kind)
        for (const value of [1, 2, 3]) publisher.send(gathered(value, 2 * MEBIBYTE))
        await soon()
        const sinceMs = performance.now()
        let roomMs = Number.NaN
        void publisher.room(signal).then(() => (roomMs = performance.now() - sinceMs))
        await vi.advanceTimersByTimeAsync(10_000)
        await publisher.stop(never)
        return roomMs
      }
      expect(await roomAfter('pubsub', never)).toBeGreaterThanOrEqual(250)
      expect(await roomAfter('streams', never)).toBe(0)
      expect(await roomAfter('memory', never)).toBe(0)
      expect(await roomAfter('pubsub', AbortSignal.abort())).toBe(0)
    })

    it('has room as long as few bytes are in flight, and then once the broker has answered', async () => {
      const { broker, publisher } = start({}, 'streams')
      broker.become('hang')
      const events: string[] = []
      const askForRoom = (name: string, signal = never): void =>
        void publisher.room(signal).then(() => events.push(name))
      publisher.send(gathered(1, 2 * MEBIBYTE))
      askForRoom('of 2 MiB')
      await soon()
      publisher.send(gathered(2, 3 * MEBIBYTE))
      askForRoom('of 5 MiB')
      const stop = new AbortController()
      askForRoom('at the signal', stop.signal)
      await vi.advanceTimersByTimeAsync(60_000)
      expect(events).toEqual(['of 2 MiB'])
      stop.abort()
      await soon()
      expect(events).toEqual(['of 2 MiB', 'at the signal'])
      await publisher.room(stop.signal)
      broker.become('take')
      await soon()
      expect(events).toEqual(['of 2 MiB', 'at the signal', 'of 5 MiB'])
    })

    it.each<Behaviour>(['no subscriber', 'not_sent', 'unknown: it did not', 'refused'])(
      'has room again after the answer %s',
      async (behaviour) => {
        const { broker, publisher } = start({}, 'streams')
        broker.become('hang')
        for (const value of [1, 2, 3]) publisher.send(gathered(value, 2 * MEBIBYTE))
        const room = publisher.room(never)
        broker.become(behaviour)
        await room
      },
    )

    it('keeps the outbox empty where each message waits for room, and fills it where none does', async () => {
      const { broker, publisher, ledger } = start({}, 'streams')
      let largest = 0
      broker.become('hang')
      for (let value = 0; value < 20; value++) {
        publisher.send(gathered(value, 2 * MEBIBYTE))
        largest = Math.max(largest, publisher.outboxBytes)
        const room = publisher.room(never)
        if (value % 3 === 2) broker.become('take')
        broker.become('hang')
        if (value % 3 === 2) await room
      }
      broker.become('take')
      await soon()
      expect([sent(broker), largest, ledger.sent]).toEqual([Array.from({ length: 20 }, (_, i) => i), 0, 20])
      broker.become('hang')
      for (let value = 0; value < 20; value++) publisher.send(gathered(value, 2 * MEBIBYTE))
      expect(publisher.outboxBytes).toBeGreaterThan(20 * MEBIBYTE)
      broker.become('take')
      await publisher.stop(never)
    })
  })

  it('balances under any faults, and sends again only what the broker may not have taken', async () => {
    const behaviours = fc.constantFrom<Behaviour[]>(
      ...([
        'take',
        'no subscriber',
        'not_sent',
        'refused',
        'unknown: it arrived',
        'unknown: it did not',
        'hang',
      ] as const),
    )
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ tick: fc.nat(9) }) },
      { weight: 1, arbitrary: fc.record({ table: fc.nat(4) }) },
      { weight: 2, arbitrary: fc.record({ become: behaviours }) },
      { weight: 2, arbitrary: fc.record({ waitMs: fc.constantFrom(0, 20, 60, 1000, 7000) }) },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { broker, publisher, ledger } = start({ outboxMaxBytes: 6000, outboxMaxAgeMs: 20_000 })
        let next = 0
        for (const one of steps) {
          if ('tick' in one) {
            for (let i = 0; i < one.tick; i++) publisher.add(sample(1e6 + next++))
            publisher.flush()
          } else if ('table' in one) {
            const encoder = stubCodec().encoder()
            for (let i = 0; i < one.table; i++) encoder.add(sample(1e6 + next++))
            publisher.send(encoder)
          } else if ('become' in one) broker.become(one.become)
          else await vi.advanceTimersByTimeAsync(one.waitMs)
          expect(ledger.produced).toBe(next)
          expect(ledger.held).toBe(publisher.held)
        }
        broker.become('take')
        await publisher.stop(never)
        expect(publisher.held).toBe(0)
        expect(ledger.produced).toBe(ledger.sent + ledger.dropped)

        const times = new Map<number, number>()
        for (const { seq } of broker.arrived) times.set(seq, (times.get(seq) ?? 0) + 1)
        for (const [seq, count] of times) if (count > 1) expect(broker.unknown).toContain(seq)
        const distinct = new Set(sent(broker)).size
        expect(distinct).toBeGreaterThanOrEqual(ledger.sent)
        expect(distinct).toBeLessThanOrEqual(ledger.produced)
        const last = broker.arrived.at(-1)!
        expect([last.firstSample, last.values]).toEqual([next, []])
        expect(last.heldFrom).toBe(last.seq)
      }),
      { numRuns: 300 },
    )
  })
})

describe('runId', () => {
  it('names host, role and start', () => {
    expect(runId('web-01', 'agent')).toMatch(/^web-01\/agent\/[0-9a-f]{8}$/)
    expect(runId('web-01', 'agent')).not.toBe(runId('web-01', 'agent'))
    expect(runId('h'.repeat(300), 'agent').length).toBeLessThan(120)
  })
})
