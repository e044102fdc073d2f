import { cp, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { AWAY, STORED } from '../../../test/support/scripted-store.ts'
import {
  openWriteQueueScene,
  pass,
  type SceneOptions,
  until,
  type WriteQueueScene,
} from '../../../test/support/write-queue-scene.ts'
import { type Files, realFiles } from '../../spool/files.ts'
import { openSegmentLog } from '../../spool/segment-log.ts'

const logger = pino({ level: 'silent' })
const never = new AbortController().signal

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sentinel-spooling-'))
  // The disk is real: its work takes turns of the event loop, but no fake time.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(async () => {
  vi.useRealTimers()
  await rm(folder, { recursive: true, force: true })
})

const setUp = (options?: SceneOptions): Promise<WriteQueueScene> => openWriteQueueScene(folder, options)

/** The store goes away while this many messages wait, and is asked again after this time. By then they are on disk. */
async function goAway(scene: WriteQueueScene, count = 3, afterMs = 3_600_000): Promise<void> {
  scene.take(count)
  await pass(11)
  while (scene.asked().length > 0) await scene.answer({ ...AWAY, afterMs })
  await pass(1001)
  expect(scene.spool.samples).toBe(count)
  if (afterMs > 10_000) return
  await pass(afterMs)
  await until(() => scene.asked().length === 1)
}

describe('while the store is away', () => {
  it('what waits goes to disk after a second, the oldest first, and is acked once it is there', async () => {
    const scene = await setUp()
    scene.take(8)
    for (let i = 0; i < 2; i++) await scene.answer({ ...AWAY, afterMs: 60_000 })
    expect([scene.log.samples, scene.acked]).toEqual([0, []])
    await pass(1001)
    await until(() => scene.acked.length === 3)
    expect(scene.acked).toEqual([3, 6, 8])
    expect([scene.queue.samples, scene.spool.samples, scene.store.openBatches]).toEqual([0, 8, 0])
    expect(scene.settled).toEqual([])
    await scene.queue.close()
  })

  it('what comes follows at once when a batch is full, and after a second at most', async () => {
    const scene = await setUp()
    await goAway(scene)
    scene.take(4)
    expect(scene.spool.samples).toBe(6)
    await pass(1000)
    expect(scene.spool.samples).toBe(7)
    expect(scene.queue.bytes).toBe(0)
    await scene.queue.close()
  })

  it('one write at a time is tried, of the oldest on disk, with growing pauses', async () => {
    const scene = await setUp()
    await goAway(scene, 7, 1500)
    let probes = 0
    for (let seconds = 0; seconds < 120; seconds++) {
      await pass(1000)
      expect(scene.asked().length).toBeLessThanOrEqual(1)
      if (scene.asked().length === 0) continue
      expect(scene.asked()).toEqual([[1, 2, 3]])
      await scene.answer(AWAY)
      probes++
    }
    expect(probes).toBeGreaterThan(5)
    expect(probes).toBeLessThan(90)
    await scene.queue.close()
  })

  it('a pause that the store asked for is kept, but not at the end', async () => {
    const scene = await setUp()
    await goAway(scene)
    await pass(3_590_000)
    expect(scene.asked()).toEqual([])
    await scene.queue.drain(never, false)
    await scene.queue.close()
    expect(scene.log.samples).toBe(3)
  })
})

