import fc from 'fast-check'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { HandClock } from '../../test/support/live-feed.ts'
import { type DiskFault, fakeTime, MemoryDisk, over } from '../../test/support/memory-disk.ts'
import { AWAY, ScriptedStore, STORED } from '../../test/support/scripted-store.ts'
import type { MessageHandler, Subscription } from '../broker/broker.ts'
import { MessageDecoder } from '../codec/detect.ts'
import { frameCodec } from '../codec/frame.ts'
import { LatencyRecorder } from '../observe/latency.ts'
import { LogThrottle } from '../observe/log-throttle.ts'
import { isRefusal } from '../sample/border.ts'
import { ServerLedger } from '../sample/ledger.ts'
import { SeriesTable } from '../sample/series.ts'
import { openSegmentLog, type SegmentLog } from '../spool/segment-log.ts'
import type { Batch, WriteResult } from '../store/store.ts'
import { LossTracker } from './loss/loss.ts'
import { Pipeline } from './pipeline.ts'
import type { WhenFull } from './write-queue/batch-spool.ts'

const logger = pino({ level: 'silent' })
const NOW = new HandClock().time
const series = new SeriesTable().intern('m', [], 0)
if (isRefusal(series)) throw new Error(series.detail)
series.field('v', 'float')

type Mood = 'takes' | 'takes in any order' | 'is away' | 'hangs' | 'fails on some' | 'refuses some'

/** Answers by its mood: at once, or never. */
class MoodyStore extends ScriptedStore {
  mood: Mood = 'takes'

  override write(batch: Batch, signal: AbortSignal): Promise<WriteResult> {
    const result = super.write(batch, signal)
    const { values, answer } = this.asked.pop()!
    if (this.mood === 'takes in any order') setTimeout(() => answer(STORED), (values[0]! * 7919) % 60)
    else if (this.mood !== 'hangs') answer(this.#answer(values))
    else signal.addEventListener('abort', () => answer(AWAY), { once: true })
    return result
  }

  #answer(values: readonly number[]): WriteResult {
    const refusal = { reason: 'store_refused', detail: 'of its mood' } as const
    switch (this.mood) {
      case 'is away':
        return AWAY
      case 'fails on some':
        return values.some((value) => value % 5 === 0) ? { next: 'postpone', problem: 'it fails on this' } : STORED
      case 'refuses some': {
        const rejected = values.flatMap((value, index) => (value % 3 === 0 ? [{ index, line: 'm v=3', refusal }] : []))
        return { next: 'ack', rejected }
      }
      default:
        return STORED
    }
  }
}

/** One process of a server's pipeline on a disk. */
class Life {
  readonly ledger = new ServerLedger()
  readonly store: MoodyStore
  readonly acked = { upTo: 0 }
  readonly disk: MemoryDisk
  readonly #pipeline: Pipeline
  /** The values of each message. */
  readonly #delivered: number[][] = []
  #handler!: MessageHandler

  private constructor(store: MoodyStore, disk: MemoryDisk, log: SegmentLog, { maxBytes, whenFull }: Surroundings) {
    this.store = store
    this.disk = disk
    this.#pipeline = new Pipeline({
      ...{ decoder: new MessageDecoder(new SeriesTable()), live: () => {}, writer: store, ledger: this.ledger },
      ...{ loss: new LossTracker(), clock: new HandClock(), logger, throttle: new LogThrottle(logger) },
      latencies: { internal: new LatencyRecorder(), e2e: new LatencyRecorder(), durable: new LatencyRecorder() },
      timeWindow: { maxAgeUs: 20e6, maxFutureUs: 20e6 },
      ...{ flushMinMs: 10, flushMaxMs: 250, durableTargetMs: 50, queueMaxBytes: 1500, brokerKeepsUnacked: false },
      spool: { log, maxBytes, whenFull },
      replayBytesPerSecond: 10_000,
      deadLetters: { add: () => {}, written: async () => {} },
      onBug: (bug) => {
        throw bug
      },
    })
  }

  static async start(disk: MemoryDisk, mood: Mood, surroundings: Surroundings): Promise<Life> {
    const store = new MoodyStore()
    store.mood = mood
    store.limits.replays = surroundings.replays
    const { maxBytes } = surroundings
    const log = await over(openSegmentLog({ folder: '/spool', maxBytes, segmentBytes: 300, logger, files: disk }))
    const life = new Life(store, disk, log, surroundings)
    await life.#pipeline.start(async (handler) => {
      life.#handler = handler
      return life.#subscription()
    })
    return life
  }

  deliver(values: readonly number[]): void {
    const encoder = frameCodec.encoder()
    for (const value of values)
      encoder.add({ series: series as Exclude<typeof series, { reason: string }>, values: [value], at: NOW, tie: 0 })
    const header = { run: '', seq: -1, firstSample: 0, heldFrom: 0, sentAt: NOW, sampleCount: 0 }
    this.#delivered.push([...values])
    this.#handler(encoder.finish(header as never), { id: this.#delivered.length, tie: 0, redelivered: false })
  }

  own(value: number): void {
    this.#pipeline.take({
      series: series as Exclude<typeof series, { reason: string }>,
      values: [value],
      at: NOW,
      tie: 0,
    })
  }

  /** The values acked so far, which must be found in the end. */
  get promised(): number[] {
    return this.#delivered.slice(0, this.acked.upTo).flat()
  }

  get held(): number {
    return this.#pipeline.held
  }

  expectBalance(): void {
    const { received, takenOver, written, rejected, dropped } = this.ledger
    const accounted = written + rejected + dropped + this.held
    // Asked so often that most of the time would go into `expect`.
    if (received + takenOver !== accounted) expect.fail(`${received} + ${takenOver} are ${accounted}`)
  }

  async wait(ms: number): Promise<void> {
    await over(new Promise((resolve) => void setTimeout(resolve, ms)), () => this.expectBalance())
  }

  async stop(): Promise<void> {
    const stop = new AbortController()
    const timer = setTimeout(() => stop.abort(), 25_000)
    await over(this.#pipeline.finish(stop.signal), () => this.expectBalance())
    clearTimeout(timer)
    this.expectBalance()
  }

  #subscription(): Subscription {
    const nothing = (): void => {}
    return {
      ...{ canPause: true, pause: nothing, resume: nothing, storeAway: nothing },
      ack: (upTo) => {
        this.acked.upTo = upTo
      },
      ...{ stop: async () => {}, close: async () => {} },
    } as Subscription
  }
}

