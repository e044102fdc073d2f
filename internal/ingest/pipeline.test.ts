import fc from 'fast-check'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { HandClock } from '../../test/support/live-feed.ts'
import { json, packed } from '../../test/support/raw-redis.ts'
import { type Asked, AWAY, BYTES_A_SAMPLE, ScriptedStore, STORED } from '../../test/support/scripted-store.ts'
import type { MessageHandler, SubscribeOptions, Subscription } from '../broker/broker.ts'
import { MemoryBroker } from '../broker/memory/broker.ts'
import { blankHeader, type MessageHeader } from '../codec/codec.ts'
import { MessageDecoder } from '../codec/detect.ts'
import { frameCodec } from '../codec/frame.ts'
import type { DeadLetter } from '../dead-letters/dead-letters.ts'
import { LatencyRecorder } from '../observe/latency.ts'
import { LogThrottle } from '../observe/log-throttle.ts'
import { isRefusal } from '../sample/border.ts'
import { ServerLedger } from '../sample/ledger.ts'
import type { Sample } from '../sample/sample.ts'
import { SeriesTable } from '../sample/series.ts'
import { LossTracker } from './loss/loss.ts'
import { Pipeline, type PipelineOptions } from './pipeline.ts'

const silent = pino({ level: 'silent' })
const TWENTY_SECONDS_US = 20_000_000
/** The clock of all tests begins here, µs; a sample of `OLD` is before any time window. */
const NOW = new HandClock().time
const OLD = NOW - 86_400e6
const series = new SeriesTable().intern('m', [], 0)
if (isRefusal(series)) throw new Error(series.detail)
series.field('v', 'float')

/** A sample whose only value is `value`; what the scripted store does with it depends on that. */
const sample = (value: number, at = NOW): Sample => ({ series, values: [value], at, tie: 0 })

/** A frame of these samples: the store refuses those below 0. */
function frame(samples: readonly Sample[], header: Partial<MessageHeader> = {}): Buffer {
  const encoder = frameCodec.encoder()
  for (const each of samples) encoder.add(each)
  return encoder.finish({ ...blankHeader(), sentAt: NOW, ...header })
}
const frameOf = (...values: number[]): Buffer => frame(values.map((value) => sample(value)))

/** A subscription that the test controls: it delivers the test's messages unless it is paused, if it can be paused. */
class HandSubscription implements Subscription {
  readonly canPause: boolean
  readonly acks: number[] = []
  readonly events: string[] = []
  onAck: (upTo: number) => void = () => {}
  #handler: MessageHandler | undefined
  #paused = false
  readonly #waiting: Buffer[] = []
  delivered = 0

  constructor(canPause: boolean) {
    this.canPause = canPause
  }

  poison: (payload: Buffer, id: string, deliveries: number) => void | Promise<void> = () => {}

  readonly subscribe = async (handler: MessageHandler, options: SubscribeOptions = {}): Promise<Subscription> => {
    this.#handler = handler
    this.poison = (payload, id, deliveries) => options.onPoison?.(payload, id, deliveries, 'the process died of it')
    return this
  }