describe('when the store is back', () => {
  it('the spool is written in order, one batch at a time, and what is fresh goes first', async () => {
    const scene = await setUp()
    await goAway(scene, 9, 1500)
    await scene.answer(STORED)
    await until(() => scene.asked().length === 1)
    expect(scene.asked()).toEqual([[4, 5, 6]])
    scene.take(7)
    // Two slots: one is taken by the replay, the other by the first that is fresh.
    expect(scene.asked()).toEqual([[4, 5, 6], [10, 11, 12]]) // biome-ignore format: two batches
    await scene.answer(STORED)
    expect(scene.asked()).toEqual([[10, 11, 12], [13, 14, 15]]) // biome-ignore format: two batches
    await scene.answer(STORED)
    await until(() => scene.asked().length === 2)
    expect(scene.asked()).toEqual([[13, 14, 15], [7, 8, 9]]) // biome-ignore format: two batches
    for (let i = 0; i < 3; i++) await scene.answer(STORED)
    await until(() => scene.log.bytes === 0)
    expect([scene.spool.samples, scene.queue.samples, scene.queue.replayedSamples]).toEqual([0, 0, 9])
    // The latency of a spooled message is measured until the store has it.
    expect(scene.times.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, i) => (i + 1) * 10))
    await scene.queue.close()
  })

  it('the spool is written no faster than it may be', async () => {
    const scene = await setUp({ replayBytesPerSecond: 4 })
    await goAway(scene, 9, 1500)
    await scene.answer(STORED)
    await pass(3000)
    expect(scene.asked()).toEqual([])
    scene.take(3)
    await pass(250)
    expect(scene.asked()).toEqual([[10, 11, 12]])
    await scene.answer(STORED)
    await pass(10_000)
    await until(() => scene.asked().length === 1)
    expect(scene.asked()).toEqual([[4, 5, 6]])
    await scene.queue.close()
  })

  it('and goes away again in the middle, what is left waits on', async () => {
    const scene = await setUp()
    await goAway(scene, 6, 1500)
    await scene.answer(STORED)
    await until(() => scene.asked().length === 1)
    await scene.answer(AWAY)
    expect([scene.spool.samples, scene.queue.breaker.problem]).toEqual([3, 'connection refused'])
    await pass(2000)
    await until(() => scene.asked().length === 1)
    await scene.answer(STORED)
    expect([scene.spool.samples, scene.queue.breaker.problem]).toEqual([0, ''])
    await scene.queue.close()
  })

  it('lines that it refuses are counted as ever', async () => {
    const scene = await setUp()
    await goAway(scene)
    scene.queue.ask()
    await until(() => scene.asked().length === 1)
    const refusal = { reason: 'store_refused', detail: 'no' } as const
    await scene.answer({ next: 'ack', rejected: [{ index: 1, line: 'm v=2', refusal }] })
    expect([scene.settled, scene.spool.samples]).toEqual([[3], 0])
    await scene.queue.close()
  })
})