type Step =
  | { readonly kind: 'message'; readonly samples: number }
  | { readonly kind: 'own' }
  | { readonly kind: 'mood'; readonly mood: Mood }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'disk'; readonly fault: DiskFault | undefined }
  | { readonly kind: 'stop' | 'kill' }

/** What stays the same over the lives. */
interface Surroundings {
  readonly maxBytes: number
  readonly whenFull: WhenFull
  readonly replays: number
  readonly delaysMs: readonly number[]
}

const moods = fc.constantFrom<Mood>(
  'takes',
  'takes in any order',
  'takes in any order',
  'is away',
  'is away',
  'hangs',
  'hangs',
  'fails on some',
  'refuses some',
)
const step = (...ends: Array<'stop' | 'kill'>): fc.Arbitrary<Step> =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant('message' as const), samples: fc.integer({ min: 0, max: 20 }) }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'own' as const }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('mood' as const), mood: moods }) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(0, 20, 300, 1100, 5000) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom(...ends) }) },
  )

const faults = fc.record({
  kind: fc.constant('disk' as const),
  fault: fc.constantFrom<DiskFault | undefined>(undefined, undefined, undefined, 'full', 'busy', 'broken'),
})
/** With and without writes from the spool beside the others. */
const replaysBeside = fc.constantFrom(0, 4)
const disks = fc.array(fc.constantFrom(0, 0, 2, 30, 400, 3000), { minLength: 1, maxLength: 7 })

const RUNS = { numRuns: 12 }

const message = (samples: number): Step => ({ kind: 'message', samples })
const wait = (ms: number): Step => ({ kind: 'wait', ms })
const OWN: Step = { kind: 'own' }
const STOP: Step = { kind: 'stop' }
const store = (mood: Mood): Step => ({ kind: 'mood', mood })
const disk = (fault: DiskFault | undefined): Step => ({ kind: 'disk', fault })

/** Batches that the store postpones fill the memory, then the server adds a sample of its own. */
const POSTPONED_OVER_THE_BOUND = [store('fails on some'), message(15), wait(1100), message(10), OWN]
/** The disk is still reading what is to be written when the server stops. */
const STOPPED_WHILE_IT_READS = [message(16), STOP, wait(5000)]
/** The files of the process before cannot be opened at the start, and can later. */
const CANNOT_BE_OPENED = [store('is away'), message(3), STOP, disk('busy'), STOP, message(3), wait(5000)]
const OPENED_LATER = [...CANNOT_BE_OPENED, disk(undefined), wait(5000), store('takes'), wait(5000)]
/** No file can be closed at the stop. */
const STOPPED_ON_A_BROKEN_DISK = [message(19), wait(5000), disk('broken'), STOP]