  deliver(payload: Buffer): void {
    if (this.#paused && this.canPause) this.#waiting.push(payload)
    else this.#handler!(payload, { id: ++this.delivered, tie: 0, redelivered: false })
  }

  pause(): void {
    this.events.push('pause')
    this.#paused = true
  }

  storeAway(): void {}

  resume(): void {
    this.events.push('resume')
    this.#paused = false
    while (!this.#paused && this.#waiting.length > 0) this.deliver(this.#waiting.shift()!)
  }

  ack(upTo: number): void {
    this.acks.push(upTo)
    this.onAck(upTo)
  }

  async stop(): Promise<void> {
    this.events.push('stop')
  }

  async close(): Promise<void> {
    this.events.push('close')
  }
}

/** Throws the bugs of a pipeline, so that a test fails. */
const throwBug: PipelineOptions['onBug'] = (bug) => {
  throw bug
}

interface SceneOptions
  extends Partial<Pick<PipelineOptions, 'brokerKeepsUnacked' | 'queueMaxBytes' | 'logger' | 'onBug'>> {
  readonly holdsLetters?: boolean
}

function setUp(options: SceneOptions = {}) {
  const { brokerKeepsUnacked = false, queueMaxBytes = 1e9, holdsLetters = false, logger = silent } = options
  const { onBug } = { onBug: throwBug, ...options }
  const store = new ScriptedStore()
  const clock = new HandClock()
  const ledger = new ServerLedger()
  const loss = new LossTracker()
  const latencies = { internal: new LatencyRecorder(), e2e: new LatencyRecorder(), durable: new LatencyRecorder() }
  const live: number[] = []
  const letters: DeadLetter[] = []
  /** Ends each wait for the dead letters to be written. */
  const written: Array<() => void> = []
  let messages = 0
  const pipeline = new Pipeline({
    decoder: new MessageDecoder(new SeriesTable()),
    live: ({ values: [value] }) => live.push(value as number),
    onMessage: () => messages++,
    writer: store,
    ledger,
    loss,
    latencies,
    clock,
    logger,
    throttle: new LogThrottle(logger),
    timeWindow: { maxAgeUs: TWENTY_SECONDS_US, maxFutureUs: TWENTY_SECONDS_US },
    flushMinMs: 10,
    flushMaxMs: 250,
    durableTargetMs: 50,
    queueMaxBytes,
    brokerKeepsUnacked,
    replayBytesPerSecond: 1e9,
    deadLetters: {
      add: (letter) => void letters.push(letter),
      written: () => (holdsLetters ? new Promise((resolve) => written.push(resolve)) : Promise.resolve()),
    },
    onBug,
  })
  const counts = (): number[] => Object.values(latencies).map((recorder) => recorder.total().count)
  return { store, clock, ledger, loss, latencies, counts, live, letters, written, pipeline, messages: () => messages }
}

async function start({ canPause = true, ...options }: Parameters<typeof setUp>[0] & { canPause?: boolean } = {}) {
  const scene = setUp(options)
  const broker = new HandSubscription(canPause)
  await scene.pipeline.start(broker.subscribe)
  return { ...scene, broker }
}

const outcomes = ({ received, written, rejected, dropped, held }: ServerLedger): number[] => [
  ...[received, written, rejected, dropped, held],
]

/** Lets an open batch become old enough to be sealed, and the promises that are due come to rest. */
const seal = (): Promise<unknown> => vi.advanceTimersByTimeAsync(300)
const never = new AbortController().signal

/** From now on the store takes every write, including those that wait for an answer. */
function takeAll(store: ScriptedStore): void {
  const write = store.write.bind(store)
  store.write = (batch, signal) => {
    const result = write(batch, signal)
    store.asked.pop()!.answer(STORED)
    return result
  }
  for (const { answer } of store.asked.splice(0)) answer(STORED)
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('Pipeline', () => {
  it('logs a bug of its write queue once, and goes on', async () => {
    const lines: string[] = []
    const logger = pino({ level: 'error' }, { write: (line) => void lines.push(line) })
    const { pipeline, broker, store, ledger } = await start({ logger, onBug: undefined })
    broker.deliver(frameOf(1))
    takeAll(store)
    await pipeline.finish(never)
    for (let n = 0; n < 3; n++) await pipeline.finish(never)
    expect(lines.map((line) => JSON.parse(line).err.message)).toEqual([
      'life is closed: it knows no "drain"',
      'life is closed: it knows no "close"',
    ])
    expect(outcomes(ledger)).toEqual([1, 1, 0, 0, 0])
  })

  it('writes what it decodes, shows it live, and acks in order once the store has it', async () => {
    const { pipeline, broker, store, ledger, live, messages } = await start()
    broker.deliver(frameOf(1, 2))
    broker.deliver(json(3, 0, NOW / 1000))
    broker.deliver(packed(4, 0, NOW / 1000))
    expect([live, messages()]).toEqual([[1, 2, 3, 4], 3]) // biome-ignore format: two things
    await seal()
    expect(store.asked.map(({ values }) => values)).toEqual([[1, 2, 3], [4]])
    store.asked[1]!.answer(STORED)
    await seal()
    expect([broker.acks, outcomes(ledger)]).toEqual([[], [4, 1, 0, 0, 3]])
    store.asked[0]!.answer(STORED)
    await seal()
    expect([broker.acks, outcomes(ledger)]).toEqual([[2, 3], [4, 4, 0, 0, 0]]) // biome-ignore format: two things
    await pipeline.finish(never)
    expect(broker.events).toEqual(['close'])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('holds a memory broker back while the queue is full, and loses nothing', async () => {
    const { pipeline, store, ledger } = setUp({ queueMaxBytes: 5 * BYTES_A_SAMPLE })
    const broker = new MemoryBroker({ logger: silent })
    await pipeline.start((handler) => broker.subscribe(handler))
    const answers = Promise.all([1, 2, 3, 4, 5, 6, 7, 8, 9].map((value) => broker.publish('key', frameOf(value))))
    const taken = vi.fn()
    void answers.then(taken)
    await seal()
    expect(taken).not.toHaveBeenCalled()
    expect(outcomes(ledger)).toEqual([7, 0, 0, 0, 7])
    takeAll(store)
    await seal()
    expect(await answers).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1])
    await pipeline.stopIntake()
    await pipeline.finish(never)
    expect(outcomes(ledger)).toEqual([9, 9, 0, 0, 0])
    expect(store.stored).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  describe('what cannot be stored', () => {
    const cut = (payload: Buffer): Buffer => payload.subarray(0, payload.length - 1)
    const asText = new SeriesTable().intern('m', [], 0)
    if (isRefusal(asText)) throw new Error(asText.detail)
    asText.field('v', 'string')
    const otherKind: Sample = { series: asText, values: ['text'], at: NOW, tie: 0 }
    const WRONG_TIMES = frame([sample(1, OLD), sample(2), sample(3, OLD)])
    const cases: Array<[string, Buffer, Array<[string, number]>]> = [
      ['rubbish counts as one', Buffer.from('rubbish'), [['not_a_message', 1]]],
      ['a frame that is cut off counts as the samples that it claims', cut(frameOf(1, 2, 3)), [['frame_truncated', 3]]],
      ['one that claims none counts as one', cut(frameOf()), [['frame_truncated', 1]]],
      ['samples from long ago', WRONG_TIMES, [['time_too_old', 2]]],
      ['samples that no store takes', frameOf(-1, 2, -3), [['no_fields', 2]]],
      ['a sample of which a field has another kind', frame([sample(1), otherKind, sample(2)]), [['field_type', 1]]],
    ]
    it.each(cases)('%s', async (_name, payload, rejected) => {
      const { pipeline, broker, store, ledger, live } = await start()
      takeAll(store)
      broker.deliver(payload)
      broker.deliver(frameOf(9))
      expect(ledger.rejectedBy).toEqual(new Map(rejected))
      await pipeline.finish(never)
      expect(ledger.held).toBe(0)
      // What has a wrong time alone is shown live: it tells that the host lives, and how wrong its clock is.
      const isLive = payload === WRONG_TIMES ? [1, ...store.stored.slice(0, 1), 3, 9] : store.stored
      expect(live).toEqual(isLive)
      expect(live.at(-1)).toBe(9)
      expect(broker.acks.at(-1)).toBe(2)
    })

    it('samples that the store refuses', async () => {
      const { pipeline, broker, store, ledger } = await start()
      broker.deliver(frameOf(1, 2, 3))
      await seal()
      const refusal = { reason: 'store_refused', detail: 'field type conflict' } as const
      store.asked[0]!.answer({
        next: 'ack',
        rejected: [
          { index: 1, line: 'm v=2', refusal },
          { index: -1, line: '', refusal },
        ],
      })
      await seal()
      expect(outcomes(ledger)).toEqual([3, 1, 2, 0, 0])
      expect(ledger.rejectedBy).toEqual(new Map([['store_refused', 2]]))
      expect(broker.acks).toEqual([1])
      await pipeline.finish(never)
    })

    it('is not lost on the way besides', async () => {
      const { pipeline, broker, store, ledger, loss } = await start()
      takeAll(store)
      const numbered = (seq: number, ...values: number[]): Buffer =>
        frame(
          values.map((value) => sample(value)),
          { run: 'a', seq, firstSample: seq * 2, heldFrom: seq, heldFirstSample: seq * 2 },
        )
      broker.deliver(numbered(0, 1, 2))
      broker.deliver(cut(numbered(1, 3, 4)))
      broker.deliver(numbered(2, 5, 6))
      broker.deliver(numbered(4, 9, 10))
      broker.deliver(Buffer.from('rubbish'))
      expect([loss.lostMessages, loss.lostSamples, loss.unnumberedMessages]).toEqual([1, 2, 0])
      expect(ledger.received).toBe(9)
      await pipeline.finish(never)
    })

    it('counts as no more samples than it has room for, and its numbers as no more than can be true', async () => {
      const { pipeline, broker, ledger, loss } = await start()
      const wrong = { run: 'a', seq: Number.MAX_SAFE_INTEGER - 1, heldFrom: Number.MAX_SAFE_INTEGER - 1 }
      const claiming = cut(frame([sample(1)], wrong)).subarray(0, 80)
      claiming.writeUInt32LE(65_536, 8)
      broker.deliver(frame([sample(1)], { run: 'a', seq: 0 }))
      broker.deliver(claiming)
      broker.deliver(frame([sample(2)], { run: 'a', seq: 1, firstSample: 1, heldFrom: 1, heldFirstSample: 1 }))
      expect([ledger.received, ledger.rejected]).toEqual([12, 10])
      expect([loss.lostSamples, loss.duplicateMessages, loss.doubtedMessages]).toEqual([0, 0, 1])
      await pipeline.finish(AbortSignal.abort())
    })

    it('nor is a JSON message with a number', async () => {
      const { pipeline, broker, loss } = await start()
      const numbered = (seq: number, rest: string): Buffer => Buffer.from(`{"source":"a","seq":${seq}${rest}}`)
      const times = `"send_time_unix_nano":${NOW}000`
      broker.deliver(numbered(0, `,"cpu_usage":1,${times}`))
      broker.deliver(numbered(1, ''))
      broker.deliver(numbered(3, `,"cpu_usage":1,${times}`))
      expect([loss.lostMessages, loss.lostSamples, loss.duplicateMessages]).toEqual([1, 1, 0])
      await pipeline.finish(AbortSignal.abort())
    })
  })

  describe('dead letters', () => {
    it('hold what was rejected, with the reason and where it comes from', async () => {
      const { pipeline, broker, store, clock, letters } = await start()
      const odd = { index: 0, line: 'm v=1 1', refusal: { reason: 'store_refused', detail: 'a conflict' } } as const
      const unnamed = { ...odd, index: -1, line: 'm v=1 1\nm v=2 1' } as const
      clock.time = NOW + 2000
      broker.deliver(Buffer.from('rubbish'))
      broker.deliver(frame([sample(1), sample(2, OLD), sample(-3)], { run: 'a', seq: 0 }))
      pipeline.take(sample(4, OLD))
      await seal()
      store.asked[0]!.answer({ next: 'ack', rejected: [odd, unnamed, { ...unnamed, line: '' }] })
      await seal()
      expect(letters.map(({ kind, reason, source, payload }) => [kind, reason, source, `${payload}`])).toEqual([
        ['message', 'not_a_message', '', 'rubbish'],
        ['line', 'time_too_old', 'a', `m v=2 ${OLD}000`],
        ['line', 'no_fields', 'a', `m v=-3 ${NOW}000`],
        ['line', 'time_too_old', '', `m v=4 ${OLD}000`],
        ['line', 'store_refused', 'a', 'm v=1 1'],
        ['line', 'store_refused', '', 'm v=1 1\nm v=2 1'],
      ])
      expect(new Set(letters.map(({ at }) => at))).toEqual(new Set([(NOW + 2000) / 1000]))
      expect(letters.at(-1)?.detail).toContain('the store does not say which')
      await pipeline.finish(never)
    })

    it('hold each bad row of a list of readings, and the others are stored', async () => {
      const { pipeline, broker, store, ledger, letters } = await start()
      const row = { metric: 'DCGM_FI_DEV_GPU_UTIL', time: NOW, uuid: 'GPU-1', value: 57 }
      const rows = [row, { ...row, value: 'ERROR' }, { ...row, uuid: 'GPU-2', value: 4294967295 }]
      broker.deliver(Buffer.from(JSON.stringify(rows)))
      await seal()
      store.asked[0]!.answer(STORED)
      await seal()
      expect(letters.map(({ kind, reason, payload }) => [kind, reason, JSON.parse(`${payload}`)])).toEqual([
        ['message', 'not_a_number', [rows[1]]],
        ['message', 'out_of_range', [rows[2]]],
      ])
      expect(ledger).toMatchObject({ received: 3, written: 1, rejected: 2 })
      await pipeline.finish(never)
    })

    it('show a sample without a value by its series', async () => {
      const { pipeline, letters } = await start()
      pipeline.take({ ...sample(-1), values: [] })
      expect(letters.map(({ payload }) => payload)).toEqual(['m'])
      await pipeline.finish(never)
    })

    it('are written before that is acked which they come from', async () => {
      const { pipeline, broker, written } = await start({ holdsLetters: true })
      broker.deliver(Buffer.from('rubbish'))
      broker.deliver(Buffer.from('more'))
      await seal()
      expect(broker.acks).toEqual([])
      written.shift()!()
      await seal()
      expect(broker.acks).toEqual([1])
      while (written.length > 0) written.shift()!()
      await seal()
      expect(broker.acks).toEqual([1, 2])
      broker.deliver(Buffer.from('again'))
      const finished = pipeline.finish(never)
      await seal()
      expect([broker.acks.at(-1), broker.events]).toEqual([2, []])
      while (written.length > 0) written.shift()!()
      await finished
      expect([broker.acks.at(-1), broker.events]).toEqual([3, ['close']])
    })

    it('hold a poison message, which counts as one sample and is not read', async () => {
      const { pipeline, broker, ledger, letters, written } = await start({ holdsLetters: true })
      const given = vi.fn()
      void Promise.resolve(broker.poison(frameOf(1, 2, 3), '5-0', 6)).then(given)
      await seal()
      expect(given).not.toHaveBeenCalled()
      written.shift()!()
      await seal()
      expect(given).toHaveBeenCalled()
      expect([outcomes(ledger), ledger.rejectedBy]).toEqual([[1, 0, 1, 0, 0], new Map([['poison', 1]])])
      expect(letters).toMatchObject([{ kind: 'message', reason: 'poison', payload: frameOf(1, 2, 3) }])
      expect(letters[0]?.detail).toContain('5-0, delivered 6 times')
      void broker.poison(frameOf(1), '', 1)
      expect(letters[1]?.detail).not.toContain('delivered')
      written.shift()!()
      await pipeline.finish(never)
    })
  })

  it('takes samples of its own, which are in every sum but in no message', async () => {
    const { pipeline, broker, store, ledger, live, messages, counts } = await start()
    takeAll(store)
    pipeline.take(sample(1))
    pipeline.take(sample(2, OLD))
    pipeline.take(sample(-3))
    await pipeline.finish(never)
    expect(outcomes(ledger)).toEqual([3, 1, 2, 0, 0])
    expect([ledger.own, ledger.messages, messages(), counts()]).toEqual([3, 0, 0, [0, 0, 0]])
    expect([live, store.stored, broker.acks]).toEqual([[1], [1], []])
  })

  it('gives its own samples up, rather than a message, when the queue of a broker that is held back is full', async () => {
    const { pipeline, broker, ledger } = await start({ queueMaxBytes: 3 * BYTES_A_SAMPLE })
    broker.deliver(frameOf(1, 2, 3, 4, 5, 6, 7))
    expect(broker.events).toEqual(['pause'])
    for (let i = 0; i < 100; i++) pipeline.take(sample(i))
    expect(ledger.droppedBy).toEqual(new Map([['queue_full', 100]]))
    expect(outcomes(ledger)).toEqual([107, 0, 0, 100, 7])
    expect(ledger.ownDropped).toBe(100)
    await pipeline.finish(AbortSignal.abort())
  })

  it('records each latency once a message, and only where it is known', async () => {
    const { pipeline, broker, clock, store, latencies, counts } = await start()
    broker.deliver(frame([1, 2, 3, 4, 5].map((value) => sample(value))))
    expect(counts()).toEqual([1, 1, 0])
    broker.deliver(frame([sample(6)], { sentAt: 0 }))
    expect(counts()).toEqual([2, 1, 0])
    broker.deliver(Buffer.from('rubbish'))
    broker.deliver(frame([sample(7, OLD)]))
    broker.deliver(frameOf())
    expect(counts()).toEqual([2, 1, 0])
    clock.time = NOW + 5000
    broker.deliver(frameOf(8))
    takeAll(store)
    await pipeline.finish(never)
    expect(counts()).toEqual([3, 2, 2])
    expect(latencies.e2e.total().max).toBe(5000)
    expect([latencies.durable.total().percentile(1), latencies.durable.total().max]).toEqual([5000, 5000])
  })

  it('is not held up by a wall clock that is set back', async () => {
    const { pipeline, broker, clock, store } = await start()
    broker.deliver(frameOf(1, 2, 3, 4))
    clock.time -= 3600e6
    store.asked[0]!.answer(STORED)
    await seal()
    expect(store.asked[1]?.values).toEqual([4])
    await pipeline.finish(AbortSignal.abort())
  })

  describe('at the end, with a store that stays away', () => {
    const cases: Array<[string, boolean, Array<[string, number]>]> = [
      ['what it holds is dropped where no broker keeps it', false, [['stopped', 5]]],
      ['what it holds is left to a broker that keeps it, but for its own samples', true, [['stopped', 1]]],
    ]
    it.each(cases)('%s', async (_name, brokerKeepsUnacked, dropped) => {
      const { pipeline, broker, store, ledger } = await start({ brokerKeepsUnacked, canPause: brokerKeepsUnacked })
      broker.deliver(frameOf(1, 2, 3))
      broker.deliver(frameOf(4))
      pipeline.take(sample(5))
      store.asked[0]!.answer(AWAY)
      await seal()
      await pipeline.stopIntake()
      const deadline = new AbortController()
      const finished = pipeline.finish(deadline.signal)
      await vi.advanceTimersByTimeAsync(10_000)
      expect(ledger.dropped).toBe(0)
      deadline.abort()
      await finished
      expect(ledger.droppedBy).toEqual(new Map(dropped))
      expect(outcomes(ledger)).toEqual([5, 0, 0, ledger.dropped, 5 - ledger.dropped])
      expect(pipeline.held).toBe(ledger.held)
      expect([broker.acks, broker.events]).toEqual([[], ['stop', 'close']])
      expect(vi.getTimerCount()).toBe(0)
      for (const { answer } of store.asked) answer(STORED)
      await seal()
      expect([broker.acks, ledger.written, vi.getTimerCount()]).toEqual([[], 0, 0])
    })
  })

  it('lets a broker go that comes only after the end', async () => {
    const { pipeline } = setUp()
    const broker = new HandSubscription(true)
    let comesUp: (subscription: Subscription) => void = () => {}
    const started = pipeline.start(() => new Promise((resolve) => (comesUp = resolve)))
    await pipeline.finish(never)
    comesUp(broker)
    await started
    expect(broker.events).toEqual(['close'])
  })
})

type Step =
  | { readonly kind: 'frame' | 'cut'; readonly fates: readonly Fate[] }
  | { readonly kind: 'json' | 'packed' | 'rubbish' }
  | { readonly kind: 'own'; readonly fate: Fate }
  | { readonly kind: 'answer'; readonly newest: boolean; readonly result: 'retry' | 'wait' | readonly boolean[] }
  | { readonly kind: 'wait'; readonly ms: number }
type Fate = 'good' | 'refused' | 'old'

const fate = fc.constantFrom<Fate>('good', 'good', 'good', 'refused', 'old')
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('frame' as const), fates: fc.array(fate, { maxLength: 7 }) }) },
  fc.record({ kind: fc.constant('cut' as const), fates: fc.array(fate, { minLength: 1, maxLength: 4 }) }),
  fc.record({ kind: fc.constantFrom('json' as const, 'packed' as const, 'rubbish' as const) }),
  fc.record({ kind: fc.constant('own' as const), fate }),
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      newest: fc.boolean(),
      result: fc.oneof(fc.constantFrom('retry' as const, 'wait' as const), fc.array(fc.boolean(), { maxLength: 3 })),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 2000 }) }) },
)

