import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { fakeTime, MemoryDisk, over } from '../../../test/support/memory-disk.ts'
import { type ScriptedBatch, ScriptedStore } from '../../../test/support/scripted-store.ts'
import { openSegmentLog, type SegmentLog } from '../../spool/segment-log.ts'
import { BatchSpool, type SpooledBatch, type WhenFull } from './batch-spool.ts'
import { RunSpans } from './run-spans.ts'

beforeEach(fakeTime)
afterEach(() => void vi.useRealTimers())

interface Scene {
  readonly spool: BatchSpool
  readonly log: SegmentLog
  readonly lost: { samples: number }
}

/** A spool with a batch in a file. */
async function openSpool(disk: MemoryDisk, whenFull: WhenFull = 'block', maxBytes = 1000): Promise<Scene> {
  const logger = pino({ enabled: false })
  const log = await over(openSegmentLog({ folder: '/spool', maxBytes, segmentBytes: 1, logger, files: disk }))
  const lost = { samples: 0 }
  const onLoss = (_reason: string, samples: number): void => {
    lost.samples += samples
  }
  return { spool: new BatchSpool({ log, maxBytes, whenFull, writer: new ScriptedStore(), onLoss }), log, lost }
}

const put = (spool: BatchSpool, values: readonly number[]): ReturnType<BatchSpool['put']> => {
  const batch = new ScriptedStore().batchOf(Buffer.from(JSON.stringify(values)))
  return spool.put({ batch, sentAt: new Float64Array(), spans: new RunSpans() })
}

const valuesOf = (spooled: SpooledBatch | undefined): readonly number[] | undefined =>
  (spooled?.batch as ScriptedBatch | undefined)?.values

/** What a process has left that put in three batches of three samples. */
async function left(): Promise<MemoryDisk> {
  const disk = new MemoryDisk([0])
  const { spool } = await openSpool(disk)
  for (const first of [1, 4, 7]) put(spool, [first, first + 1, first + 2])
  expect(await over(spool.close())).toBe(0)
  return disk
}

describe('the samples of a spool', () => {
  it('are held once each, where one is being read when the spool is closed', async () => {
    const { spool, log } = await openSpool(await left())
    const reading = spool.takeNext()
    // The end waits for the disk too, and is over after the read.
    void log.probe()
    expect(await over(spool.close())).toBe(0)
    expect(await over(reading)).toBeUndefined()
    expect([spool.takenOver, spool.samples]).toEqual([9, 9])
  })

  it('are not held where they were settled before older ones, in a process that put nothing in', async () => {
    const { spool } = await openSpool(await left())
    await over(spool.takeNext())
    const second = await over(spool.takeNext())
    second!.state = 'settled'
    spool.forgetSettled()
    expect(await over(spool.close())).toBe(0)
    expect(spool.samples).toBe(6)
  })

  it('are not taken out where they are dropped at the same moment', async () => {
    const { spool, lost } = await openSpool(new MemoryDisk([0]), 'drop-oldest', 100)
    expect(put(spool, [1, 2, 3])).toBe('kept')
    const taking = spool.takeNext()
    expect(put(spool, [4, 5, 6])).toBe('kept')
    expect(lost.samples).toBe(3)
    expect(valuesOf(await over(taking))).toEqual([4, 5, 6])
    expect(spool.samples).toBe(3)
    await over(spool.close())
  })

  it('are held or lost while those behind damage are being read', async () => {
    const disk = await left()
    const [, second] = (await over(disk.readdir())).filter((name) => name.endsWith('.seg'))
    await over(disk.unlink(second!))
    const { spool, lost } = await openSpool(disk)
    await over(spool.takeNext())
    const next = await over(spool.takeNext(), () => expect(spool.samples + lost.samples).toBe(9))
    expect([valuesOf(next), lost.samples]).toEqual([[7, 8, 9], 3])
    await over(spool.close())
  })

  it('are lost once each, where a spool that came to drop its newest has no room for what it let go of', async () => {
    const { spool, lost } = await openSpool(new MemoryDisk([0]), 'drop-oldest', 300)
    put(spool, [1, 2, 3])
    await over(spool.written())
    expect(valuesOf(await over(spool.takeNext()))).toEqual([1, 2, 3])
    for (const first of [4, 7, 10, 13, 16]) {
      put(spool, [first, first + 1, first + 2])
      await over(spool.written())
    }
    expect(lost.samples).toBeGreaterThan(0)
    expect(lost.samples + spool.samples).toBe(18)
    spool.reconfigure({ maxBytes: 300, whenFull: 'drop-newest' })
    const gone = await over(spool.close())
    expect([gone, lost.samples + spool.samples]).toEqual([0, 18])
  })
})