describe('received + taken over = written + rejected + dropped + held', { timeout: 120_000 }, () => {
  beforeEach(fakeTime)
  afterEach(() => void vi.useRealTimers())

  /**
   * Goes through the steps, then lets disk and store take everything.
   *
   * @returns all lives, every value taken in, and those acked before a kill
   */
  async function live(
    steps: readonly Step[],
    surroundings: Surroundings,
  ): Promise<{ lives: Life[]; sent: number[]; promised: number[] }> {
    let mood: Mood = 'takes'
    const start = (disk: MemoryDisk): Promise<Life> => Life.start(disk, mood, surroundings)
    const lives = [await start(new MemoryDisk(surroundings.delaysMs))]
    const sent: number[] = []
    const promised: number[] = []
    for (const step of [...steps, disk(undefined), STOP]) {
      const life = lives.at(-1)!
      switch (step.kind) {
        case 'message': {
          const values = Array.from({ length: step.samples }, (_, i) => sent.length + 1 + i)
          sent.push(...values)
          life.deliver(values)
          break
        }
        case 'own':
          life.own(0.5)
          break
        case 'mood':
          mood = step.mood
          life.store.mood = mood
          break
        case 'disk':
          life.disk.fault = step.fault
          break
        case 'wait':
          await life.wait(step.ms)
          break
        case 'stop':
          await life.stop()
          lives.push(await start(life.disk))
          break
        case 'kill':
          promised.push(...life.promised)
          // Nothing of the killed process goes on.
          vi.clearAllTimers()
          lives.push(await start(life.disk.copy()))
      }
      life.expectBalance()
    }
    const last = lives.at(-1)!
    last.store.mood = 'takes'
    for (let seconds = 0; last.held > 0; seconds += 2) {
      expect(seconds).toBeLessThan(3600)
      await last.wait(2000)
    }
    await last.stop()
    vi.clearAllTimers()
    return { lives, sent, promised }
  }

  const storedIn = (lives: readonly Life[]): Set<number> => new Set(lives.flatMap(({ store }) => store.stored))
  const sum = (lives: readonly Life[], column: 'received' | 'written' | 'rejected' | 'dropped'): number =>
    lives.reduce((total, { ledger }) => total + ledger[column], 0)

  it('over stops and starts with any behaviour of the store, on any disk; nothing is dropped', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step('stop'), { maxLength: 40 }),
        replaysBeside,
        disks,
        async (steps, replays, delaysMs) => {
          const { lives, sent } = await live(steps, { maxBytes: 1e6, whenFull: 'block', replays, delaysMs })
          expect(sum(lives, 'received')).toBe(sum(lives, 'written') + sum(lives, 'rejected') + sum(lives, 'dropped'))
          // While the spool has room, the queue is never full. So it does not even drop the server's own samples.
          for (const { ledger } of lives) expect([...ledger.droppedBy.keys()]).toEqual([])
          const refused = sum(lives, 'rejected')
          const stored = storedIn(lives)
          expect(sent.filter((value) => !stored.has(value)).length).toBeLessThanOrEqual(refused)
        },
      ),
      {
        ...RUNS,
        examples: [
          [POSTPONED_OVER_THE_BOUND, 0, [0]],
          [STOPPED_WHILE_IT_READS, 0, [3000]],
        ],
      },
    )
  })

  it.each(['drop-oldest', 'drop-newest'] as const)(
    'with a small spool and %s: each sample that is gone is counted',
    async (whenFull) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(step('stop'), { maxLength: 40 }),
          replaysBeside,
          disks,
          async (steps, replays, delaysMs) => {
            const { lives } = await live(steps, { maxBytes: 1000, whenFull, replays, delaysMs })
            expect(sum(lives, 'received')).toBe(sum(lives, 'written') + sum(lives, 'rejected') + sum(lives, 'dropped'))
          },
        ),
        RUNS,
      )
    },
  )

  it('over kills: every acked value is found in the end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step('stop', 'kill'), { maxLength: 40 }),
        replaysBeside,
        disks,
        async (steps, replays, delaysMs) => {
          const calm = steps.filter((each) => !(each.kind === 'mood' && each.mood === 'refuses some'))
          const { lives, promised } = await live(calm, { maxBytes: 1e6, whenFull: 'block', replays, delaysMs })
          const stored = storedIn(lives)
          expect(promised.filter((value) => !stored.has(value))).toEqual([])
        },
      ),
      RUNS,
    )
  })

  it.each(['block', 'drop-oldest', 'drop-newest'] as const)(
    'with a disk that fails and %s: each sample that is gone is counted',
    async (whenFull) => {
      const steps = fc.array(
        fc.oneof({ weight: 4, arbitrary: step('stop', 'kill') }, { weight: 1, arbitrary: faults }),
        { maxLength: 40 },
      )
      await fc.assert(
        fc.asyncProperty(steps, replaysBeside, disks, async (steps, replays, delaysMs) => {
          const { lives, sent, promised } = await live(steps, {
            maxBytes: whenFull === 'block' ? 1e6 : 1000,
            whenFull,
            replays,
            delaysMs,
          })
          const stored = storedIn(lives)
          // A kill loses what was not acked.
          const kept = steps.some(({ kind }) => kind === 'kill') ? promised : sent
          const gone = kept.filter((value) => !stored.has(value)).length
          expect(gone).toBeLessThanOrEqual(sum(lives, 'rejected') + sum(lives, 'dropped'))
        }),
        {
          ...RUNS,
          examples: [
            [OPENED_LATER, 0, [0]],
            [STOPPED_ON_A_BROKEN_DISK, 0, [0]],
          ],
        },
      )
    },
  )
})
