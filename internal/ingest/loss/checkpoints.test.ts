import fc from 'fast-check'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Numbered, NumberedSource } from '../../../test/support/numbered-source.ts'
import type { CheckpointStore } from '../../broker/broker.ts'
import { blankHeader, type MessageHeader } from '../../codec/codec.ts'
import { LogThrottle } from '../../observe/log-throttle.ts'
import { Checkpoints } from './checkpoints.ts'
import { LossTracker } from './loss.ts'

const throttle = new LogThrottle(pino({ level: 'silent' }))

const DAY_MS = 86_400_000

/** Keeps checkpoints as Redis does, and can be set to be away. */
class FakeStore implements CheckpointStore {
  readonly kept = new Map<string, string>()
  away = false
  saves = 0

  async load(): Promise<Map<string, string>> {
    return new Map(this.kept)
  }

  async save(checkpoints: ReadonlyMap<string, string>, forget: readonly string[] = []): Promise<void> {
    if (this.away) throw new Error('away')
    this.saves++
    for (const [run, checkpoint] of checkpoints) this.kept.set(run, checkpoint)
    for (const run of forget) this.kept.delete(run)
  }
}

/** A server. Samples that it received and did not settle end with it. */
class Server {
  readonly loss: LossTracker
  readonly checkpoints: Checkpoints
  #delivered = 0
  #unsettled = 0

  private constructor(loss: LossTracker, checkpoints: Checkpoints) {
    this.loss = loss
    this.checkpoints = checkpoints
  }

  static async start(store: CheckpointStore, options: { maxRuns?: number } = {}): Promise<Server> {
    const loss = new LossTracker(options)
    const server = new Server(loss, new Checkpoints({ store, loss, throttle }))
    await server.checkpoints.start()
    return server
  }

