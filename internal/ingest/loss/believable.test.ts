import { describe, expect, it } from 'vitest'
import { blankHeader, type MessageHeader, NOTHING_MORE } from '../../codec/codec.ts'
import { LossTracker } from './loss.ts'

const HIGHEST = Number.MAX_SAFE_INTEGER
const NOW_US = 1_763_900_000_000_000

/** Message `seq` of a run whose messages carry two samples each, one a millisecond. */
function message(seq: number, more: Partial<MessageHeader> = {}): MessageHeader {
  return {
    ...blankHeader(),
    ...{ run: 'a', seq, firstSample: seq * 2, sampleCount: 2, sentAt: NOW_US + seq * 1000 },
    ...{ heldFrom: seq, heldFirstSample: seq * 2, ...more },
  }
}

/** As a JSON message has them: one sample each, and nothing is held. */
const json = (seq: number, sentAt: number): MessageHeader =>
  message(seq, { firstSample: seq, heldFirstSample: seq, sampleCount: 1, sentAt })

function observe(messages: readonly MessageHeader[]) {
  const oddities: string[] = []
  const tracker = new LossTracker({ onOddity: (oddity) => oddities.push(oddity) })
  for (const header of messages) tracker.observe(header, false, NOW_US)
  const { lostSamples, missingSamples, duplicateMessages, doubtedMessages, restartedRuns, runsLeapt, runsMetLate } =
    tracker
  return {
    ...{ lostSamples, missingSamples, duplicateMessages, doubtedMessages, restartedRuns, runsLeapt, runsMetLate },
    oddities,
  }
}

const NOTHING = {
  ...{ lostSamples: 0, missingSamples: 0, duplicateMessages: 0, doubtedMessages: 0, restartedRuns: 0, runsLeapt: 0 },
  ...{ runsMetLate: 0, oddities: [] as string[] },
}
const DOUBTED = { ...NOTHING, doubtedMessages: 1, oddities: ['doubted'] }

describe('numbers that cannot be true', () => {
  it.each<[string, Partial<MessageHeader>]>([
    ['a seq near 2^53', { seq: HIGHEST - 1, firstSample: HIGHEST - 1 }],
    ['a seq of a million', { seq: 1e6, firstSample: 2e6 }],
    ['a first sample near 2^53', { firstSample: HIGHEST, heldFirstSample: HIGHEST }],
    ['messages held from beyond itself', { heldFrom: HIGHEST - 1 }],
    ['samples held from beyond itself', { heldFirstSample: HIGHEST }],
    ['messages withdrawn near 2^53', { withdrawnMessages: HIGHEST }],
    ['samples withdrawn near 2^53', { withdrawnMessages: 1, withdrawnSamples: HIGHEST }],
    ['an end marker near 2^53', { seq: HIGHEST - 1, heldFrom: NOTHING_MORE }],
  ])('%s is ignored, and its run goes on', (_name, wrong) => {
    const before = Array.from({ length: 600 }, (_, seq) => message(seq))
    const after = [message(600), message(602), message(603)]
    expect(observe([...before, message(600, wrong), ...after])).toEqual({
      ...DOUBTED,
      lostSamples: 2,
    })
  })

  it('a leap is believed once the next message goes on from there', () => {
    const leapt = [message(0), message(50_000), message(50_001), message(50_002)]
    expect(observe(leapt)).toEqual({ ...DOUBTED, lostSamples: 2 * 49_999 })
  })

  it('what was doubted did arrive: fresh messages before held ones', () => {
    const fresh = (seq: number, heldFrom: number): MessageHeader =>
      message(seq, { heldFrom, heldFirstSample: heldFrom * 2 })
    // 2,000 messages are lost; of 3,000 held ones, fresh messages come first.
    const held = Array.from({ length: 3000 }, (_, i) => [fresh(2001 + i, 2001 + i), fresh(5001 + i, 2002 + i)]).flat()
    const { lostSamples, missingSamples, duplicateMessages } = observe([message(0), ...held, message(8001)])
    expect([lostSamples, missingSamples, duplicateMessages]).toEqual([4000, 0, 0])
  })

  it('and by an end marker, behind which nothing follows', () => {
    const ended = message(50_000, { heldFrom: NOTHING_MORE, sampleCount: 0 })
    expect(observe([message(0), ended])).toEqual({ ...NOTHING, lostSamples: 2 * 49_999 })
  })

  it('a leap beyond 2^24 makes the loss unknown, and its run goes on', () => {
    const far = 2 ** 40
    const messages = [message(0), message(far), message(far + 1), message(far + 3), message(far + 4)]
    expect(observe(messages)).toEqual({
      ...{ ...NOTHING, lostSamples: 2, doubtedMessages: 1, runsLeapt: 1 },
      oddities: ['doubted', 'leapt'],
    })
  })

  it('the same wrong message twice confirms nothing', () => {
    const wrong = message(HIGHEST - 1)
    expect(observe([message(0), wrong, wrong, message(1), message(2)])).toMatchObject({
      ...{ lostSamples: 0, duplicateMessages: 0, doubtedMessages: 2 },
    })
  })

  it('a run that is first heard with a wrong number heals with the next message', () => {
    const wrong = message(HIGHEST - 1, { sentAt: NOW_US - 1 })
    expect(observe([wrong, message(0), message(1), message(3)])).toMatchObject({ lostSamples: 2, duplicateMessages: 0 })
  })

  it('a first message that claims to hold everything before is ignored', () => {
    expect(observe([message(HIGHEST - 1, { heldFrom: 0, heldFirstSample: 0 })])).toEqual(DOUBTED)
  })

  it('a late message does not enlarge the gap that it was missing in', () => {
    const open = message(9, { heldFrom: 1, heldFirstSample: 2 })
    const late = message(4, { firstSample: 1e9, heldFrom: 4, heldFirstSample: 1e9 })
    const { lostSamples, missingSamples } = observe([message(0), open, late, message(10)])
    expect([lostSamples, missingSamples]).toEqual([16, 0])
  })

  it('a checkpoint keeps no number that is not believed', () => {
    const tracker = new LossTracker()
    for (const header of [message(0), message(HIGHEST - 1)]) tracker.observe(header, false, NOW_US)
    const next = new LossTracker()
    next.restore(tracker.checkpoints('all', true, 0))
    next.observe(message(2), false, NOW_US)
    expect([next.lostSamples, next.duplicateMessages]).toEqual([2, 0])
  })
})