describe('a store that takes writes from the spool beside the others', () => {
  const postpone = { next: 'postpone', problem: 'it fails on this' } as const

  /** 15 samples in five batches are on disk; the first is stored, and then as many are written as the window allows. */
  async function comeBack(options: SceneOptions = {}): Promise<WriteQueueScene> {
    const scene = await setUp({ replays: 4, ...options })
    await goAway(scene, 15, 1500)
    await scene.answer(STORED)
    await until(() => scene.asked().length === 2)
    return scene
  }

  it('gets the more of them the more it takes, in order, and the slots of what is fresh stay free', async () => {
    const scene = await comeBack()
    expect(scene.asked()).toEqual([[4, 5, 6], [7, 8, 9]]) // biome-ignore format: two batches
    scene.take(7)
    expect(scene.asked().slice(2)).toEqual([[16, 17, 18], [19, 20, 21]]) // biome-ignore format: two batches
    for (let i = 0; i < 4; i++) await scene.answer(STORED)
    await until(() => scene.asked().length === 2)
    expect(scene.asked()).toEqual([[10, 11, 12], [13, 14, 15]]) // biome-ignore format: two batches
    await pass(300)
    for (let i = 0; i < 3; i++) await scene.answer(STORED)
    await until(() => scene.log.bytes === 0)
    expect(scene.store.stored.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 22 }, (_, i) => i + 1))
    expect([scene.spool.samples, scene.queue.samples, scene.queue.replayedSamples]).toEqual([0, 0, 15])
    await scene.queue.close()
  })

  it('gets none of them while something fresh waits', async () => {
    const scene = await comeBack()
    scene.take(13)
    expect(scene.asked().slice(2)).toEqual([[16, 17, 18], [19, 20, 21]]) // biome-ignore format: two batches
    await scene.answerFor(4, STORED)
    await scene.answerFor(7, STORED)
    expect(scene.asked()).toEqual([[16, 17, 18], [19, 20, 21]]) // biome-ignore format: two batches
    await scene.answerFor(16, STORED)
    await scene.answerFor(19, STORED)
    await until(() => scene.asked().length >= 3)
    expect(scene.asked().slice(0, 3)).toEqual([[22, 23, 24], [25, 26, 27], [10, 11, 12]]) // biome-ignore format: batches
    await scene.queue.close()
  })

  it('may store a later one first: it is settled at once, and forgotten with those before it', async () => {
    const scene = await comeBack()
    const records = scene.log.records
    await scene.answerFor(7, STORED)
    expect([scene.spool.samples, scene.log.records, scene.settled]).toEqual([9, records, [3, 3]])
    await scene.answerFor(4, STORED)
    expect([scene.spool.samples, scene.log.records]).toEqual([6, records - 2])
    await scene.queue.close()
    expect(scene.spool.samples).toBe(6)
  })

  it('at a stop what was stored is not held, and what was not is written by the next process', async () => {
    const scene = await comeBack()
    await scene.answerFor(7, STORED)
    await scene.queue.close()
    expect([scene.spool.samples, scene.queue.replayedSamples]).toEqual([9, 6])
    const next = await setUp({ replays: 4 })
    // The log forgets only from its beginning: one batch is written a second time, which changes nothing.
    expect(next.spool.takenOver).toBe(12)
    next.queue.ask()
    while (next.spool.samples > 0) {
      await until(() => next.asked().length > 0 || next.spool.samples === 0)
      if (next.asked().length > 0) await next.answer(STORED)
    }
    expect(next.store.stored).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
    await next.queue.close()
  })

  it('and goes away: the oldest is the probe, one at a time, and nothing is lost', async () => {
    const scene = await comeBack()
    await scene.answerFor(7, { ...AWAY, afterMs: 1500 })
    await scene.answerFor(4, AWAY)
    await pass(1000)
    expect(scene.asked()).toEqual([])
    await pass(600)
    await until(() => scene.asked().length > 0)
    expect(scene.asked()).toEqual([[4, 5, 6]])
    await scene.answer(STORED)
    await until(() => scene.asked().length > 0)
    while (scene.spool.samples > 0) {
      await until(() => scene.asked().length > 0 || scene.spool.samples === 0)
      if (scene.asked().length > 0) await scene.answer(STORED)
    }
    expect(scene.store.stored).toEqual(Array.from({ length: 15 }, (_, i) => i + 1))
    await scene.queue.close()
  })

  it('does not take one of them: it is tried again after a second, and others under way count', async () => {
    const scene = await comeBack()
    await scene.answerFor(4, postpone)
    await scene.answerFor(7, STORED)
    expect([scene.asked(), scene.spool.samples]).toEqual([[], 9])
    await pass(1000)
    await until(() => scene.asked().length > 0)
    expect(scene.asked()[0]).toEqual([4, 5, 6])
    await scene.queue.close()
  })

  it('a full spool that drops its oldest drops none that is being written', async () => {
    const log = { maxBytes: 1000, segmentBytes: 250 }
    const scene = await setUp({ replays: 4, log, whenFull: 'drop-oldest', queueMaxBytes: 100 })
    await goAway(scene, 9, 1500)
    await scene.answer(STORED)
    await until(() => scene.asked().length === 2)
    // Both slots of the fresh ones are taken, and what comes then goes to disk until it is full.
    for (let i = 0; i < 40; i++) {
      scene.take(3)
      await until(() => scene.log.unwritten.records === 0)
    }
    const lost = scene.lost.spool_full!
    expect(lost).toBeGreaterThan(0)
    expect(scene.queue.samples + scene.spool.samples + lost).toBe(126)
    await scene.answerFor(7, STORED)
    expect(scene.queue.samples + scene.spool.samples + lost).toBe(123)
    await scene.queue.close()
    expect(scene.queue.samples + scene.spool.samples + scene.lost.spool_full!).toBe(123)
    const left = await setUp({ replays: 4, log: { maxBytes: 1e6 } })
    left.queue.ask()
    while (left.spool.samples > 0) {
      await until(() => left.asked().length > 0 || left.spool.samples === 0)
      if (left.asked().length > 0) await left.answer(STORED)
    }
    expect(left.store.stored).toContain(4)
    await left.queue.close()
  })

  it('and a record that cannot be read between others is counted as lost once, however the others end', async () => {
    const odd = await openSegmentLog({ folder, maxBytes: 1e6, logger })
    odd.append([Buffer.from('of a later version')], 7)
    await odd.close()
    const scene = await setUp({ replays: 4 })
    await goAway(scene, 6, 1500).catch(() => {})
    expect(scene.queue.samples + scene.spool.samples + (scene.lost.spool_damaged ?? 0)).toBe(13)
    await scene.queue.close()
  })
})

