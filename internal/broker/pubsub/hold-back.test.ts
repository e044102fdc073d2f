import { expect, it } from 'vitest'
import type { OutputLimit, Unread } from '../broker.ts'
import { HoldBack } from './hold-back.ts'
import { DEFAULT_OUTPUT_LIMIT, parseOutputLimit } from './output-limit.ts'

const MIB = 2 ** 20

/** One that is told every 50 ms what is unread. */
class Told {
  readonly holdBack = new HoldBack(() => 0.5)
  nowMs = 1000
  readonly done: string[] = []

  for(ms: number, unread: Unread, { limit = DEFAULT_OUTPUT_LIMIT, isCaughtUp = true } = {}): this {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; this.nowMs += 50) {
      const todo = this.holdBack.look(this.nowMs, unread, limit, isCaughtUp)
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
  for (let round = 0; round < 10; round++) told.for(3000, { ageMs: 3000, bytes: 10 * MIB }).for(2000, nothing)
  expect(told.done).toEqual(Array.from({ length: 10 }, () => ['pause', 'resume']).flat())
  expect(told.holdBack.isBehind).toBe(true)
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
