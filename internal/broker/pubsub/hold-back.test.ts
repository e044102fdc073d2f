import { describe, expect, it } from 'vitest'
import type { OutputLimit, Unread } from '../broker.ts'
import { HoldBack, type Reading } from './hold-back.ts'
import { DEFAULT_OUTPUT_LIMIT, parseOutputLimit } from './output-limit.ts'

const MIB = 2 ** 20

/** One that is told every 50 ms what is unread. */
class Told {
  readonly holdBack = new HoldBack(() => 0.5)
  nowMs = 1000
  readonly done: string[] = []

  for(ms: number, unread: Unread & Partial<Reading>, { limit = DEFAULT_OUTPUT_LIMIT, isCaughtUp = true } = {}): this {
    const reading = { soonBytes: unread.bytes, bytesPerMs: 0, ...unread }
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; this.nowMs += 50) {
      const todo = this.holdBack.look(this.nowMs, reading, limit, isCaughtUp)
      if (todo !== undefined) this.done.push(todo)
    }
    return this
  }
}

const nothing: Unread = { ageMs: 1, bytes: 0 }

it('takes all while little is unread, whatever the rate', () => {
  const told = new Told().for(60_000, nothing).for(60_000, { ageMs: 500, bytes: 3 * MIB })
  expect(told.done).toEqual([])
  expect(told.holdBack.isBehind).toBe(false)
})

it('does not mind a pause of the process of a second', () => {
  const told = new Told()
  for (let round = 0; round < 10; round++) told.for(1000, { ageMs: 1000, bytes: 12 * MIB }).for(1000, nothing)
  expect(told.done).toEqual([])
})

it('holds back at once at half of the hard limit', () => {
  const told = new Told().for(50, { ageMs: 300, bytes: 16 * MIB }, { isCaughtUp: false })
  expect(told.done).toEqual(['pause'])
  expect(told.holdBack.isHoldingBack).toBe(true)
})

it.each<[string, Unread]>([
  ['late', { ageMs: 2500, bytes: 1000 }],
  ['near the soft limit', { ageMs: 100, bytes: 5 * MIB }],
])('holds back when it has been %s for two seconds', (_what, unread) => {
  const told = new Told().for(2000, unread)
  expect(told.done).toEqual([])
  expect(told.for(50, unread).done).toEqual(['pause'])
})

it('does so sooner where Redis waits for less', () => {
  const limit: OutputLimit = { ...DEFAULT_OUTPUT_LIMIT, softMs: 4000 }
  expect(new Told().for(1050, { ageMs: 100, bytes: 5 * MIB }, { limit }).done).toEqual(['pause'])
})

it('takes again when all is read, and not before the least time, so that it does not flap', () => {
  const told = new Told().for(50, { ageMs: 300, bytes: 16 * MIB })
  told.for(5000, { ageMs: 3000, bytes: 4 * MIB }, { isCaughtUp: false })
  expect(told.done).toEqual(['pause'])
  told.for(50, nothing)
  expect(told.done).toEqual(['pause', 'resume'])

  const quick = new Told().for(50, { ageMs: 300, bytes: 16 * MIB }).for(700, nothing)
  expect(quick.done).toEqual(['pause'])
  expect(quick.for(100, nothing).done).toEqual(['pause', 'resume'])
})

it('is behind until it has taken all for 15 s', () => {
  const told = new Told().for(50, { ageMs: 300, bytes: 16 * MIB }).for(1000, nothing)
  expect(told.done).toEqual(['pause', 'resume'])
  told.for(14_000, nothing)
  expect(told.holdBack.isBehind).toBe(true)
  told.for(2000, nothing)
  expect(told.holdBack.isBehind).toBe(false)
})

it('goes on being behind in an overload that lasts', () => {
  const told = new Told()
  for (let round = 0; round < 10; round++) told.for(3000, { ageMs: 3000, bytes: 7 * MIB }).for(2000, nothing)
  expect(told.done).toEqual(Array.from({ length: 10 }, () => ['pause', 'resume']).flat())
  expect(told.holdBack.isBehind).toBe(true)
})

it('holds back before much is unread where it grows so fast that the next look would come too late', () => {
  const told = new Told().for(50, { ageMs: 100, bytes: 8 * MIB, soonBytes: 20 * MIB })
  expect(told.done).toEqual([])
  expect(told.for(50, { ageMs: 100, bytes: 10 * MIB, soonBytes: 25 * MIB }).done).toEqual(['pause'])
})

/** More than the default limit holds for 1.5 s. */
const fast = { ...nothing, bytesPerMs: 25_000 }

describe('while it takes again', () => {
  const takingAgain = (): Told => {
    const told = new Told().for(50, { ageMs: 300, bytes: 16 * MIB }).for(1000, nothing)
    expect(told.done.splice(0)).toEqual(['pause', 'resume'])
    return told
  }

  it('lets half as much be unread', () => {
    expect(takingAgain().for(50, { ageMs: 200, bytes: 8 * MIB }).done).toEqual(['pause'])
    expect(new Told().for(50, { ageMs: 200, bytes: 8 * MIB }).done).toEqual([])
  })

  it('takes no more than a standstill could bear, though all of it is read', () => {
    expect(takingAgain().for(50, fast).done).toEqual(['pause'])
    expect(takingAgain().for(3000, { ...nothing, bytesPerMs: 15_000 }).done).toEqual([])
    expect(new Told().for(3000, fast).done).toEqual([])
  })

  it('takes it when it is what comes afresh, which a pause does not make less', () => {
    const told = takingAgain().for(50, fast).for(1000, nothing)
    expect(told.done.splice(0)).toEqual(['pause', 'resume'])
    expect(told.for(15_000, fast).done).toEqual([])
    expect(told.holdBack.isBehind).toBe(false)
  })

  it('goes on slowing down those who resend, and become faster again', () => {
    const told = takingAgain()
    for (let round = 0; round < 5; round++) told.for(3000, nothing).for(50, fast).for(1000, nothing)
    expect(told.done).toEqual(Array.from({ length: 5 }, () => ['pause', 'resume']).flat())
  })
})

it.each<[string, OutputLimit]>([
  ['normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60', DEFAULT_OUTPUT_LIMIT],
  ['normal 0 0 0 replica 0 0 0 pubsub 1048576 524288 5', { hardBytes: MIB, softBytes: MIB / 2, softMs: 5000 }],
  ['pubsub 0 0 0', { hardBytes: Infinity, softBytes: Infinity, softMs: Infinity }],
  ['pubsub 1048576 524288 0', { hardBytes: MIB, softBytes: Infinity, softMs: Infinity }],
  ['', DEFAULT_OUTPUT_LIMIT],
])('reads the limit %j', (text, limit) => {
  expect(parseOutputLimit(text)).toEqual(limit)
})
