import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { HandClock } from '../../test/support/live-feed.ts'
import { AWAY, ScriptedStore, STORED } from '../../test/support/scripted-store.ts'
import type { MessageHandler, Subscription } from '../broker/broker.ts'
import { MessageDecoder } from '../codec/detect.ts'
import { frameCodec } from '../codec/frame.ts'
import { LatencyRecorder } from '../observe/latency.ts'
import { LogThrottle } from '../observe/log-throttle.ts'
import { isRefusal } from '../sample/border.ts'
import { ServerLedger } from '../sample/ledger.ts'
import { SeriesTable } from '../sample/series.ts'
import { openSegmentLog } from '../spool/segment-log.ts'
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

/** One process of a server's pipeline on a folder. */
class Life {
  readonly ledger = new ServerLedger()
  readonly store: MoodyStore
  readonly acked = { upTo: 0 }
  readonly log: Awaited<ReturnType<typeof openSegmentLog>>
  readonly #pipeline: Pipeline
  /** The values of each message. */
  readonly #delivered: number[][] = []
  #handler!: MessageHandler

  private constructor(store: MoodyStore, log: Life['log'], maxBytes: number, whenFull: WhenFull) {
    this.store = store
    this.log = log
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

  static async start(folder: string, maxBytes: number, whenFull: WhenFull, mood: Mood, replays: number): Promise<Life> {
    const store = new MoodyStore()
    store.mood = mood
    store.limits.replays = replays
    const log = await openSegmentLog({ folder, maxBytes, segmentBytes: 300, logger })
    const life = new Life(store, log, maxBytes, whenFull)
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
    expect(received + takenOver).toBe(written + rejected + dropped + this.#pipeline.held)
  }

  async stop(): Promise<void> {
    const finished = this.#pipeline.finish(new AbortController().signal)
    let isOver = false
    void finished.then(() => {
      isOver = true
    })
    while (!isOver) await pass(1000)
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

async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}

type Step =
  | { readonly kind: 'message'; readonly samples: number }
  | { readonly kind: 'own' }
  | { readonly kind: 'mood'; readonly mood: Mood }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'stop' | 'kill' }

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

/** With and without writes from the spool beside the others. */
const replaysBeside = fc.constantFrom(0, 4)

/** Batches that the store postpones fill the memory, then the server adds a sample of its own. */
const POSTPONED_OVER_THE_BOUND: Step[] = [
  { kind: 'mood', mood: 'fails on some' },
  { kind: 'message', samples: 15 },
  { kind: 'wait', ms: 1100 },
  { kind: 'message', samples: 10 },
  { kind: 'own' },
]

describe('received + taken over = written + rejected + dropped + held', { timeout: 120_000 }, () => {
  let root: string
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'sentinel-balance-'))
  })
  afterAll(() => rm(root, { recursive: true, force: true }))
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
  })
  afterEach(() => void vi.useRealTimers())

  /**
   * Goes through the steps, then lets the store take everything.
   *
   * @returns all lives, every value taken in, and those acked before a kill
   */
  async function live(
    steps: readonly Step[],
    maxBytes: number,
    whenFull: WhenFull,
    replays: number,
  ): Promise<{ lives: Life[]; sent: number[]; promised: number[] }> {
    let folder = await mkdtemp(join(root, 'life-'))
    let mood: Mood = 'takes'
    const start = (): Promise<Life> => Life.start(folder, maxBytes, whenFull, mood, replays)
    const lives = [await start()]
    const sent: number[] = []
    const promised: number[] = []
    for (const step of [...steps, { kind: 'stop' } as const]) {
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
        case 'wait':
          await pass(step.ms)
          break
        case 'stop':
          await life.stop()
          lives.push(await start())
          break
        case 'kill': {
          // The next process gets a copy of the folder, so this one does not disturb it when it writes its last
          // batches.
          life.store.mood = 'hangs'
          promised.push(...life.promised)
          const copy = await copyOf(folder)
          vi.clearAllTimers()
          await life.log.close()
          folder = copy
          lives.push(await start())
        }
      }
      life.expectBalance()
    }
    const last = lives.at(-1)!
    last.store.mood = 'takes'
    while (last.held > 0) {
      await pass(2000)
      last.expectBalance()
    }
    await last.stop()
    return { lives, sent, promised }
  }

  /** Copies the folder as a crash would leave it. A segment removed during the copy is left out. */
  async function copyOf(folder: string): Promise<string> {
    for (;;) {
      const copy = await mkdtemp(join(root, 'life-'))
      try {
        await cp(folder, copy, { recursive: true })
        return copy
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    }
  }

  const storedIn = (lives: readonly Life[]): Set<number> => new Set(lives.flatMap(({ store }) => store.stored))
  const sum = (lives: readonly Life[], column: 'received' | 'written' | 'rejected' | 'dropped'): number =>
    lives.reduce((total, { ledger }) => total + ledger[column], 0)

  it('over stops and starts with any behaviour of the store; nothing is dropped', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step('stop'), { maxLength: 40 }), replaysBeside, async (steps, replays) => {
        const { lives, sent } = await live(steps, 1e6, 'block', replays)
        expect(sum(lives, 'received')).toBe(sum(lives, 'written') + sum(lives, 'rejected') + sum(lives, 'dropped'))
        // While the spool has room, the queue is never full. So it does not even drop the server's own samples.
        for (const { ledger } of lives) expect([...ledger.droppedBy.keys()]).toEqual([])
        const refused = sum(lives, 'rejected')
        const stored = storedIn(lives)
        expect(sent.filter((value) => !stored.has(value)).length).toBeLessThanOrEqual(refused)
      }),
      { numRuns: 30, examples: [[POSTPONED_OVER_THE_BOUND, 0]] },
    )
  })

  it.each(['drop-oldest', 'drop-newest'] as const)(
    'with a small spool and %s: each sample that is gone is counted',
    async (whenFull) => {
      await fc.assert(
        fc.asyncProperty(fc.array(step('stop'), { maxLength: 40 }), replaysBeside, async (steps, replays) => {
          const { lives } = await live(steps, 1000, whenFull, replays)
          expect(sum(lives, 'received')).toBe(sum(lives, 'written') + sum(lives, 'rejected') + sum(lives, 'dropped'))
        }),
        { numRuns: 30 },
      )
    },
  )

  it('over kills: every acked value is found in the end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step('stop', 'kill'), { maxLength: 40 }), replaysBeside, async (steps, replays) => {
        const calm = steps.filter((each) => !(each.kind === 'mood' && each.mood === 'refuses some'))
        const { lives, promised } = await live(calm, 1e6, 'block', replays)
        const stored = storedIn(lives)
        expect(promised.filter((value) => !stored.has(value))).toEqual([])
      }),
      { numRuns: 30 },
    )
  })
})
