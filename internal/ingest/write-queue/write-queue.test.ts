import fc from 'fast-check'
import pino from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { AWAY, ScriptedStore, STORED } from '../../../test/support/scripted-store.ts'
import { isRefusal } from '../../sample/border.ts'
import type { Sample } from '../../sample/sample.ts'
import { SeriesTable } from '../../sample/series.ts'
import type { SettledBatch } from './options.ts'
import { WriteQueue } from './write-queue.ts'

const series = new SeriesTable().intern('m', [], 0)
if (isRefusal(series)) throw new Error(series.detail)
series.field('v', 'float')
const sample = (value: number): Sample => ({ series, values: [value], at: 1, tie: 0 })

function setUp(queueMaxBytes = 10_000) {
  const store = new ScriptedStore()
  const settled: number[] = []
  const acked: number[] = []
  const full: boolean[] = []
  const times: number[] = []
  const queue = new WriteQueue({
    writer: store,
    logger: pino({ level: 'silent' }),
    flushMinMs: 10,
    flushMaxMs: 250,
    durableTargetMs: 50,
    queueMaxBytes,
    replayBytesPerSecond: 1e9,
    on: {
      settled: (batch: SettledBatch) => {
        settled.push(batch.samples)
        times.push(...batch.sentAt)
      },
      ack: (upTo) => acked.push(upTo),
      full: (isFull) => full.push(isFull),
      away: () => {},
    },
    onBug: (bug) => {
      throw bug
    },
  })
  return { store, queue, settled, acked, full, times }
}

/** Lets the promises that are due come to rest. */
const rest = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)

