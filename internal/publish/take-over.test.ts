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
import { Series } from '../sample/series.ts'
import { openSegmentLog, type SegmentLog } from '../spool/segment-log.ts'
import { Publisher, type PublisherOptions } from './publisher.ts'

const logger = pino({ level: 'silent' })
const series = new Series('m', 'm', [])
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
class Life {
  readonly ledger = new PublisherLedger()
  readonly publisher: Publisher
  readonly log: SegmentLog
  /** Samples that the broker has not answered to. */
  onItsWay = 0
  readonly #folder: string
  #isDead = false

  private constructor(folder: string, log: SegmentLog, broker: FaultyBroker, options: Partial<PublisherOptions>) {
    this.#folder = folder
    this.log = log
    // The dead hear no answer.
    const publish = async (key: string, payload: Buffer): Promise<number> => {
      const samples = (JSON.parse(payload.toString()) as StubMessage).values.length
      this.onItsWay += samples
      const answer = this.#isDead ? Promise.resolve(0) : broker.publish(key, payload)
      await answer.catch(() => {})
      if (this.#isDead) return new Promise(() => {})
      this.onItsWay -= samples
      return answer
    }
    this.publisher = new Publisher({
      ...{ broker: Object.assign(Object.create(broker), { publish }), codec: stubCodec(), runId: 'a/1' },
      ...{ clock: { now: () => Date.now() * 1000 }, ticks: () => Date.now() * 1000 },
      ...{ ledger: this.ledger, log, logger, throttle: new LogThrottle(logger) },
      ...options,
    })
  }

  static async start(folder: string, broker: FaultyBroker, options: Partial<PublisherOptions> = {}): Promise<Life> {
    const log = options.log ?? (await openLog(folder))
    const life = new Life(folder, log, broker, options)
    await life.publisher.start()
    return life
  }

  tick(...values: number[]): void {
    for (const value of values) this.publisher.add({ series, values: [value], at: 0, tie: 0 })
    this.publisher.flush()
  }

  /** In order, but without patience for a broker that does not answer. */
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
const someSeconds = (): Promise<unknown> => vi.advanceTimersByTimeAsync(10_000)
const upTo = (end: number): number[] => Array.from({ length: end }, (_, i) => i)

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'] })
})

afterEach(async () => {
  vi.useRealTimers()
  for (const folder of folders) await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  folders = []
})