describe('a batch that the store alone does not take', () => {
  const postpone = { next: 'postpone', problem: 'it fails on this' } as const

  it('rests in memory, and the others go first', async () => {
    const scene = await setUp()
    scene.take(7)
    await scene.answer(postpone)
    scene.take(3)
    expect(scene.asked()).toEqual([[4, 5, 6], [7, 8, 9]]) // biome-ignore format: two batches
    await scene.answer(STORED)
    await scene.answer(STORED)
    await scene.answer(STORED)
    expect([scene.asked(), scene.acked, scene.queue.breaker.problem]).toEqual([[], [], ''])
    await pass(1000)
    expect(scene.asked()).toEqual([[1, 2, 3]])
    await scene.answer(STORED)
    expect(scene.acked).toEqual([3, 6, 9, 10])
    await scene.queue.close()
  })

  it('goes to disk where memory is over its bound: while the spool has room, the owner is not held back', async () => {
    const scene = await setUp({ queueMaxBytes: 900 })
    scene.take(10)
    for (let i = 0; i < 3; i++) await scene.answer(postpone)
    expect([scene.queue.samples, scene.spool.samples]).toEqual([10, 0])
    scene.take(9)
    expect(scene.spool.samples).toBeGreaterThan(0)
    expect([scene.queue.samples + scene.spool.samples, scene.full]).toEqual([19, []])
    for (let i = 0; i < 7; i++) await scene.answer(STORED)
    expect(scene.store.stored.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 19 }, (_, i) => i + 1))
    await until(() => scene.acked.at(-1) === 19)
    expect(scene.full).toEqual([])
    await scene.queue.close()
  })

  it('on disk, while the store is away, leaves a fresh one to ask it with', async () => {
    const scene = await setUp()
    await goAway(scene)
    scene.queue.ask()
    await until(() => scene.asked().length === 1)
    await scene.answer(postpone)
    scene.take(4)
    // The store still counts as away: the older of the two may go to disk, the newest stays.
    await pass(1000)
    await until(() => scene.asked().length === 1)
    expect(scene.asked()[0]).not.toEqual([1, 2, 3])
    await scene.answer(STORED)
    expect(scene.queue.breaker.problem).toBe('')
    await scene.queue.close()
  })
})

describe('a store that is too slow', () => {
  it('leaves the surplus to the disk, which is replayed when there is time', async () => {
    const scene = await setUp({ queueMaxBytes: 600 })
    scene.take(16)
    // 600 bytes are two batches: those in flight. The waiting ones go to disk.
    expect([scene.queue.samples, scene.spool.samples]).toEqual([7, 9])
    expect(scene.full).toEqual([])
    await until(() => scene.log.unwritten.records === 0)
    await scene.answer(STORED)
    await until(() => scene.asked().length === 2)
    expect(scene.asked()).toEqual([[4, 5, 6], [7, 8, 9]]) // biome-ignore format: two batches
    scene.take(3)
    await scene.answer(STORED)
    expect(scene.asked()).toEqual([[7, 8, 9], [16, 17, 18]]) // biome-ignore format: two batches
    for (let i = 0; i < 5; i++) await scene.answer(STORED)
    expect(scene.store.stored.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 19 }, (_, i) => i + 1))
    expect(scene.acked).toEqual([...scene.acked].sort((a, b) => a - b))
    expect(scene.acked.at(-1)).toBe(19)
    await scene.queue.close()
  })
})