describe('WriteQueue', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('seals a batch that is full at once, and one that is old enough while a slot is free', async () => {
    const { store, queue } = setUp()
    for (const value of [1, 2, 3, 4]) queue.add(sample(value))
    expect(store.asked.map(({ values }) => values)).toEqual([[1, 2, 3]])
    await vi.advanceTimersByTimeAsync(43)
    expect(store.asked.map(({ values }) => values)).toEqual([[1, 2, 3], [4]])
    await queue.close()
  })

  it('goes by other limits from the moment that it is given them, and keeps what it holds', async () => {
    const { store, queue, full } = setUp(24)
    const others = { flushMinMs: 50, flushMaxMs: 50, durableTargetMs: 50, replayBytesPerSecond: 1 }
    for (let value = 0; value < 11; value++) queue.add(sample(value))
    expect(full).toEqual([true])
    queue.reconfigure({ ...others, queueMaxBytes: 10_000 })
    expect(full).toEqual([true, false])
    expect(queue.samples).toBe(11)
    for (let asked = 0; asked < store.asked.length; asked++) {
      store.asked[asked]?.answer(STORED)
      await rest()
    }
    const written = store.asked.length
    await vi.advanceTimersByTimeAsync(49)
    expect(store.asked).toHaveLength(written)
    await vi.advanceTimersByTimeAsync(2)
    expect(store.asked.at(-1)?.values).toEqual([9, 10])
    await queue.close()
  })

  it('lets a batch grow while no slot is free, and writes it as soon as one is', async () => {
    const { store, queue } = setUp()
    for (const value of [1, 2, 3, 4, 5, 6, 7]) queue.add(sample(value))
    await vi.advanceTimersByTimeAsync(1000)
    expect(store.asked).toHaveLength(2)
    queue.add(sample(8))
    store.asked[1]?.answer(STORED)
    await vi.advanceTimersByTimeAsync(1000)
    expect(store.asked[2]?.values).toEqual([7, 8])
    await queue.close()
  })

  it('seals a batch at once that would be sealed before the next read, and no other', async () => {
    const { store, queue } = setUp()
    queue.add(sample(1))
    await vi.advanceTimersByTimeAsync(11)
    expect(store.asked).toHaveLength(1)
    store.asked[0]?.answer(STORED)
    await rest()
    // What comes now is sealed at the age of a batch after the one before, 1 ms ago.
    queue.add(sample(2))
    expect(queue.readWithinMs(1)).toBeGreaterThan(10)
    expect(queue.readWithinMs(1)).toBeLessThan(queue.batchAgeMs)
    queue.nothingForMs(queue.readWithinMs(1) - 1)
    expect(store.asked).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(Math.ceil(queue.readWithinMs(1)))
    queue.add(sample(3))
    queue.nothingForMs(queue.readWithinMs(1))
    expect(store.asked[1]?.values).toEqual([2, 3])
    await queue.close()
  })

  it('lets messages wait for one of several servers as long as each of them does: a part of the target', async () => {
    const { queue } = setUp()
    expect(queue.readWithinMs(2)).toBe(15)
    expect(queue.readWithinMs(4)).toBe(15)
    expect(queue.readWithinMs(1)).toBeLessThanOrEqual(15)
    await queue.close()
  })

  it('does not hurry a batch on for a read while the store is away or no slot is free', async () => {
    const { store, queue } = setUp()
    for (const value of [1, 2, 3, 4, 5, 6, 7]) queue.add(sample(value))
    await vi.advanceTimersByTimeAsync(1000)
    const written = store.asked.length
    queue.nothingForMs(1000)
    expect(store.asked).toHaveLength(written)
    for (const { answer } of store.asked.slice()) answer(AWAY)
    await rest()
    const tried = store.asked.length
    queue.nothingForMs(1000)
    expect(store.asked).toHaveLength(tried)
    await queue.close()
  })

  it('gives samples that follow one another the age that the target allows, and one after a silence the least', async () => {
    const { store, queue } = setUp()
    queue.add(sample(1))
    await vi.advanceTimersByTimeAsync(9)
    expect(store.asked).toHaveLength(0)
    await vi.advanceTimersByTimeAsync(2)
    expect(store.asked).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(4)
    store.asked[0]?.answer(STORED)
    await rest()
    // 50 ms less 35 % and the 5 ms of a write, from the batch before: at 10 + 27.5 ms.
    queue.add(sample(2))
    await vi.advanceTimersByTimeAsync(21)
    expect(store.asked).toHaveLength(1)
    queue.add(sample(3))
    await vi.advanceTimersByTimeAsync(2)
    expect(store.asked[1]?.values).toEqual([2, 3])
    store.asked[1]?.answer(STORED)
    await vi.advanceTimersByTimeAsync(500)
    queue.add(sample(4))
    await vi.advanceTimersByTimeAsync(11)
    expect(store.asked[2]?.values).toEqual([4])
    await queue.close()
  })

  it('gives a store that is too slow for the target larger batches, not younger ones', async () => {
    const { store, queue } = setUp()
    const sizes: number[] = []
    for (let value = 0; value < 200; value++) {
      queue.add(sample(value))
      await vi.advanceTimersByTimeAsync(40)
      for (const { values, answer } of store.asked.splice(0)) {
        sizes.push(values.length)
        setTimeout(() => answer(STORED), 100)
      }
    }
    expect(sizes.length).toBeGreaterThan(20)
    // By then the store is known: more than 100 ms for a write. With the least age each sample would be a batch.
    expect(sizes.slice(-20).every((size) => size > 1)).toBe(true)
    await queue.close()
  })

  it('drains without waiting for the age', async () => {
    const { store, queue, acked } = setUp()
    queue.add(sample(1))
    queue.endMessage(1, 1)
    const drained = queue.drain(new AbortController().signal, false)
    expect(store.asked).toHaveLength(1)
    store.asked[0]?.answer(STORED)
    await drained
    expect(acked).toEqual([1])
    await queue.close()
  })

  it('settles what is stored, and acks in order, whichever write ends first', async () => {
    const { store, queue, acked, settled } = setUp()
    for (const value of [1, 2, 3, 4, 5, 6]) {
      queue.add(sample(value))
      queue.endMessage(value, value)
    }
    await vi.advanceTimersByTimeAsync(43)
    store.asked[1]?.answer(STORED)
    await rest()
    expect([acked, settled]).toEqual([[], [3]])
    store.asked[0]?.answer(STORED)
    await rest()
    expect([acked, settled]).toEqual([[3, 6], [3, 3]]) // biome-ignore format: two columns
    expect(store.openBatches).toBe(0)
    await queue.close()
  })

  it('acks a message with its last sample, when it lies over two batches', async () => {
    const { store, queue, acked, times } = setUp()
    for (const value of [1, 2, 3, 4]) queue.add(sample(value))
    queue.endMessage(1, 77)
    store.asked[0]?.answer(STORED)
    await rest()
    expect(acked).toEqual([])
    await vi.advanceTimersByTimeAsync(300)
    store.asked[1]?.answer(STORED)
    await rest()
    expect([acked, times]).toEqual([[1], [77]])
    await queue.close()
  })

  it('acks a message of which nothing was taken with the one before it, or at once', async () => {
    const { store, queue, acked } = setUp()
    queue.endMessage(1, 0)
    expect(acked).toEqual([1])
    queue.add(sample(1))
    queue.endMessage(2, 5)
    queue.endMessage(3, 0)
    expect(acked).toEqual([1])
    await vi.advanceTimersByTimeAsync(11)
    queue.endMessage(4, 0)
    store.asked[0]?.answer(STORED)
    await rest()
    expect(acked).toEqual([1, 4])
    await queue.close()
  })

  it('tries only the oldest batch while the store is away, and all when it is back', async () => {
    const { store, queue, acked } = setUp()
    for (const value of [1, 2, 3, 4, 5, 6, 7, 8, 9]) {
      queue.add(sample(value))
      queue.endMessage(value, value)
    }
    await rest()
    for (const { answer } of store.asked.splice(0)) answer(AWAY)
    await rest()
    expect(queue.breaker.problem).toBe('connection refused')
    await vi.advanceTimersByTimeAsync(400)
    expect(store.asked.map(({ values }) => values)).toEqual([[1, 2, 3]])
    store.asked.splice(0)[0]?.answer(AWAY)
    await vi.advanceTimersByTimeAsync(1000)
    expect(store.asked.map(({ values }) => values)).toEqual([[1, 2, 3]])
    store.asked.splice(0)[0]?.answer(STORED)
    await vi.advanceTimersByTimeAsync(300)
    expect(queue.breaker.problem).toBe('')
    expect(store.asked.map(({ values }) => values)).toEqual([[4, 5, 6], [7, 8, 9]]) // biome-ignore format: two batches
    for (const { answer } of store.asked) answer(STORED)
    await rest()
    expect(acked).toEqual([3, 6, 9])
    await queue.close()
  })

  it('waits as long as the store asked for', async () => {
    const { store, queue } = setUp()
    for (const value of [1, 2, 3, 4]) queue.add(sample(value))
    store.asked[0]?.answer({ next: 'retry', problem: 'slow down', afterMs: 5000 })
    await vi.advanceTimersByTimeAsync(4999)
    expect(store.asked).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(2)
    expect(store.asked).toHaveLength(2)
    await queue.close()
  })

  it('waits as long as the more patient of two answers asked for', async () => {
    const { store, queue } = setUp()
    for (const value of [1, 2, 3, 4, 5, 6, 7]) queue.add(sample(value))
    store.asked[0]?.answer({ next: 'retry', problem: 'slow down' })
    await rest()
    store.asked[1]?.answer({ next: 'retry', problem: 'slow down', afterMs: 5000 })
    await vi.advanceTimersByTimeAsync(4999)
    expect(store.asked).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(2)
    expect(store.asked).toHaveLength(3)
    await queue.close()
  })

  it('says when the queue is full, and when it is half empty; what a broker had already read it takes', async () => {
    const { store, queue, full } = setUp(500)
    const answers = [1, 2, 3, 4, 5, 6, 7].map((value) => queue.add(sample(value)))
    expect(answers.every((answer) => answer === undefined)).toBe(true)
    expect(full).toEqual([true])
    store.asked[0]?.answer(STORED)
    await rest()
    expect(full).toEqual([true])
    store.asked[1]?.answer(STORED)
    await rest()
    expect(full).toEqual([true, false])
    await queue.close()
  })

  it('drains: seals what is open and waits for the store; gives up at the signal', async () => {
    const { store, queue } = setUp()
    queue.add(sample(1))
    const drained = queue.drain(new AbortController().signal, false)
    store.asked[0]?.answer(STORED)
    await expect(drained).resolves.toBeUndefined()

    queue.add(sample(2))
    const deadline = new AbortController()
    const given = queue.drain(deadline.signal, false)
    deadline.abort()
    await expect(given).rejects.toThrow('1 samples still wait')
    await queue.close()
  })

  it('asks a store that was away once more at the end, however long the pause was to be', async () => {
    const { store, queue, acked } = setUp()
    queue.add(sample(1))
    queue.endMessage(1, 1)
    await vi.advanceTimersByTimeAsync(11)
    store.asked[0]?.answer({ ...AWAY, afterMs: 3_600_000 })
    await rest()
    const drained = queue.drain(new AbortController().signal, false)
    expect(store.asked).toHaveLength(2)
    store.asked[1]?.answer(STORED)
    await drained
    expect(acked).toEqual([1])
    await queue.close()
  })

  it('drains what comes in meanwhile, too', async () => {
    const { store, queue } = setUp()
    queue.add(sample(1))
    const drained = queue.drain(new AbortController().signal, false)
    queue.add(sample(2))
    store.asked[0]?.answer(STORED)
    await rest()
    store.asked[1]?.answer(STORED)
    await drained
    expect(queue.samples).toBe(0)
    expect(store.stored).toEqual([1, 2])
    await queue.close()
  })

  it('ends a drain when it is closed', async () => {
    const { queue } = setUp()
    queue.add(sample(1))
    const drained = queue.drain(new AbortController().signal, false)
    await queue.close()
    await expect(drained).rejects.toThrow('1 samples still wait')
  })

  it('refuses a sample that no batch can hold, with any content of the open batch', async () => {
    const { queue } = setUp()
    expect(queue.add(sample(Infinity))).toMatchObject({ reason: 'too_large' })
    expect(queue.add(sample(1))).toBeUndefined()
    expect(queue.add(sample(Infinity))).toMatchObject({ reason: 'too_large' })
    expect(queue.samples).toBe(1)
    await queue.close()
  })

  it('writes no batch without a sample, and acks what ended in one with the batch before', async () => {
    const { store, queue, acked, times } = setUp()
    queue.add(sample(-1))
    queue.endMessage(1, 0)
    await vi.advanceTimersByTimeAsync(300)
    expect(acked).toEqual([1])
    for (const value of [1, 2, 3]) queue.add(sample(value))
    queue.endMessage(2, 77)
    for (const value of [4, 5, 6, -1]) queue.add(sample(value))
    queue.add(sample(Infinity))
    queue.endMessage(3, 78)
    await vi.advanceTimersByTimeAsync(300)
    expect(store.asked.map(({ values }) => values)).toEqual([[1, 2, 3], [4, 5, 6]]) // biome-ignore format: two batches
    for (const { answer } of store.asked) answer(STORED)
    await rest()
    expect([acked, times]).toEqual([[1, 2, 3], [77, 78]]) // biome-ignore format: two columns
    expect(store.openBatches).toBe(0)
    expect(queue.breaker.writes).toBe(2)
    await queue.close()
  })

  it('leaves the oldest its pause, though a younger one that was on its way is stored', async () => {
    const { store, queue } = setUp()
    for (const value of [1, 2, 3, 4, 5, 6, 7]) queue.add(sample(value))
    store.asked[0]?.answer({ ...AWAY, afterMs: 5000 })
    await rest()
    store.asked[1]?.answer(STORED)
    await vi.advanceTimersByTimeAsync(4999)
    expect(store.asked).toHaveLength(2)
    expect(queue.breaker.problem).toBe('connection refused')
    await vi.advanceTimersByTimeAsync(1)
    expect(store.asked.slice(2).map(({ values }) => values)).toEqual([[1, 2, 3]])
    store.asked[2]?.answer(STORED)
    await rest()
    expect(queue.breaker.problem).toBe('')
    await queue.close()
  })

  it('takes samples of its own, but never over the bound, and knows how many it holds', async () => {
    const { store, queue } = setUp(500)
    for (const value of [1, 2, 3, 4]) queue.add(sample(value))
    expect(queue.addOwn(sample(5))).toBeUndefined()
    expect(queue.addOwn(sample(-1))).toMatchObject({ reason: 'no_fields' })
    expect(queue.ownSamples).toBe(1)
    queue.add(sample(6))
    queue.add(sample(7))
    expect(queue.addOwn(sample(8))).toBe('full')
    expect(queue.ownSamples).toBe(1)
    for (const { answer } of store.asked.splice(0)) answer(STORED)
    await rest()
    expect(queue.ownSamples).toBe(0)
    await queue.close()
  })

  it('survives a writer that breaks its promise and rejects', async () => {
    const { store, queue, acked } = setUp()
    const write = store.write.bind(store)
    store.write = () => Promise.reject(new Error('broken'))
    queue.add(sample(1))
    queue.endMessage(1, 1)
    await vi.advanceTimersByTimeAsync(11)
    expect(queue.breaker.problem).toBe('broken')
    store.write = write
    await vi.advanceTimersByTimeAsync(300)
    store.asked[0]?.answer(STORED)
    await rest()
    expect(acked).toEqual([1])
    await queue.close()
  })
})