describe('a publisher that numbers from 0 after each start, under one name', () => {
  const firstLife = Array.from({ length: 50 }, (_, i) => json(i, NOW_US + i))
  const restarted = { ...NOTHING, restartedRuns: 1, oddities: ['restarted'] }

  it.each<[string, MessageHeader[], Partial<typeof NOTHING>]>([
    ['is a new run', [json(0, NOW_US + 60), json(1, NOW_US + 61)], restarted],
    ['whose losses are counted', [json(0, NOW_US + 60), json(4, NOW_US + 61)], { ...restarted, lostSamples: 3 }],
    ['also when its first messages are lost', [json(3, NOW_US + 60)], { ...restarted, runsMetLate: 1 }],
    ['also without a send time', [json(0, 0), json(1, 0), json(2, 0)], restarted],
    ['a message that is sent again is not newer', [json(0, NOW_US), json(49, NOW_US + 49)], { duplicateMessages: 2 }],
    ['nor is the last one, sent again without a time', [json(49, 0)], { duplicateMessages: 1 }],
  ])('%s', (_name, messages, want) => expect(observe([...firstLife, ...messages])).toEqual({ ...NOTHING, ...want }))

  it('a message that sends the same number each time is a new run each time', () => {
    expect(observe([json(0, NOW_US), json(0, NOW_US + 1), json(0, NOW_US + 2)])).toMatchObject({
      ...{ restartedRuns: 2, duplicateMessages: 0, lostSamples: 0 },
    })
  })

  it('what its broker delivers again is no new run', () => {
    const tracker = new LossTracker({ kept: true })
    for (const header of firstLife) tracker.observe(header, false, NOW_US)
    tracker.observe(json(0, NOW_US + 60), true, NOW_US)
    tracker.observe(json(50, NOW_US + 61), false, NOW_US)
    expect([tracker.restartedRuns, tracker.duplicateMessages, tracker.missingSamples]).toEqual([0, 1, 0])
  })

  it('a time that cannot be does not hide the next start', () => {
    const messages = [...firstLife, json(50, NOW_US * 3), json(0, NOW_US + 60), json(1, NOW_US + 61)]
    expect(observe(messages)).toEqual(restarted)
  })

  it('is known over a restart of the server, but not from the checkpoint of an older version', () => {
    const tracker = new LossTracker()
    for (const header of firstLife) tracker.observe(header, false, NOW_US)
    const checkpoints = tracker.checkpoints('all', true, 0)
    const [next, old] = [new LossTracker(), new LossTracker()]
    next.restore(checkpoints)
    old.restore(new Map([['a', checkpoints.get('a')!.replace(/,"sentAtUs":\d+/, '')]]))
    for (const each of [next, old]) each.observe(json(0, NOW_US + 60), false, NOW_US)
    expect([next.restartedRuns, next.duplicateMessages]).toEqual([1, 0])
    expect([old.restartedRuns, old.duplicateMessages]).toEqual([0, 1])
  })
})

it('a run that is first heard in its middle has lost nobody knows what, unless the broker has everything', () => {
  expect(observe([message(7), message(8)]).runsMetLate).toBe(1)
  expect(observe([message(7, { heldFrom: 0, heldFirstSample: 0 })]).runsMetLate).toBe(0)
  const tracker = new LossTracker({ mayMiss: () => false })
  tracker.observe(message(7), false, NOW_US)
  expect(tracker.runsMetLate).toBe(0)
})