describe('a spool that is full', () => {
  /** Ten batches of three fill it; each takes some 100 bytes. */
  const log = { maxBytes: 1000, segmentBytes: 250 }

  it('blocks: the owner holds back, what still comes stays in memory, and there is room again below 90 %', async () => {
    const scene = await setUp({ log, whenFull: 'block' })
    await goAway(scene)
    while (scene.full.length === 0) {
      scene.take(3)
      await until(() => scene.log.unwritten.records === 0)
    }
    expect(scene.full).toEqual([true])
    const [onDisk, inMemory] = [scene.spool.samples, scene.queue.samples]
    scene.take(7)
    expect([scene.spool.samples, scene.queue.samples]).toEqual([onDisk, inMemory + 7])
    expect(scene.lost).toEqual({})
    scene.queue.ask()
    await until(() => scene.asked().length > 0)
    while (scene.asked().length > 0) {
      await scene.answer(STORED)
      await until(() => scene.asked().length > 0 || scene.spool.samples === 0)
    }
    expect(scene.full).toEqual([true, false])
    await pass(300)
    while (scene.asked().length > 0) await scene.answer(STORED)
    expect([scene.spool.samples, scene.queue.samples]).toEqual([0, 0])
    await scene.queue.close()
  })

  it('lets the oldest go, but never the one that is being written, and counts each sample', async () => {
    const scene = await setUp({ log, whenFull: 'drop-oldest' })
    await goAway(scene)
    scene.queue.ask()
    await until(() => scene.asked().length === 1)
    for (let i = 0; i < 40; i++) {
      scene.take(3)
      await until(() => scene.log.unwritten.records === 0)
    }
    const held = scene.queue.samples + scene.spool.samples
    expect(scene.lost.spool_full).toBeGreaterThan(60)
    expect(held + scene.lost.spool_full!).toBe(123)
    await scene.answer(STORED)
    expect(scene.store.stored).toEqual([1, 2, 3])
    expect(scene.queue.samples + scene.spool.samples + scene.lost.spool_full!).toBe(120)
    expect(scene.full).toEqual([])
    await scene.queue.close()
  })

  it('puts back at the end what it had let go of to make room', async () => {
    const scene = await setUp({ log, whenFull: 'drop-oldest' })
    await goAway(scene)
    scene.queue.ask()
    await until(() => scene.asked().length === 1)
    for (let i = 0; i < 20; i++) {
      scene.take(3)
      await until(() => scene.log.unwritten.records === 0)
    }
    const gone = await scene.queue.close()
    expect(gone).toBe(0)
    expect(scene.spool.samples + scene.lost.spool_full!).toBe(63)
  })

  it('lets the newest go, and counts each sample', async () => {
    const scene = await setUp({ log, whenFull: 'drop-newest' })
    await goAway(scene)
    for (let i = 0; i < 40; i++) {
      scene.take(3)
      await until(() => scene.log.unwritten.records === 0)
    }
    expect(scene.queue.samples + scene.spool.samples + scene.lost.spool_full!).toBe(123)
    expect(scene.acked.at(-1)).toBe(120)
    const again = await scene.spool.takeNext()
    expect((again?.batch as { values?: number[] } | undefined)?.values).toEqual([1, 2, 3])
    await scene.queue.close()
  })
})

describe('a disk that takes nothing', () => {
  it('leaves all in memory and holds back; nothing is acked, nothing is lost', async () => {
    const open: Files['open'] = () => Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' }))
    const scene = await setUp({ queueMaxBytes: 1200, log: { files: { ...realFiles, open }, maxUnwrittenBytes: 200 } })
    await goAway(scene)
    scene.take(30)
    await pass(1000)
    await until(() => scene.spool.problem.includes('the disk is full'))
    await pass(1000)
    expect(scene.full).toEqual([true])
    expect(scene.acked).toEqual([])
    expect(scene.queue.samples + scene.spool.samples).toBe(33)
    scene.queue.ask()
    while (scene.acked.at(-1) !== 33) {
      await pass(100)
      if (scene.asked().length > 0) await scene.answer(STORED)
    }
    expect(new Set(scene.store.stored).size).toBe(33)
    expect(scene.full).toEqual([true, false])
    expect(await scene.queue.close()).toBe(0)
  })

  it('says at the end how many samples it has not taken', async () => {
    const open: Files['open'] = () => Promise.reject(Object.assign(new Error('read-only'), { code: 'EROFS' }))
    const scene = await setUp({ log: { files: { ...realFiles, open }, maxUnwrittenBytes: 300 } })
    await goAway(scene)
    scene.take(30)
    const gone = await scene.queue.close()
    expect(gone).toBeGreaterThan(0)
    expect(gone + scene.queue.samples).toBe(33)
    expect(scene.spool.samples).toBe(0)
  })
})

