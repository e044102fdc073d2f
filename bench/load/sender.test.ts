import { expect, test, vi } from 'vitest'
import type { MessageWriter } from './messages.ts'
import type { LineListener, RedisLine } from './redis-line.ts'
import { Sender, type Step, type StepResult } from './sender.ts'
import { Tallies } from './tallies.ts'

const START_US = 1_763_900_000_000_000

/** A Redis that answers each message in the next turn of the event loop, and records its worker and due time. */
class FakeLine implements Pick<RedisLine, 'listen' | 'write'> {
  readonly messages: Array<{ readonly worker: number; readonly dueUs: number }> = []
  writes = 0
  /** The answer to the message of this number; undefined holds it back. */
  receiversOf: (n: number) => number | undefined = () => 1
  listener!: LineListener
  #answered = 0

  listen(listener: LineListener): void {
    this.listener = listener
  }

  write(bytes: Buffer, onWritten: () => void): void {
    this.writes++
    for (let at = 0; at < bytes.length; at += 12) {
      this.messages.push({ worker: bytes.readUInt32LE(at), dueUs: bytes.readDoubleLE(at + 4) })
    }
    setImmediate(() => {
      onWritten()
      this.answer()
    })
  }

  answer(): void {
    const receivers = this.receiversOf(this.#answered)
    if (this.#answered === this.messages.length || receivers === undefined) return
    this.#answered++
    this.listener.onReply(receivers)
    this.listener.onRead()
    this.answer()
  }
}

const messages: MessageWriter = {
  maxBytes: 12,
  write: (out, at, worker, dueUs) => out.writeDoubleLE(dueUs, out.writeUInt32LE(worker, at)),
  endMarkers: () => [],
}

interface Scene {
  readonly line: FakeLine
  readonly tallies: Tallies
  readonly sender: Sender
}

/** @param clock returns the time for each reading of the sender */
function scene(step: Partial<Step>, clock: () => number, workers = 4, leastPauseUs = 0): Scene {
  const line = new FakeLine()
  const tallies = new Tallies(1)
  const all: Step = { startUs: START_US, durationMs: 100, ratePerSecond: undefined, window: Infinity, ...step }
  const options = { messages, workers, leastPauseUs, thread: 0, threads: 1, tallies, clock: { now: clock } }
  return { line, tallies, sender: new Sender(all, { ...options, line: line as unknown as RedisLine }) }
}

/** A clock that advances by this much with each reading. */
function ticking(stepUs: number, from = START_US): () => number {
  let nowUs = from
  return () => {
    nowUs += stepUs
    return nowUs
  }
}

test('an open loop sends each message for its due time, workers in turn', async () => {
  const { line, sender } = scene({ ratePerSecond: 1000 }, ticking(300))
  const result = await sender.run()
  expect(line.messages).toEqual(Array.from({ length: 100 }, (_, n) => ({ worker: n % 4, dueUs: START_US + n * 1000 })))
  expect(result).toMatchObject({ messages: 100, unreceived: 0, endUs: START_US + 99_001 })
  expect([result.lateness.count, result.reply.count]).toEqual([100, 100])
})

test('a stall of the sender counts for every message that was due in it', async () => {
  let looks = 0
  // Stands still for 80 ms just after the first message.
  const { sender } = scene({ ratePerSecond: 1000 }, () => START_US + (looks++ < 2 ? looks : 80_000 + looks * 100))
  const { messages: sent, lateness } = await sender.run()
  expect(sent).toBe(100)
  const late = lateness.buckets.filter(([us]) => us > 1000).reduce((sum, [, count]) => sum + count, 0)
  expect(late).toBeGreaterThanOrEqual(78)
  expect(lateness.max).toBeGreaterThan(78_000)
})

test('what is due within the least pause is sent together', async () => {
  const startedAtMs = performance.now()
  const clock = (): number => START_US + Math.floor((performance.now() - startedAtMs) * 1000)
  const { line, sender } = scene({ ratePerSecond: 10_000, durationMs: 50 }, clock, 4, 5_000)
  expect((await sender.run()).messages).toBe(500)
  // A pause never ends early, so no more than ten fit between the first message and the last.
  expect(line.writes).toBeLessThanOrEqual(12)
})

test('a closed loop has no more messages in flight than workers', async () => {
  const { line, sender, tallies } = scene({}, ticking(50), 3)
  let mostUnanswered = 0
  line.receiversOf = (n) => {
    mostUnanswered = Math.max(mostUnanswered, line.messages.length - n)
    return 1
  }
  const { messages: sent, reply } = await sender.run()
  expect(mostUnanswered).toBe(3)
  expect(sent).toBe(line.messages.length)
  expect(reply.count).toBe(sent)
  expect(tallies.sent).toBe(sent)
  expect(new Set(line.messages.map(({ dueUs }) => dueUs)).size).toBe(sent)
})

test('no worker sends a message before it is due', async () => {
  let nowUs = START_US
  const { line, sender } = scene({ durationMs: 2 }, () => ++nowUs, 1000)
  let early = 0
  const { write } = line
  line.write = (bytes, onWritten) => {
    write.call(line, bytes, onWritten)
    early += line.messages.at(-1)!.dueUs > nowUs ? 1 : 0
  }
  expect((await sender.run()).messages).toBe(line.messages.length)
  expect([early, line.messages.length > 100]).toEqual([0, true])
})

test('a closed loop waits for the servers', async () => {
  const { line, sender, tallies } = scene({ window: 10 }, ticking(1), 4)
  const running = sender.run()
  await vi.waitUntil(() => line.messages.length === 10)
  tallies.done = 7
  await vi.waitUntil(() => line.messages.length === 17)
  tallies.stop()
  expect(await running).toMatchObject({ messages: 17 })
})

test('messages that no server received are counted for each worker', async () => {
  const { line, sender } = scene({ ratePerSecond: 1000 }, ticking(300))
  line.receiversOf = (n) => (n % 4 === 1 || n === 2 ? 0 : 1)
  expect((await sender.run()).unreceived).toBe(26)
  expect([...sender.unreceivedOf]).toEqual([0, 25, 1, 0])
})

test('a stop ends it when all that was sent is answered', async () => {
  const { line, sender, tallies } = scene({ ratePerSecond: 1000, durationMs: 1e9 }, ticking(300))
  let mayAnswer = false
  line.receiversOf = (n) => (n < 5 || mayAnswer ? 1 : undefined)
  const running = sender.run()
  await vi.waitUntil(() => line.messages.length > 20)
  tallies.stop()
  mayAnswer = true
  line.answer()
  const { messages: sent, reply } = (await running) satisfies StepResult
  expect(reply.count).toBe(sent)
  expect(sent).toBe(line.messages.length)
})

test('a refusal, and the end of the connection, end it', async () => {
  const refused = scene({ ratePerSecond: 1 }, ticking(1))
  const refusal = expect(refused.sender.run()).rejects.toThrow('Redis refuses a message: OOM')
  refused.line.listener.onError('OOM')
  await refusal
  const cut = scene({ ratePerSecond: 1 }, ticking(1))
  const end = expect(cut.sender.run()).rejects.toThrow('gone')
  cut.line.listener.onEnd(new Error('gone'))
  await end
})

test('a step of no messages is over at once', async () => {
  expect(await scene({ ratePerSecond: 1 }, ticking(1)).sender.run()).toMatchObject({ messages: 0, endUs: START_US })
})
