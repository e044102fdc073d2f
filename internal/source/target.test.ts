import { describe, expect, it, vi } from 'vitest'
import type { AnswerBody } from './answer-body.ts'
import { type Place, Target } from './target.ts'
import { TargetError } from './target-error.ts'

const INTERVAL_MS = 10_000
const never = new AbortController().signal

type Answer = string | undefined | Error | 'hangs'

/** A place that answers what the test says, and a target at it with a clock of its own. */
class Scene {
  nowMs = 1_000_000
  answer: Answer = 'a'
  takenTimes = 0
  readonly target: Target

  constructor(timeoutMs = 5_000) {
    const place: Place = {
      read: (body, signal) => this.#read(body, signal),
      taken: () => void this.takenTimes++,
      close: () => {},
    }
    const limits = { intervalMs: INTERVAL_MS, timeoutMs, maxBodyBytes: 1000 }
    this.target = new Target({ name: 't', place, ...limits, nowMs: () => this.nowMs })
  }

  /** @returns what came, or the problem */
  async ask(answer: Answer, isGood = true): Promise<string | undefined> {
    this.answer = answer
    try {
      const bytes = await this.target.ask(never)
      if (bytes !== undefined && isGood) this.target.taken()
      else if (bytes !== undefined) return this.target.failed(new TargetError('no_rows', 'it has no rows')).problem
      return bytes?.toString()
    } catch (error) {
      return error instanceof TargetError ? error.problem : String(error)
    }
  }

  /** How long it rests, ms. */
  restsMs(): number {
    const beganMs = this.nowMs
    while (!this.target.isDue) this.nowMs += 10
    const restMs = this.nowMs - beganMs
    this.nowMs = beganMs
    return restMs
  }

  async #read(body: AnswerBody, signal: AbortSignal): Promise<'read' | 'nothing_new'> {
    const { answer } = this
    if (answer instanceof Error) throw answer
    if (answer === undefined) return 'nothing_new'
    if (answer === 'hangs') {
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
    }
    body.begin()
    body.add(Buffer.from(answer))
    return 'read'
  }
}

describe('a target', () => {
  it('is up after an answer that was taken, or that says that nothing is new, and says how old that is', async () => {
    const scene = new Scene()
    const state = () => [scene.target.up, scene.target.ageMs, scene.target.error?.problem, scene.takenTimes]
    expect([state(), scene.target.isDue]).toEqual([[false, undefined, undefined, 0], true])
    expect(await scene.ask('rows')).toBe('rows')
    expect(state()).toEqual([true, 0, undefined, 1])
    scene.nowMs += 7000
    expect(state()).toEqual([true, 7000, undefined, 1])
    expect(await scene.ask(undefined)).toBeUndefined()
    expect(state()).toEqual([true, 0, undefined, 1])
    scene.nowMs += 7000
    expect(await scene.ask('bad', false)).toBe('no_rows')
    expect(state()).toEqual([false, 7000, 'no_rows', 1])
    expect(await scene.ask(new TargetError('status', 'it answered 500'))).toBe('status')
    expect(state()).toEqual([false, 7000, 'status', 1])
    expect(await scene.ask('good')).toBe('good')
    expect(state()).toEqual([true, 0, undefined, 2])
  })

  it('rests after a failure, longer after each further one, three intervals at most, and no more once it is good', async () => {
    const random = vi.spyOn(Math, 'random').mockReturnValue(1)
    try {
      const scene = new Scene()
      const rests: number[] = []
      for (const good of [false, false, false, false, true, false]) {
        await scene.ask(good ? 'a' : new TargetError('unreachable', 'away'))
        rests.push(scene.restsMs())
      }
      expect(rests).toEqual([10_000, 20_000, 30_000, 30_000, 0, 10_000])
      await scene.ask('bad', false)
      expect(scene.restsMs()).toBe(20_000)
      await scene.ask(undefined)
      expect(scene.restsMs()).toBe(0)
    } finally {
      random.mockRestore()
    }
  })

  it('that does not answer in time is a failure, also within an answer', async () => {
    const scene = new Scene(20)
    expect(await scene.ask('hangs')).toBe('timeout')
    expect(scene.target.error?.message).toBe('it did not answer within 0.02 s')
    expect([scene.target.up, scene.restsMs() > 0]).toEqual([false, true])
  })

  it('is left at the signal, which is no failure of its own', async () => {
    const scene = new Scene()
    const stop = new AbortController()
    scene.answer = 'hangs'
    const asking = scene.target.ask(stop.signal)
    const reason = new Error('the source is stopped')
    stop.abort(reason)
    await expect(asking).rejects.toBe(reason)
    await expect(scene.target.ask(stop.signal)).rejects.toBe(reason)
    expect([scene.target.error, scene.target.isDue]).toEqual([undefined, true])
  })

  it('that throws something else is unreachable, with its words', async () => {
    const scene = new Scene()
    expect(await scene.ask(new RangeError('Array buffer allocation failed'))).toBe('unreachable')
    expect(scene.target.error?.message).toBe('it cannot be read: Array buffer allocation failed')
  })
})