  take(header: MessageHeader): void {
    this.loss.observe(header)
    this.#unsettled += header.sampleCount
    this.checkpoints.delivered(++this.#delivered)
  }

  settle(): void {
    this.#unsettled = 0
    this.checkpoints.acked(this.#delivered)
  }

  async stop(): Promise<void> {
    this.settle()
    await this.checkpoints.stop(new AbortController().signal)
  }

  /** @returns the samples that it had and that are gone */
  kill(): number {
    void this.checkpoints.stop(AbortSignal.abort())
    return this.#unsettled
  }
}

const aSecond = (): Promise<unknown> => vi.advanceTimersByTimeAsync(1000)

function message(run: string, seq: number): MessageHeader {
  const numbers = { seq, firstSample: seq, heldFrom: seq, heldFirstSample: seq }
  return { ...blankHeader(), run, ...numbers, sampleCount: 1 }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
})

afterEach(() => {
  vi.useRealTimers()
})

describe('Checkpoints', () => {
  it('saves nothing of what is not settled', async () => {
    const store = new FakeStore()
    const server = await Server.start(store)
    server.take(message('a', 0))
    await aSecond()
    expect(store.kept.size).toBe(0)
    server.settle()
    await aSecond()
    expect(JSON.parse(store.kept.get('a')!)).toMatchObject({ next: 1, clean: false })
    server.take(message('a', 1))
    await aSecond()
    server.take(message('a', 2))
    server.settle()
    await aSecond()
    // The checkpoint made before message 2 arrived is saved first, then the newer one.
    await aSecond()
    expect(JSON.parse(store.kept.get('a')!)).toMatchObject({ next: 3 })
    await server.stop()
    expect(JSON.parse(store.kept.get('a')!)).toMatchObject({ next: 3, clean: true })
  })

  it('saves a checkpoint soon after the start, for a process that is killed within its first second', async () => {
    const store = new FakeStore()
    const server = await Server.start(store)
    server.take(message('a', 7))
    server.settle()
    await vi.advanceTimersByTimeAsync(100)
    server.kill()
    const next = await Server.start(store)
    next.take(message('a', 9))
    expect(next.loss.lostSamplesAtMost).toBe(1)
    await next.stop()
  })

  it('keeps the checkpoint before where a stop ran out of time before all was settled', async () => {
    const store = new FakeStore()
    const server = await Server.start(store)
    server.take(message('a', 0))
    server.settle()
    await aSecond()
    server.take(message('a', 1))
    await server.checkpoints.stop(new AbortController().signal)
    expect(JSON.parse(store.kept.get('a')!)).toMatchObject({ next: 1, clean: false })
  })

  it('saves only what changed, and tries again where that fails', async () => {
    const store = new FakeStore()
    const server = await Server.start(store)
    const saves = store.saves
    server.take(message('a', 0))
    server.settle()
    store.away = true
    await aSecond()
    await aSecond()
    server.take(message('b', 0))
    server.settle()
    store.away = false
    await aSecond()
    expect([...store.kept.keys()]).toEqual(['a', 'b'])
    await aSecond()
    expect(store.saves - saves).toBe(1)
    await server.stop()
  })

  it('goes on where the process before stopped', async () => {
    const store = new FakeStore()
    const first = await Server.start(store)
    first.take(message('a', 0))
    await first.stop()
    const second = await Server.start(store)
    second.take(message('a', 3))
    expect([second.loss.lostSamples, second.loss.lostSamplesAtMost]).toEqual([2, 0])
    await second.stop()
  })

  it('knows only a bound where a process before was killed, whichever that was', async () => {
    const store = new FakeStore()
    const first = await Server.start(store)
    first.take(message('a', 0))
    await first.stop()
    const second = await Server.start(store)
    second.take(message('a', 1))
    second.settle()
    second.kill()
    const third = await Server.start(store)
    third.take(message('a', 2))
    third.take(message('a', 4))
    expect([third.loss.lostSamples, third.loss.lostSamplesAtMost]).toEqual([1, 1])
    await third.stop()
  })

  it('keeps the checkpoint of a quiet run for a day', async () => {
    const store = new FakeStore()
    const first = await Server.start(store)
    first.take(message('old', 0))
    first.settle()
    await aSecond()
    await vi.advanceTimersByTimeAsync(DAY_MS - 10_000)
    first.take(message('new', 0))
    await first.stop()
    store.kept.set('noise', '{"next":"1"}')
    vi.advanceTimersByTime(20_000)
    const second = await Server.start(store)
    expect([...store.kept.keys()]).toEqual(['new'])
    second.take(message('old', 5))
    second.take(message('new', 5))
    expect(second.loss.lostSamples).toBe(4)
    await second.stop()
  })

  it('keeps no more runs than the tracker', async () => {
    const store = new FakeStore()
    const server = await Server.start(store, { maxRuns: 10 })
    for (let i = 0; i < 200; i++) {
      server.take(message(`run ${i}`, 0))
      if (i % 30 === 0) {
        server.settle()
        await aSecond()
      }
    }
    await server.stop()
    expect(store.kept.size).toBeLessThanOrEqual(10)
    for (let i = 0; i < 50; i++) store.kept.set(`stranger ${i}`, store.kept.get('run 199')!)
    await (await Server.start(store, { maxRuns: 10 })).stop()
    expect(store.kept.size).toBe(10)
  })

  it('goes on without a store that refuses, and does not wait for it at the end', async () => {
    const store = new FakeStore()
    store.load = () => Promise.reject(new Error('no permission'))
    const server = await Server.start(store)
    server.take(message('a', 0))
    server.settle()
    await aSecond()
    expect([...store.kept.keys()]).toEqual(['a'])
    store.save = () => new Promise(() => {})
    const deadline = new AbortController()
    const stopped = server.checkpoints.stop(deadline.signal)
    deadline.abort()
    await stopped
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is exact over clean restarts, a bound after others, and never below the truth', async () => {
    const fate = fc.constantFrom('sent', 'sent', 'sent', 'lost', 'kept', 'kept')
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ samples: fc.nat(5), fate }) },
      { weight: 3, arbitrary: fc.constant('settle') },
      { weight: 3, arbitrary: fc.constant('a second') },
      { weight: 2, arbitrary: fc.constant('send kept') },
      { weight: 1, arbitrary: fc.constant('withdraw kept') },
      { weight: 1, arbitrary: fc.constant('restart') },
      { weight: 1, arbitrary: fc.constant('kill') },
      { weight: 1, arbitrary: fc.constant('away') },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        const store = new FakeStore()
        const source = new NumberedSource()
        const reported = { lost: 0, atMost: 0 }
        let lost = 0
        let exact = true
        let server = await Server.start(store)
        const send = (one: Numbered): void => server.take(source.header(one))
        const next = async (): Promise<void> => {
          reported.lost += server.loss.lostSamples
          reported.atMost += server.loss.lostSamplesAtMost
          server = await Server.start(store)
        }
        send(source.number(1))
        server.settle()
        await aSecond()
        for (const one of steps) {
          if (typeof one === 'object') {
            const numbered = source.number(one.samples)
            if (one.fate === 'sent') send(numbered)
            else if (one.fate === 'kept') source.keep(numbered)
            else lost += one.samples
          } else if (one === 'settle') server.settle()
          else if (one === 'a second') await aSecond()
          else if (one === 'away') store.away = !store.away
          else if (one === 'send kept' || one === 'withdraw kept') {
            const kept = source.takeKept()
            if (kept !== undefined) one === 'send kept' ? send(kept) : source.withdraw(kept)
          } else if (one === 'restart') {
            await server.stop()
            exact &&= !store.away
            await next()
          } else {
            lost += server.kill()
            exact = false
            await next()
          }
        }
        for (let kept = source.takeKept(); kept !== undefined; kept = source.takeKept()) send(kept)
        send(source.number(0))
        await server.stop()
        reported.lost += server.loss.lostSamples
        reported.atMost += server.loss.lostSamplesAtMost
        if (exact) expect(reported).toEqual({ lost, atMost: 0 })
        expect(reported.lost + reported.atMost).toBeGreaterThanOrEqual(lost)
      }),
      { numRuns: 500 },
    )
  })
})
