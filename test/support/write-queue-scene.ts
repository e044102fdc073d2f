import { promisify } from 'node:util'
import { pino } from 'pino'
import { vi } from 'vitest'
import { BatchSpool, type WhenFull } from '../../internal/ingest/write-queue/batch-spool.ts'
import { WriteQueue } from '../../internal/ingest/write-queue/write-queue.ts'
import { isRefusal } from '../../internal/sample/border.ts'
import type { Sample } from '../../internal/sample/sample.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { type Files, type LogFile, realFiles } from '../../internal/spool/files.ts'
import { openSegmentLog, type SegmentLogOptions } from '../../internal/spool/segment-log.ts'
import type { WriteResult } from '../../internal/store/store.ts'
import { ScriptedStore } from './scripted-store.ts'

export interface SceneOptions {
  readonly queueMaxBytes?: number
  readonly whenFull?: WhenFull
  readonly replayBytesPerSecond?: number
  /** Writes from the spool that the store takes beside the others; 0 unless told otherwise. */
  readonly replays?: number
  readonly log?: Partial<SegmentLogOptions>
}

export type WriteQueueScene = Awaited<ReturnType<typeof openWriteQueueScene>>

const logger = pino({ level: 'silent' })
const series = new SeriesTable().intern('m', [], 0)
if (isRefusal(series)) throw new Error(series.detail)
series.field('v', 'float')
const sample = (value: number): Sample => ({ series, values: [value], at: 1, tie: 0 })

/** A write queue between a scripted store and a spool in a folder on a real disk. Needs fake timers. */
export async function openWriteQueueScene(
  folder: string,
  { queueMaxBytes = 10_000, whenFull = 'block', replayBytesPerSecond = 1e9, replays = 0, ...rest }: SceneOptions = {},
) {
  const store = new ScriptedStore()
  store.limits.replays = replays
  const maxBytes = rest.log?.maxBytes ?? 1e6
  const files = watched<Files>(rest.log?.files ?? realFiles)
  const log = await openSegmentLog({ folder, maxBytes, segmentBytes: 300, logger, ...rest.log, files })
  const events = { settled: [] as number[], acked: [] as number[], full: [] as boolean[], times: [] as number[] }
  const lost: Record<string, number> = {}
  const onLoss = (reason: string, samples: number): void => {
    lost[reason] = (lost[reason] ?? 0) + samples
  }
  const spool = new BatchSpool({ log, maxBytes, whenFull, writer: store, onLoss })
  const queue = new WriteQueue({
    ...{
      writer: store,
      logger,
      flushMinMs: 10,
      flushMaxMs: 250,
      durableTargetMs: 50,
      queueMaxBytes,
      spool,
      replayBytesPerSecond,
    },
    on: {
      settled: ({ samples, sentAt }) => {
        events.settled.push(samples)
        events.times.push(...sentAt)
      },
      ack: (upTo) => events.acked.push(upTo),
      full: (isFull) => events.full.push(isFull),
      away: () => {},
    },
    onBug: (bug) => {
      throw bug
    },
  })
  let next = 1
  return {
    ...{ store, log, spool, queue, lost },
    ...events,
    /**
     * Messages of one sample each, numbered on from 1. A batch has three, and is sealed when it is 10 ms old, or with
     * the fourth.
     */
    take(count: number): void {
      for (let taken = 0; taken < count; taken++) {
        queue.add(sample(next))
        queue.endMessage(next, next * 10)
        next++
      }
    },
    /** The writes that the store has not answered. */
    asked: () => store.asked.map(({ values }) => values),
    /** Answers the oldest write; waits for one if there is none. */
    async answer(result: WriteResult): Promise<void> {
      if (store.asked.length === 0) await pass(300)
      await until(() => store.asked.length > 0)
      store.asked.shift()!.answer(result)
      await pass(0)
    },
    /** Answers the write whose first value this is. */
    async answerFor(first: number, result: WriteResult): Promise<void> {
      const index = store.asked.findIndex(({ values }) => values[0] === first)
      store.asked.splice(index, 1)[0]!.answer(result)
      await pass(0)
    },
  }
}

/** Lets time pass, and waits until the disk is idle, however slow it is. */
export async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
  for (let idle = 0; idle < IDLE_TURNS; idle = callsUnderWay > 0 ? 0 : idle + 1) await nextTurn()
}

/** Waits for a condition that depends on the disk alone. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await nextTurn()
}

/** What waits to be written is written in the turn after: with no call for so many turns none will follow. */
const IDLE_TURNS = 3
let callsUnderWay = 0
const nextTurn = promisify(setImmediate)

/** The same disk or file, whose calls under way are counted. */
function watched<T extends Files | LogFile>(target: T): T {
  return new Proxy(target, {
    get: (of, name) => {
      const member: unknown = Reflect.get(of, name, of)
      if (typeof member !== 'function') return member
      return async (...given: unknown[]): Promise<unknown> => {
        callsUnderWay++
        try {
          const answer: unknown = await member.apply(of, given)
          return name === 'open' ? watched(answer as LogFile) : answer
        } finally {
          callsUnderWay--
        }
      }
    },
  })
}