describe('WriteQueue, with any answers of the store', () => {
  it('stores every sample taken, in order within a batch, and acks each message once and in order', async () => {
    const answers = fc.infiniteStream(fc.constantFrom('ack', 'ack', 'retry', 'wait'))
    const messages = fc.array(fc.integer({ min: 0, max: 7 }), { maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(messages, answers, async (sizes, outcomes) => {
        vi.useFakeTimers()
        const { store, queue, acked, settled } = setUp(1e9)
        const write = store.write.bind(store)
        store.write = (batch, signal) => {
          const result = write(batch, signal)
          const { answer } = store.asked.at(-1)!
          const next = outcomes.next().value
          setTimeout(() => answer(next === 'ack' ? STORED : { next, problem: next }), 3)
          return result
        }
        let taken = 0
        sizes.forEach((size, index) => {
          for (let i = 0; i < size; i++) queue.add(sample(taken++))
          queue.endMessage(index + 1, 1)
        })
        const drained = queue.drain(new AbortController().signal, false)
        await vi.advanceTimersByTimeAsync(3_600_000)
        await drained
        expect(new Set(store.stored).size).toBe(taken)
        expect(settled.reduce((sum, samples) => sum + samples, 0)).toBe(taken)
        expect(acked).toEqual([...acked].sort((a, b) => a - b))
        expect(acked.at(-1) ?? 0).toBe(sizes.length)
        expect(store.openBatches).toBe(0)
        await queue.close()
        vi.useRealTimers()
      }),
      { numRuns: 60 },
    )
  })
})