describe('a publisher whose predecessor', () => {
  async function leave(how: 'stop' | 'kill', options: Partial<PublisherOptions> = {}): Promise<[FaultyBroker, string]> {
    const folder = await newFolder()
    const broker = new FaultyBroker()
    const first = await Life.start(folder, broker, { runId: 'first', ...options })
    first.tick(1000)
    await soon()
    broker.become('unheard')
    for (const value of upTo(100)) first.tick(value)
    await soon()
    first.balances()
    if (how === 'kill') return [broker, await first.kill()]
    await first.stop()
    expect(first.publisher.held).toBe(100 - (first.ledger.droppedBy.get('outbox_full') ?? 0))
    return [broker, folder]
  }

  it.each(['stop', 'kill'] as const)('ended by a %s sends what that held, as it was, beside its own', async (how) => {
    const [broker, folder] = await leave(how)
    broker.become('take')
    const second = await Life.start(folder, broker, { runId: 'second' })
    expect([second.ledger.takenOver, second.publisher.held]).toEqual([100, 100])
    broker.arrived.length = 0
    second.tick(2000)
    await vi.advanceTimersByTimeAsync(50)
    second.tick(2001)
    await someSeconds()
    expect(values(broker)).toEqual([2000, ...upTo(32), 2001, ...upTo(100).slice(32)])
    const old = broker.arrived.filter(({ run: source }) => source === 'first')
    expect(old.map(({ seq, firstSample }) => [seq, firstSample])).toEqual(upTo(101).map((i) => [i + 1, i + 1]))
    expect(old.slice(0, -1).map(({ heldFrom }) => heldFrom)).toEqual([
      ...Array(32).fill(1),
      ...Array(32).fill(33),
      ...Array(32).fill(65),
      ...Array(4).fill(97),
    ])
    expect(old.at(-1)).toMatchObject({ heldFrom: NOTHING_MORE, heldFirstSample: 101, values: [] })
    second.balances()
    await second.stop()
    expect([second.ledger.sent, second.ledger.held, second.log.records]).toEqual([102, 0, 0])
  })

  it('had a predecessor of its own sends what both held, the eldest first', async () => {
    const [broker, folder] = await leave('kill')
    const second = await Life.start(folder, broker, { runId: 'second' })
    for (const value of upTo(20)) second.tick(value + 100)
    await soon()
    const third = await Life.start(await second.kill(), broker, { runId: 'third' })
    broker.become('take')
    broker.arrived.length = 0
    third.tick(2000)
    await someSeconds()
    expect(values(broker)).toEqual([2000, ...upTo(120)])
    const ends = broker.arrived.filter(({ heldFrom }) => heldFrom === NOTHING_MORE)
    expect(ends.map(({ run: source, seq }) => [source, seq])).toEqual([
      ['first', 101],
      ['second', 20],
    ])
    await third.stop()
    expect(third.log.records).toBe(0)
  })

  it('was killed when it held nothing is said to have ended, however much it had sent', async () => {
    const broker = new FaultyBroker()
    const first = await Life.start(await newFolder(), broker, { runId: 'first' })
    broker.become('unheard')
    for (const value of upTo(300)) first.tick(value)
    await soon()
    broker.become('take')
    first.tick(300)
    await vi.advanceTimersByTimeAsync(60_000)
    expect([first.publisher.held, first.log.records <= 65]).toEqual([0, true])
    const second = await Life.start(await first.kill(), broker, { runId: 'second' })
    expect(second.ledger.takenOver).toBe(0)
    broker.arrived.length = 0
    second.tick(1000)
    await someSeconds()
    const ends = broker.arrived.filter(({ heldFrom }) => heldFrom === NOTHING_MORE)
    expect(ends.map(({ run: source, values }) => [source, values])).toEqual([['first', []]])
    await second.stop()
    expect(second.log.records).toBe(0)
  })

  it('was killed with messages on their way leaves nothing missing for ever', async () => {
    const broker = new FaultyBroker()
    const tracker = new LossTracker()
    const first = await Life.start(await newFolder(), broker, { runId: 'first' })
    first.tick(1, 2)
    await soon()
    const left = await first.kill()
    for (const message of broker.arrived) tracker.observe({ ...message, sampleCount: message.values.length })
    // Another of its messages has come, and two before it have not: they died with it.
    const last = { ...broker.arrived.at(-1)!, seq: 3, firstSample: 12, heldFrom: 1, heldFirstSample: 2 }
    tracker.observe({ ...last, sampleCount: 1 })
    expect(tracker.missingSamples).toBe(10)
    broker.arrived.length = 0
    const second = await Life.start(left, broker, { runId: 'second' })
    second.tick(1000)
    await someSeconds()
    await second.stop()
    for (const message of broker.arrived) tracker.observe({ ...message, sampleCount: message.values.length })
    expect([tracker.missingSamples, tracker.lostSamples]).toEqual([0, 10])
  })

  it('gave samples up has that told to the servers, over every restart', async () => {
    const [broker, folder] = await leave('stop', { outboxMaxBytes: 10_000 })
    const second = await Life.start(folder, broker, { runId: 'second', outboxMaxBytes: 3000 })
    second.balances()
    await second.stop()
    const third = await Life.start(folder, broker, { runId: 'third' })
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

  it('is long gone lets samples grow too old over the restart', async () => {
    const [broker, folder] = await leave('kill')
    vi.advanceTimersByTime(HOUR_MS + 1000)
    const second = await Life.start(folder, broker, { runId: 'second' })
    second.tick(2000)
    await someSeconds()
    expect(second.ledger.droppedBy).toEqual(new Map([['outbox_age', 100]]))
    await second.stop()
  })

  it('was never heard of leaves nothing for ever', async () => {
    const [broker, folder] = await leave('kill')
    for (let restart = 0; restart < 5; restart++) {
      vi.advanceTimersByTime(HOUR_MS / 2)
      const life = await Life.start(folder, broker, { runId: `restart ${restart}` })
      await someSeconds()
      await life.stop()
    }
    const last = await Life.start(folder, broker)
    expect(last.ledger.takenOver).toBe(0)
    await last.stop()
    const text = Buffer.concat(await Promise.all((await readdir(folder)).map((file) => readFile(join(folder, file)))))
    expect(text.includes('first')).toBe(false)
  })

  it.each([
    ['leapt ahead by a year', 365 * 24 * HOUR_MS, 0],
    ['went back by a year', -365 * 24 * HOUR_MS, 0],
    ['went back, and the machine was started anew', -365 * 24 * HOUR_MS, -1e15],
  ])('kept them before the clock %s loses none of them by it', async (_what, clockMs, ticks) => {
    const [broker, folder] = await leave('kill')
    const clock = { now: () => (Date.now() + clockMs) * 1000 }
    const options = { runId: 'second', clock, ticks: () => Date.now() * 1000 + ticks }
    const second = await Life.start(folder, broker, options)
    broker.become('take')
    second.tick(2000)
    await someSeconds()
    expect([second.ledger.sent, second.ledger.dropped]).toEqual([101, 0])
    await second.stop()
  })

  it('left a damaged disk counts what cannot be read, and sends the rest', async () => {
    const [broker, folder] = await leave('kill')
    const segments = (await readdir(folder)).filter((file) => file.endsWith('.log') || /\d/.test(file)).sort()
    const path = join(folder, segments[2]!)
    const bytes = await readFile(path)
    bytes.fill(0xff, bytes.length / 2, bytes.length / 2 + 50)
    await writeFile(path, bytes)
    const second = await Life.start(folder, broker, { runId: 'second' })
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

  it('was of another version, or another program, leaves what is counted and not sent', async () => {
    const [broker, folder] = await leave('kill')
    const log = await openLog(folder)
    for (const record of ['', 'x', '\u0001'.repeat(200)]) log.append([Buffer.from(record)], 7)
    await log.close()
    broker.become('take')
    const second = await Life.start(folder, broker, { runId: 'second' })
    expect([second.ledger.takenOver, second.publisher.held]).toEqual([121, 100])
    expect(second.ledger.droppedBy).toEqual(new Map([['outbox_damaged', 21]]))
    await second.stop()
    expect(second.log.records).toBe(0)
  })

  it('left what cannot be read today keeps it for the day when it can', async () => {
    const [broker, folder] = await leave('kill')
    const log = new Proxy(await openLog(folder), {
      get(target, name) {
        if (name === 'next') return async () => undefined
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const second = await Life.start(folder, broker, { runId: 'second', log })
    second.tick(...upTo(4).map((i) => 100 + i))
    await soon()
    broker.become('take')
    second.tick(2000)
    await someSeconds()
    expect(second.ledger.sent).toBe(5)
    await second.stop()
    const third = await Life.start(folder, broker, { runId: 'third' })
    third.tick(3000)
    await someSeconds()
    expect(new Set(values(broker))).toEqual(new Set([1000, ...upTo(104), 2000, 3000]))
    await third.stop()
    expect(third.log.records).toBe(0)
  })
})

it('holds in memory what the disk does not take, says so, and writes again when it does', async () => {
  const folder = await newFolder()
  await rm(folder, { recursive: true })
  await writeFile(folder, 'in the way')
  const broker = new FaultyBroker()
  broker.become('unheard')
  const first = await Life.start(folder, broker, { runId: 'first' })
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
  const second = await Life.start(folder, broker)
  expect(second.ledger.takenOver).toBe(4)
  await second.stop()
})

it('stopped while it still takes over what was left has all of it left for the next', async () => {
  const folder = await newFolder()
  const broker = new FaultyBroker()
  broker.become('unheard')
  const first = await Life.start(folder, broker)
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

it('says that there is no room on disk, and holds what comes all the same', async () => {
  const broker = new FaultyBroker()
  broker.become('unheard')
  const folder = await newFolder()
  const log = await openSegmentLog({ folder, maxBytes: 5000, segmentBytes: 1000, logger })
  const life = await Life.start(folder, broker, { log })
  for (const value of upTo(100)) life.tick(value)
  await soon()
  expect([life.publisher.held, life.publisher.problem]).toEqual([100, expect.stringContaining('no room')])
  broker.become('take')
  await someSeconds()
  life.balances()
  expect([life.ledger.sent, life.publisher.held]).toEqual([100, 0])
  broker.become('unheard')
  // The files that are done with go in their own time.
  do {
    life.tick(100)
    await soon()
    await new Promise((resolve) => setImmediate(resolve))
  } while (life.publisher.problem !== '')
  expect(life.publisher.held).toBeGreaterThan(0)
  await life.stop()
})

it('counts as dropped at the end what the disk did not take', async () => {
  const folder = await newFolder()
  await rm(folder, { recursive: true })
  await writeFile(folder, 'in the way')
  const broker = new FaultyBroker()
  broker.become('unheard')
  const life = await Life.start(folder, broker)
  life.tick(0, 1, 2)
  await life.stop()
  expect([life.publisher.held, life.ledger.droppedBy]).toEqual([0, new Map([['stopped', 3]])])
  life.balances()
})

it('never loses count, nor more than was on its way, whatever fails and however it ends', {
  timeout: 60_000,
}, async () => {
  const behaviours = fc.constantFrom<Behaviour[]>(
    ...(['take', 'unheard', 'not_sent', 'refused', 'unknown: it arrived', 'unknown: it did not', 'hang'] as const),
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
      let [lives, produced, dropped, refused, onTheirWay] = [1, 0, 0, 0, 0]
      const bury = ({ ledger }: Life): void => {
        dropped += ledger.dropped
        refused += ledger.droppedBy.get('broker_refused') ?? 0
      }
      let wasKilled = false
      let life = await Life.start(folder, broker, { ...options, runId: 'life 1' })
      for (const one of steps) {
        if (one === 'stop' || one === 'kill') {
          if (one === 'kill') {
            wasKilled = true
            // What is answered already is no longer on its way.
            await soon()
            onTheirWay += life.onItsWay
            bury(life)
            folder = await life.kill()
          } else {
            await life.stop()
            bury(life)
          }
          life = await Life.start(folder, broker, { ...options, runId: `life ${++lives}` })
        } else if ('tick' in one) life.tick(...upTo(one.tick).map(() => produced++))
        else if ('become' in one) broker.become(one.become)
        else await vi.advanceTimersByTimeAsync(one.waitMs)
        life.balances()
      }
      broker.become('take')
      life.tick(produced++)
      await someSeconds()
      await life.stop()
      bury(life)
      life.balances()
      expect([life.publisher.held, life.log.records]).toEqual([0, 0])

      const missing = produced - new Set(values(broker)).size
      expect(missing).toBeLessThanOrEqual(dropped + onTheirWay)
      const tracker = new LossTracker()
      for (const message of broker.arrived) tracker.observe({ ...message, sampleCount: message.values.length })
      expect(tracker.withdrawnSamples).toBeLessThanOrEqual(dropped)
      // Nothing that was kept came before a server first heard of the source; of what was refused a server may hear first by an older message.
      expect(tracker.lostSamples).toBeLessThanOrEqual(wasKilled ? missing : refused)
      if (!wasKilled) expect(tracker.missingSamples).toBe(0)
    }),
    { numRuns: 60 },
  )
})
