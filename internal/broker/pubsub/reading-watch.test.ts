import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { newStats } from '../broker.ts'
import { ReadingWatch, type ReadingWatchOptions } from './reading-watch.ts'

const SECONDS = 20

/** A subscriber that reads so many bytes before the answer to each PING; without `answers`, it has none. */
function subscriberOf({ bytes, answers }: { bytes: () => number; answers: boolean }) {
  const stream = { bytesRead: 0 }
  const ping = vi.fn(() => {
    if (!answers) return new Promise(() => {})
    stream.bytesRead = bytes()
    return Promise.resolve('PONG')
  })
  return { client: { stream, ping, call: () => Promise.reject(new Error('closed')) }, ping }
}

describe('ReadingWatch', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  async function pingsOf(subscriber: ReturnType<typeof subscriberOf>): Promise<number> {
    const { client } = subscriber
    const watch = new ReadingWatch({
      subscriber: { client, up: true, id: 1 },
      commands: { client, up: false },
      logger: pino({ level: 'silent' }),
      stats: newStats(),
      holdBack: () => {},
    } as unknown as ReadingWatchOptions)
    await vi.advanceTimersByTimeAsync(SECONDS * 1000)
    watch.stop()
    return subscriber.ping.mock.calls.length
  }

  it('asks about once a second while little comes', async () => {
    const pings = await pingsOf(subscriberOf({ bytes: () => performance.now() * 1000, answers: true }))
    expect(pings).toBeGreaterThanOrEqual(SECONDS / 2)
    expect(pings).toBeLessThanOrEqual(SECONDS + 1)
  })

  it('asks more often the sooner Redis would cut off, and not more than 5 times a second', async () => {
    const pings = await pingsOf(subscriberOf({ bytes: () => performance.now() * 4000, answers: true }))
    expect(pings).toBeGreaterThan(1.5 * SECONDS)
    expect(await pingsOf(subscriberOf({ bytes: () => performance.now() * 1e6, answers: true }))).toBeGreaterThan(pings)
    expect(pings).toBeLessThanOrEqual(5 * SECONDS)
  })

  it('asks nothing more while an answer is missing', async () => {
    expect(await pingsOf(subscriberOf({ bytes: () => 0, answers: false }))).toBe(1)
  })
})
