import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Behaviour, FaultyBroker, type StubMessage, stubCodec } from '../../test/support/faulty-broker.ts'
import { NOTHING_MORE } from '../codec/codec.ts'
import { LossTracker } from '../ingest/loss/loss.ts'
import { LogThrottle } from '../observe/log-throttle.ts'
import { PublisherLedger } from '../sample/ledger.ts'
import { seriesApart } from '../sample/series.ts'
import { openSegmentLog, type SegmentLog } from '../spool/segment-log.ts'
import { Publisher, type PublisherOptions } from './publisher.ts'

const logger = pino({ level: 'silent' })
const series = seriesApart('m', [])
const HOUR_MS = 3_600_000
let folders: string[] = []

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sentinel-outbox-'))
  folders.push(folder)
  return folder
}

function openLog(folder: string): Promise<SegmentLog> {
  return openSegmentLog({ folder, maxBytes: 2 ** 20, segmentBytes: 1000, logger })
}

/** A process that publishes from a folder, to a broker that outlives it. */
class TestProcess {
  readonly ledger = new PublisherLedger()
  readonly publisher: Publisher
  readonly log: SegmentLog
  /** Samples that the broker has not answered to. */
  inFlight = 0
  readonly #folder: string
  #isDead = false

  private constructor(folder: string, log: SegmentLog, broker: FaultyBroker, options: Partial<PublisherOptions>) {
    this.#folder = folder
    this.log = log
    // A killed process gets no answer.
    const publish = async (key: string, payload: Buffer): Promise<number> => {
      const samples = (JSON.parse(payload.toString()) as StubMessage).values.length
      this.inFlight += samples
      const answer = this.#isDead ? Promise.resolve(0) : broker.publish(key, payload)
      await answer.catch(() => {})
      if (this.#isDead) return new Promise(() => {})
      this.inFlight -= samples
      return answer
    }
    this.publisher = new Publisher({
      ...{ broker: Object.assign(Object.create(broker), { publish }), codec: stubCodec(), runId: 'a/1' },
      ...{ clock: { now: () => Date.now() * 1000 }, uptimeUs: () => Date.now() * 1000 },
      ...{ ledger: this.ledger, log, logger, throttle: new LogThrottle(logger) },
      ...options,
    })
  }

  static async start(
    folder: string,
    broker: FaultyBroker,
    options: Partial<PublisherOptions> = {},
  ): Promise<TestProcess> {
    const log = options.log ?? (await openLog(folder))
    const agent = new TestProcess(folder, log, broker, options)
    await agent.publisher.start()
    return agent
  }

  tick(...values: number[]): void {
    for (const value of values) this.publisher.add({ series, values: [value], at: 0, tie: 0 })
    this.publisher.flush()
  }

  /** A normal stop that does not wait for a broker that does not answer. */
  async stop(): Promise<void> {
    const deadline = new AbortController()
    const stopped = this.publisher.stop(deadline.signal)
    for (let i = 0; i < 20; i++) await soon()
    deadline.abort()
    await stopped
  }

  /** What `kill -9` leaves: the folder as it is. @returns the copy that the next process finds */
  async kill(): Promise<string> {
    await this.log.written()
    const left = await newFolder()
    await cp(this.#folder, left, { recursive: true })
    this.#isDead = true
    await this.publisher.stop(AbortSignal.abort())
    return left
  }

  balances(): void {
    const { produced, takenOver, sent, dropped } = this.ledger
    expect(produced + takenOver).toBe(sent + dropped + this.publisher.held)
  }
}

const values = (broker: FaultyBroker): number[] => broker.arrived.flatMap((message) => message.values)
const soon = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)
const someSeconds = (): Promise<unknown> => vi.advanceTimersByTimeAsync(20_000)
const upTo = (end: number): number[] => Array.from({ length: end }, (_, i) => i)

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] })
})

afterEach(async () => {
  vi.useRealTimers()
  for (const folder of folders) await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  folders = []
})

