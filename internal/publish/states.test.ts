import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import { FaultyBroker, stubCodec } from '../../test/support/faulty-broker.ts'
import { onIllegalTransition } from '../lifecycle/transition.ts'
import { LogThrottle } from '../observe/log-throttle.ts'
import { PublisherLedger } from '../sample/ledger.ts'
import { type MessageState, OutgoingMessage } from './message.ts'
import { Publisher } from './publisher.ts'
import { Run } from './run.ts'

const logger = pino({ level: 'silent' })
const run = new Run('h/agent/1', 0, 'running')
const never = new AbortController().signal

function message(): OutgoingMessage {
  const payload = Buffer.from('x')
  return new OutgoingMessage({ payload, run, seq: 7, firstSample: 0, samples: 1, madeAt: 0, madeAtUptimeUs: 0 })
}

function publisher(): Publisher {
  return new Publisher({
    ...{ broker: new FaultyBroker(), codec: stubCodec(), runId: 'h/agent/1', clock: { now: () => 0 }, logger },
    ...{ throttle: new LogThrottle(logger), ledger: new PublisherLedger() },
  })
}

afterEach(() => onIllegalTransition(undefined))

describe('a message', () => {
  const STATES: readonly MessageState[] = ['made', 'inFlight', 'held', 'sent', 'withdrawn']

  it.each<[way: MessageState[], next: MessageState[]]>([
    [[], ['inFlight', 'held']],
    [['inFlight'], ['held', 'sent', 'withdrawn']],
    [['held'], ['inFlight', 'withdrawn']],
    [
      ['held', 'inFlight', 'held', 'inFlight'],
      ['held', 'sent', 'withdrawn'],
    ],
    [['inFlight', 'sent'], []],
    [['held', 'withdrawn'], []],
  ])('after made → %j can only become %j', (way, next) => {
    const allowed = STATES.filter((state) => {
      const one = message()
      for (const before of way) one.moveTo(before)
      try {
        one.moveTo(state)
      } catch (error) {
        expect(String(error)).toMatch(/^Error: a message that is \w+ cannot become \w+$/)
        return false
      }
      expect(one.state).toBe(state)
      return true
    })
    expect(allowed).toEqual(next)
  })
})

describe('a run', () => {
  it('runs, ends and is over, in this order only', () => {
    const run = new Run('a', 0, 'running')
    expect(() => run.moveTo('ended')).toThrow('a run that is running cannot become ended')
    run.moveTo('ending')
    for (const state of ['running', 'ending'] as const) expect(() => run.moveTo(state)).toThrow('that is ending')
    run.moveTo('ended')
    for (const state of ['running', 'ending', 'ended'] as const)
      expect(() => run.moveTo(state)).toThrow('that is ended')
  })

  it('numbers messages only while it runs, and may withdraw them at any time', () => {
    const run = new Run('a', 0, 'running')
    run.countMessage(3)
    run.moveTo('ending')
    expect(() => run.countMessage(1)).toThrow('run a is ending: it numbers no more messages')
    run.withdraw(1, 3)
    expect(run.header).toMatchObject({ seq: 1, firstSample: 3, withdrawnMessages: 1, withdrawnSamples: 3 })
  })
})

describe('a publisher', () => {
  it('starts once', async () => {
    const one = publisher()
    await one.start()
    await expect(one.start()).rejects.toThrow('a publisher that is running cannot become takingOver')
    await one.stop(never)
  })

  it('stops without having been started, and does not start then', async () => {
    const one = publisher()
    await one.stop(never)
    await expect(one.start()).rejects.toThrow('a publisher that is stopped cannot become takingOver')
  })
  it('keeps its state where an illegal transition does not throw', async () => {
    const bugs: string[] = []
    onIllegalTransition(({ message }) => bugs.push(message))
    const one = publisher()
    await one.stop(never)
    await one.start()
    const sent = message()
    for (const state of ['inFlight', 'sent', 'held'] as const) sent.moveTo(state)
    expect(sent.state).toBe('sent')
    expect(bugs).toEqual([
      'a publisher that is stopped cannot become takingOver',
      'a message that is sent cannot become held',
    ])
  })
})