/** Answers a write as the step says. Booleans tell which of its samples the store refuses. */
function answer({ values, answer }: Asked, result: (Step & { kind: 'answer' })['result']): void {
  if (result === 'retry' || result === 'wait') answer({ next: result, problem: result })
  else {
    const indexes = values.map((_value, index) => index).filter((index) => result[index])
    const refusal = { reason: 'store_refused', detail: 'so it is written' } as const
    answer({ next: 'ack', rejected: indexes.map((index) => ({ index, line: '', refusal })) })
  }
}

describe('Pipeline, with any messages and any answers of the store', () => {
  it.each([
    ['that can be held back', true],
    ['that cannot', false],
  ])('accounts for every sample of a broker %s, and acks none too soon', async (_name, canPause) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        vi.useFakeTimers()
        const { pipeline, broker, store, ledger } = await start({ canPause, queueMaxBytes: 12 * BYTES_A_SAMPLE })
        let sent = 0
        let value = 0
        /** By delivery, the last value in it or before: values rise. */
        const lastValues: number[] = [0]
        const own = new Set<number>()
        const ackedTooSoon: number[] = []
        broker.onAck = (upTo) => {
          const last = lastValues[upTo] ?? value
          if (store.held.some((held) => held <= last && !own.has(held))) ackedTooSoon.push(upTo)
        }
        const make = (fates: readonly Fate[]): Sample[] =>
          fates.map((fate) => (fate === 'refused' ? sample(-1) : sample(++value, fate === 'old' ? OLD : NOW)))
        const deliver = (payload: Buffer, samples: number): void => {
          sent += samples
          lastValues.push(value)
          broker.deliver(payload)
        }

        for (const step of steps) {
          if (step.kind === 'frame') deliver(frame(make(step.fates)), step.fates.length)
          else if (step.kind === 'cut') deliver(frame(make(step.fates)).subarray(0, -1), step.fates.length)
          else if (step.kind === 'json') deliver(json(++value, 0, NOW / 1000), 1)
          else if (step.kind === 'packed') deliver(packed(++value, 0, NOW / 1000), 1)
          else if (step.kind === 'own') {
            sent++
            const [each] = make([step.fate])
            own.add(each!.values[0] as number)
            pipeline.take(each!)
          } else if (step.kind === 'wait') await vi.advanceTimersByTimeAsync(step.ms)
          else if (step.kind === 'rubbish') deliver(Buffer.from('rubbish'), 1)
          else if (step.kind === 'answer') {
            const asked = step.newest ? store.asked.pop() : store.asked.shift()
            if (asked !== undefined) answer(asked, step.result)
            await vi.advanceTimersByTimeAsync(0)
          }
          expect([pipeline.held, ledger.held]).toEqual([store.held.length, store.held.length])
          expect(ledger.written).toBeLessThanOrEqual(store.stored.length)
          expect(ackedTooSoon).toEqual([])
          if (canPause) expect(ledger.dropped).toBeLessThanOrEqual(own.size)
        }

        takeAll(store)
        await vi.advanceTimersByTimeAsync(60_000)
        await pipeline.stopIntake()
        await pipeline.finish(never)
        expect(outcomes(ledger)).toEqual([sent, store.stored.length, ledger.rejected, ledger.dropped, 0])
        expect(sent).toBe(ledger.written + ledger.rejected + ledger.dropped)
        expect(new Set(store.stored).size).toBe(store.stored.length)
        expect(broker.acks).toEqual([...new Set(broker.acks)].sort((a, b) => a - b))
        expect(broker.acks.at(-1) ?? 0).toBe(broker.delivered)
        expect(broker.delivered).toBe(lastValues.length - 1)
        expect([store.openBatches, vi.getTimerCount()]).toEqual([0, 0])
        vi.useRealTimers()
      }),
      { numRuns: 80 },
    )
  })
})