describe('a publisher whose predecessor', () => {
  async function leaveHeld(
    how: 'stop' | 'kill',
    options: Partial<PublisherOptions> = {},
  ): Promise<[FaultyBroker, string]> {
    const folder = await newFolder()
    const broker = new FaultyBroker()
    const first = await TestProcess.start(folder, broker, { runId: 'first', ...options })
    first.tick(1000)
    await soon()
    broker.become('no subscriber')
    for (const value of upTo(100)) first.tick(value)
    await soon()
    first.balances()
    if (how === 'kill') return [broker, await first.kill()]
    await first.stop()
    expect(first.publisher.held).toBe(100 - (first.ledger.droppedBy.get('outbox_full') ?? 0))
    return [broker, folder]
  }

  it.each(['stop', 'kill'] as const)(
    'was ended by %s sends the held messages unchanged, beside its own',
    async (how) => {
      const [broker, folder] = await leaveHeld(how)
      broker.become('take')
      const second = await TestProcess.start(folder, broker, { runId: 'second' })
      expect([second.ledger.takenOver, second.publisher.held]).toEqual([100, 100])
      broker.arrived.length = 0
      second.tick(2000)
      await vi.advanceTimersByTimeAsync(50)
      second.tick(2001)
      await someSeconds()
      expect(values(broker).filter((value) => value < 1000)).toEqual(upTo(100))
      expect(values(broker).indexOf(2001)).toBeLessThan(values(broker).indexOf(50))
      const old = broker.arrived.filter(({ run }) => run === 'first')
      expect(old.map(({ seq, firstSample }) => [seq, firstSample])).toEqual(upTo(101).map((i) => [i + 1, i + 1]))
      // Of a burst each says the first, of which the answer is not there yet.
      const heldFrom = old.slice(0, -1).map((message) => message.heldFrom)
      expect(heldFrom).toEqual(heldFrom.toSorted((a, b) => a - b))
      expect(old.slice(0, -1).filter((message) => message.heldFrom > message.seq)).toEqual([])
      expect(old.at(-1)).toMatchObject({ heldFrom: NOTHING_MORE, heldFirstSample: 101, values: [] })
      second.balances()
      await second.stop()
      expect([second.ledger.sent, second.ledger.held, second.log.records]).toEqual([102, 0, 0])
    },
  )

  it('had a predecessor itself sends the held messages of both, the oldest run first', async () => {
    const [broker, folder] = await leaveHeld('kill')
    const second = await TestProcess.start(folder, broker, { runId: 'second' })
    for (const value of upTo(20)) second.tick(value + 100)
    await soon()
    const third = await TestProcess.start(await second.kill(), broker, { runId: 'third' })
    broker.become('take')
    broker.arrived.length = 0
    third.tick(2000)
    await someSeconds()
    expect(values(broker)).toEqual([2000, ...upTo(120)])
    const ends = broker.arrived.filter(({ heldFrom }) => heldFrom === NOTHING_MORE)
    expect(ends.map(({ run, seq }) => [run, seq])).toEqual([
      ['first', 101],
      ['second', 20],
    ])
    await third.stop()
    expect(third.log.records).toBe(0)
  })

  it('was killed while it held nothing sends the end marker of that run, however much it had sent', async () => {
    const broker = new FaultyBroker()
    const first = await TestProcess.start(await newFolder(), broker, { runId: 'first' })
    broker.become('no subscriber')
    for (const value of upTo(300)) first.tick(value)
    await soon()
    broker.become('take')
    first.tick(300)
    await vi.advanceTimersByTimeAsync(60_000)
    expect([first.publisher.held, first.log.records <= 65]).toEqual([0, true])
    const second = await TestProcess.start(await first.kill(), broker, { runId: 'second' })
    expect(second.ledger.takenOver).toBe(0)
    broker.arrived.length = 0
    second.tick(1000)
    await someSeconds()
    const ends = broker.arrived.filter(({ heldFrom }) => heldFrom === NOTHING_MORE)
    expect(ends.map(({ run, values }) => [run, values])).toEqual([['first', []]])
    await second.stop()
    expect(second.log.records).toBe(0)
  })

  it('was killed with messages in flight leaves none of them missing for ever', async () => {
    const broker = new FaultyBroker()
    const tracker = new LossTracker()
    const first = await TestProcess.start(await newFolder(), broker, { runId: 'first' })
    first.tick(1, 2)
    await soon()
    const left = await first.kill()
    for (const message of broker.arrived) tracker.observe({ ...message, sampleCount: message.values.length })
    // Another message of it has arrived. The two before it have not: they ended with the process.
    const last = { ...broker.arrived.at(-1)!, seq: 3, firstSample: 12, heldFrom: 1, heldFirstSample: 2 }
    tracker.observe({ ...last, sampleCount: 1 })
    expect(tracker.missingSamples).toBe(10)
    broker.arrived.length = 0
    const second = await TestProcess.start(left, broker, { runId: 'second' })
    second.tick(1000)
    await someSeconds()
    await second.stop()
    for (const message of broker.arrived) tracker.observe({ ...message, sampleCount: message.values.length })
    expect([tracker.missingSamples, tracker.lostSamples]).toEqual([0, 10])
  })

  it('withdrew samples tells the servers how many, over every restart', async () => {
    const [broker, folder] = await leaveHeld('stop', { outboxMaxBytes: 10_000 })
    const second = await TestProcess.start(folder, broker, { runId: 'second', outboxMaxBytes: 3000 })
    second.balances()
    await second.stop()
    const third = await TestProcess.start(folder, broker, { runId: 'third' })
    broker.become('take')
    third.tick(2000)
    await someSeconds()
    await third.stop()
    const tracker = new LossTracker()
    for (const message of broker.arrived) tracker.observe({ ...message, sampleCount: message.values.length })
    const gone = 100 - values(broker).filter((value) => value < 1000).length
    expect(gone).toBeGreaterThan(50)
    expect([tracker.lostSamples, tracker.withdrawnSamples, tracker.missingSamples]).toEqual([0, gone, 0])
  })

  it('ended long ago drops the samples that grew too old over the restart', async () => {
    const [broker, folder] = await leaveHeld('kill')
    vi.advanceTimersByTime(HOUR_MS + 1000)
    const second = await TestProcess.start(folder, broker, { runId: 'second' })
    second.tick(2000)
    await someSeconds()
    expect(second.ledger.droppedBy).toEqual(new Map([['outbox_age', 100]]))
    await second.stop()
  })

  it('was never heard of by a server leaves no record for ever', async () => {
    const [broker, folder] = await leaveHeld('kill')
    for (let restart = 0; restart < 5; restart++) {
      vi.advanceTimersByTime(HOUR_MS / 2)
      const agent = await TestProcess.start(folder, broker, { runId: `restart ${restart}` })
      await someSeconds()
      await agent.stop()
    }
    const last = await TestProcess.start(folder, broker)
    expect(last.ledger.takenOver).toBe(0)
    await last.stop()
    const text = Buffer.concat(await Promise.all((await readdir(folder)).map((file) => readFile(join(folder, file)))))
    expect(text.includes('first')).toBe(false)
  })

  it.each([
    ['leapt ahead by a year', 365 * 24 * HOUR_MS, 0],
    ['went back by a year', -365 * 24 * HOUR_MS, 0],
    ['went back, and the machine restarted', -365 * 24 * HOUR_MS, -1e15],
  ])('held samples before the clock %s loses none of them', async (_what, clockMs, offsetUs) => {
    const [broker, folder] = await leaveHeld('kill')
    const clock = { now: () => (Date.now() + clockMs) * 1000 }
    const options = { runId: 'second', clock, uptimeUs: () => Date.now() * 1000 + offsetUs }
    const second = await TestProcess.start(folder, broker, options)
    broker.become('take')
    second.tick(2000)
    await someSeconds()
    expect([second.ledger.sent, second.ledger.dropped]).toEqual([101, 0])
    await second.stop()
  })

  it('left a damaged log counts what cannot be read, and sends the rest', async () => {
    const [broker, folder] = await leaveHeld('kill')
    const segments = (await readdir(folder)).filter((file) => file.endsWith('.log') || /\d/.test(file)).sort()
    const path = join(folder, segments[2]!)
    const bytes = await readFile(path)
    bytes.fill(0xff, bytes.length / 2, bytes.length / 2 + 50)
    await writeFile(path, bytes)
    const second = await TestProcess.start(folder, broker, { runId: 'second' })
    const damaged = second.ledger.droppedBy.get('outbox_damaged') ?? 0
    expect(damaged).toBeGreaterThan(0)
    expect(second.ledger.takenOver).toBe(100)
    second.balances()
    broker.become('take')
    second.tick(2000)
    await someSeconds()
    await second.stop()
    const tracker = new LossTracker()
    for (const message of broker.arrived) tracker.observe({ ...message, sampleCount: message.values.length })
    expect([values(broker).length, tracker.lostSamples, tracker.withdrawnSamples]).toEqual([102 - damaged, 0, damaged])
  })

  it.each([
    ['first', 0],
    ['third', 2],
  ])(
    'left a damaged %s file: a server that hears of the run only now does not count it as lost',
    async (_which, file) => {
      const [broker, folder] = await leaveHeld('kill')
      const segments = (await readdir(folder)).filter((name) => /\d/.test(name)).sort()
      const path = join(folder, segments[file]!)
      const bytes = await readFile(path)
      bytes.fill(0xff, 20, bytes.length / 2)
      await writeFile(path, bytes)
      const before = broker.arrived.length
      const second = await TestProcess.start(folder, broker, { runId: 'second' })
      expect(second.ledger.droppedBy.get('outbox_damaged')).toBeGreaterThan(0)
      broker.become('take')
      second.tick(2000)
      await someSeconds()
      await second.stop()
      const [fresh, known] = [new LossTracker(), new LossTracker()]
      const all = broker.arrived.map((message) => ({ ...message, sampleCount: message.values.length }))
      for (const message of all.slice(before)) fresh.observe(message)
      for (const message of all) known.observe(message)
      expect([fresh.lostSamples, known.lostSamples, known.missingSamples]).toEqual([0, 0, 0])
      expect(known.withdrawnSamples).toBe(second.ledger.droppedBy.get('outbox_damaged'))
    },
  )

  it('left records of another version or program counts them, and does not send them', async () => {
    const [broker, folder] = await leaveHeld('kill')
    const log = await openLog(folder)
    for (const record of ['', 'x', '\u0001'.repeat(200)]) log.append([Buffer.from(record)], 7)
    await log.close()
    broker.become('take')
    const second = await TestProcess.start(folder, broker, { runId: 'second' })
    expect([second.ledger.takenOver, second.publisher.held]).toEqual([121, 100])
    expect(second.ledger.droppedBy).toEqual(new Map([['outbox_damaged', 21]]))
    await second.stop()
    expect(second.log.records).toBe(0)
  })

  it('left records that cannot be read now keeps them until they can', async () => {
    const [broker, folder] = await leaveHeld('kill')
    const log = new Proxy(await openLog(folder), {
      get(target, name) {
        if (name === 'next') return async () => undefined
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const second = await TestProcess.start(folder, broker, { runId: 'second', log })
    second.tick(...upTo(4).map((i) => 100 + i))
    await soon()
    broker.become('take')
    second.tick(2000)
    await someSeconds()
    expect(second.ledger.sent).toBe(5)
    await second.stop()
    const third = await TestProcess.start(folder, broker, { runId: 'third' })
    third.tick(3000)
    await someSeconds()
    expect(new Set(values(broker))).toEqual(new Set([1000, ...upTo(104), 2000, 3000]))
    await third.stop()
    expect(third.log.records).toBe(0)
  })
})

it('holds in memory what the disk does not take, says so, and writes it once the disk takes it', async () => {
  const folder = await newFolder()
  await rm(folder, { recursive: true })
  await writeFile(folder, 'in the way')
  const broker = new FaultyBroker()
  broker.become('no subscriber')
  const first = await TestProcess.start(folder, broker, { runId: 'first' })
  first.tick(0, 1, 2)
  await soon()
  await first.log.written()
  expect([first.publisher.held, first.publisher.problem]).toEqual([3, expect.stringContaining(folder)])
  await rm(folder)
  first.tick(3)
  await soon()
  await vi.waitFor(async () => {
    await vi.advanceTimersByTimeAsync(1000)
    expect(first.publisher.problem).toBe('')
  })
  await first.stop()
  expect([first.publisher.held, first.ledger.dropped]).toEqual([4, 0])
  const second = await TestProcess.start(folder, broker)
  expect(second.ledger.takenOver).toBe(4)
  await second.stop()
})

it('a publisher that is stopped while it takes over leaves all of it to the next one', async () => {
  const folder = await newFolder()
  const broker = new FaultyBroker()
  broker.become('no subscriber')
  const first = await TestProcess.start(folder, broker)
  for (const value of upTo(100)) first.tick(value)
  await first.stop()
  const log = await openLog(folder)
  const options = { broker, codec: stubCodec(), runId: 'second', ledger: new PublisherLedger(), log, logger }
  const clock = { now: () => Date.now() * 1000 }
  const second = new Publisher({ ...options, clock, throttle: new LogThrottle(logger) })
  const started = second.start()
  await second.stop(AbortSignal.abort())
  await started
  expect([second.held, log.samples]).toEqual([100, 100])
})

it('says that there is no room on disk, and holds new samples in memory', async () => {
  const broker = new FaultyBroker()
  broker.become('no subscriber')
  const folder = await newFolder()
  const log = await openSegmentLog({ folder, maxBytes: 5000, segmentBytes: 1000, logger })
  const agent = await TestProcess.start(folder, broker, { log })
  for (const value of upTo(100)) agent.tick(value)
  await soon()
  expect([agent.publisher.held, agent.publisher.problem]).toEqual([100, expect.stringContaining('no room')])
  broker.become('take')
  await someSeconds()
  agent.balances()
  expect([agent.ledger.sent, agent.publisher.held]).toEqual([100, 0])
  broker.become('no subscriber')
  // The log removes committed files a little later.
  do {
    agent.tick(100)
    await soon()
    await new Promise((resolve) => setImmediate(resolve))
  } while (agent.publisher.problem !== '')
  expect(agent.publisher.held).toBeGreaterThan(0)
  await agent.stop()
})

it('counts as dropped at the stop what the disk did not take', async () => {
  const folder = await newFolder()
  await rm(folder, { recursive: true })
  await writeFile(folder, 'in the way')
  const broker = new FaultyBroker()
  broker.become('no subscriber')
  const agent = await TestProcess.start(folder, broker)
  agent.tick(0, 1, 2)
  await agent.stop()
  expect([agent.publisher.held, agent.ledger.droppedBy]).toEqual([0, new Map([['stopped', 3]])])
  agent.balances()
})

it('balances, and loses only messages in flight, with any failures and any end of the process', {
  timeout: 60_000,
}, async () => {
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
    { weight: 5, arbitrary: fc.record({ tick: fc.nat(9) }) },
    { weight: 3, arbitrary: fc.record({ become: behaviours }) },
    { weight: 3, arbitrary: fc.record({ waitMs: fc.constantFrom(0, 60, 1000, 7000) }) },
    { weight: 1, arbitrary: fc.constant('stop') },
    { weight: 1, arbitrary: fc.constant('kill') },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const broker = new FaultyBroker()
      const options = { outboxMaxBytes: 6000, outboxMaxAgeMs: 20_000 }
      let folder = await newFolder()
      let [processes, produced, dropped, refused, inFlight] = [1, 0, 0, 0, 0]
      const countDropped = ({ ledger }: TestProcess): void => {
        dropped += ledger.dropped
        refused += ledger.droppedBy.get('broker_refused') ?? 0
      }
      let wasKilled = false
      let agent = await TestProcess.start(folder, broker, { ...options, runId: 'run 1' })
      for (const one of steps) {
        if (one === 'stop' || one === 'kill') {
          if (one === 'kill') {
            wasKilled = true
            // A message that the broker has answered is no longer in flight.
            await soon()
            inFlight += agent.inFlight
            countDropped(agent)
            folder = await agent.kill()
          } else {
            await agent.stop()
            countDropped(agent)
          }
          agent = await TestProcess.start(folder, broker, { ...options, runId: `run ${++processes}` })
        } else if ('tick' in one) agent.tick(...upTo(one.tick).map(() => produced++))
        else if ('become' in one) broker.become(one.become)
        else await vi.advanceTimersByTimeAsync(one.waitMs)
        agent.balances()
      }
      broker.become('take')
      agent.tick(produced++)
      await someSeconds()
      await agent.stop()
      countDropped(agent)
      agent.balances()
      expect([agent.publisher.held, agent.log.records]).toEqual([0, 0])

      const missing = produced - new Set(values(broker)).size
      expect(missing).toBeLessThanOrEqual(dropped + inFlight)
      const tracker = new LossTracker()
      for (const message of broker.arrived) tracker.observe({ ...message, sampleCount: message.values.length })
      expect(tracker.withdrawnSamples).toBeLessThanOrEqual(dropped)
      // No held message came before a server first heard of its run. Of a refused one a server may hear first by an
      // older message.
      expect(tracker.lostSamples).toBeLessThanOrEqual(wasKilled ? missing : refused)
      if (!wasKilled) expect(tracker.missingSamples).toBe(0)
    }),
    { numRuns: 60 },
  )
})