describe('the end', () => {
  it('puts what a store has that hangs into the spool, without waiting for it', async () => {
    const scene = await setUp()
    scene.take(8)
    const drained = scene.queue.drain(never, false)
    const given = expect(drained).rejects.toThrow('8 samples still wait')
    await pass(5001)
    await given
    expect(await scene.queue.close()).toBe(0)
    expect([scene.log.samples, scene.queue.samples, scene.acked]).toEqual([8, 0, [3, 6, 8]])
  })

  it('asks a store that is away once more, and gives up when it does not take that', async () => {
    const scene = await setUp()
    scene.take(3)
    await scene.answer({ ...AWAY, afterMs: 60_000 })
    const given = expect(scene.queue.drain(never, false)).rejects.toThrow('connection refused')
    await scene.answer(AWAY)
    await given
    await scene.queue.close()
    expect(scene.log.samples).toBe(3)
  })

  it('gives up as soon as the store does not take what was being replayed', async () => {
    const scene = await setUp()
    await goAway(scene, 6, 1500)
    await scene.answer(STORED)
    await until(() => scene.asked().length === 1)
    scene.take(3)
    const given = expect(scene.queue.drain(never, false)).rejects.toThrow('3 samples still wait')
    expect(scene.asked()).toEqual([[4, 5, 6], [7, 8, 9]]) // biome-ignore format: two batches
    await scene.answer(AWAY)
    await given
    await scene.queue.close()
    expect(scene.log.samples).toBe(6)
  })
})

describe('a start', () => {
  /** A copy of the files that a killed process left. The rest of the process cannot disturb it. */
  async function killed(batches: number): Promise<void> {
    const scene = await setUp({ log: { segmentBytes: 64 * 1024 } })
    await goAway(scene)
    scene.take(3 * (batches - 1))
    await pass(1000)
    await until(() => scene.log.unwritten.records === 0)
    vi.clearAllTimers()
    const copy = await mkdtemp(join(tmpdir(), 'sentinel-spooling-'))
    await cp(folder, copy, { recursive: true })
    await scene.log.close()
    folder = copy
  }

  it('takes over what a killed process had on disk, and writes it', async () => {
    await killed(4)
    const scene = await setUp()
    expect([scene.spool.takenOver, scene.spool.samples]).toEqual([12, 12])
    scene.queue.ask()
    for (let i = 0; i < 4; i++) {
      await until(() => scene.asked().length === 1)
      await scene.answer(STORED)
    }
    expect(scene.store.stored).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    expect([scene.spool.samples, scene.lost]).toEqual([0, {}])
    await scene.queue.close()
  })

  it('counts what is damaged, and writes the rest', async () => {
    await killed(4)
    const [segment] = (await readdir(folder)).filter((name) => name.endsWith('.seg'))
    const file = await open(join(folder, segment!), 'r+')
    const { size } = await file.stat()
    await file.write('spoiled', Math.floor(size / 2))
    await file.close()
    const scene = await setUp()
    scene.queue.ask()
    while (scene.spool.samples > 0) {
      await until(() => scene.asked().length === 1 || scene.spool.samples === 0)
      if (scene.asked().length > 0) await scene.answer(STORED)
    }
    expect(scene.lost.spool_damaged).toBeGreaterThan(0)
    expect(scene.store.stored.length + scene.lost.spool_damaged!).toBe(scene.spool.takenOver)
    await scene.queue.close()
  })

  it('counts a record of a version that it does not know', async () => {
    const log = await openSegmentLog({ folder, maxBytes: 1e6, logger })
    log.append([Buffer.from('an unknown record')], 7)
    await log.close()
    const scene = await setUp()
    scene.queue.ask()
    await until(() => scene.lost.spool_damaged === 7)
    expect([scene.spool.takenOver, scene.spool.samples]).toEqual([7, 0])
    await scene.queue.close()
  })

  it('is not kept from working by a folder that is none', async () => {
    await rm(folder, { recursive: true })
    await writeFile(folder, 'a file')
    const scene = await setUp()
    scene.take(3)
    await scene.answer(STORED)
    expect(scene.store.stored).toEqual([1, 2, 3])
    await scene.queue.close()
  })
})
