import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Numbered, NumberedSource } from '../../../test/support/numbered-source.ts'
import { blankHeader, type MessageHeader, NOTHING_MORE } from '../../codec/codec.ts'
import { LossTracker } from './loss.ts'

/** Message `seq` of a run whose messages carry two samples each. */
function message(seq: number, heldFrom = seq, more: Partial<MessageHeader> = {}): MessageHeader {
  return {
    ...blankHeader(),
    ...{ run: 'a', seq, firstSample: seq * 2, sampleCount: 2, sentAt: 1 },
    ...{ heldFrom, heldFirstSample: heldFrom * 2, ...more },
  }
}

function observe(...messages: MessageHeader[]) {
  const tracker = new LossTracker()
  for (const header of messages) tracker.observe(header)
  return counts(tracker)
}

function counts(tracker: LossTracker): typeof NOTHING {
  const counted = { ...NOTHING }
  for (const name of Object.keys(NOTHING) as Array<keyof typeof NOTHING>) counted[name] = tracker[name]
  return counted
}

const NOTHING = {
  ...{ lostSamples: 0, lostMessages: 0, lostSamplesAtMost: 0, lostMessagesAtMost: 0, missingSamples: 0 },
  ...{ withdrawnSamples: 0, withdrawnMessages: 0 },
  ...{ duplicateSamples: 0, duplicateMessages: 0, unnumberedMessages: 0 },
}

/** The run says that it has withdrawn so many messages of two samples. */
const withdrew = (messages: number): Partial<MessageHeader> => ({
  ...{ withdrawnMessages: messages, withdrawnSamples: messages * 2 },
})
/** The end marker of a run. */
const ended = (seq: number, more: Partial<MessageHeader> = {}): MessageHeader =>
  message(seq, NOTHING_MORE, { sampleCount: 0, heldFirstSample: seq * 2, ...more })

describe('LossTracker', () => {
  const cases: Array<[string, MessageHeader[], Partial<typeof NOTHING>]> = [
    ['all in order', [message(0), message(1), message(2)], {}],
    ['begins where it first looks', [message(7), message(8)], {}],
    ['a gap that the run still holds is missing, not lost', [message(0), message(3, 1)], { missingSamples: 4 }],
    ['a gap that it does not hold any more is lost', [message(0), message(3)], { lostSamples: 4, lostMessages: 2 }],
    ['and one that it lets go later', [message(0), message(3, 1), message(4)], { lostSamples: 4, lostMessages: 2 }],
    ['a late message fills its gap', [message(0), message(2, 1), message(1, 1), message(3)], {}],
    [
      'what is around a late message stays missing, to the sample',
      [message(0), message(4, 1), message(2, 1)],
      { missingSamples: 4 },
    ],
    [
      'half of a gap is let go',
      [message(0), message(5, 3), message(3, 3), message(6, 4)],
      { lostSamples: 4, lostMessages: 2, missingSamples: 2 },
    ],
    [
      'a repeat is a duplicate',
      [message(0), message(1), message(1), message(0)],
      { duplicateSamples: 4, duplicateMessages: 2 },
    ],
    ['what was held before the first message may come', [message(5, 3), message(3, 3), message(4, 4), message(6)], {}],
    [
      'a part of it is lost at most: another server may have had it, because fresh messages pass those that are held',
      [message(5, 2), message(3, 3), message(6, 6)],
      { lostSamplesAtMost: 4, lostMessagesAtMost: 2 },
    ],
    [
      'a part of it is lost where the run held all from its beginning',
      [message(5, 0, { heldFirstSample: 0 }), message(3, 3), message(6, 6)],
      { lostSamples: 8, lostMessages: 4 },
    ],
    [
      'what the run dropped itself is withdrawn, not lost',
      [message(0), message(3, 3, withdrew(2))],
      { withdrawnSamples: 4, withdrawnMessages: 2 },
    ],
    [
      'where one of two was withdrawn, the other is lost',
      [message(0), message(3, 1), message(4, 4, withdrew(1))],
      { withdrawnSamples: 2, withdrawnMessages: 1, lostSamples: 2, lostMessages: 1 },
    ],
    [
      'what is withdrawn of an open gap stays missing until the gap is closed',
      [message(0), message(5, 1), message(6, 1, withdrew(3))],
      { missingSamples: 8 },
    ],
    [
      'a gap of which a part is let go, and a part of that withdrawn',
      [message(0), message(5, 1), message(6, 4, withdrew(2))],
      { withdrawnSamples: 4, withdrawnMessages: 2, lostSamples: 2, lostMessages: 1, missingSamples: 2 },
    ],
    [
      'what was withdrawn before the first message is not counted',
      [message(9, 9, withdrew(4)), message(10, 10, withdrew(4))],
      {},
    ],
    [
      'what was held at the first message and is then withdrawn',
      [message(5, 2, withdrew(7)), message(6, 6, withdrew(10))],
      { withdrawnSamples: 6, withdrawnMessages: 3 },
    ],
    [
      'an older count of what is withdrawn changes nothing',
      [message(0), message(4, 1, withdrew(2)), message(3, 1, withdrew(0)), message(5, 5, withdrew(2))],
      { withdrawnSamples: 4, withdrawnMessages: 2 },
    ],
    [
      'withdrawn, but it had arrived: received and lost add up to what was sent',
      [message(0), message(1), message(2, 2, withdrew(1)), message(5, 5, withdrew(1))],
      { lostSamples: 2, lostMessages: 1, withdrawnSamples: 2, withdrawnMessages: 1 },
    ],
    [
      'withdrawn before a later gap',
      [message(0), message(1, 1, withdrew(1)), message(4, 4, withdrew(1))],
      { lostSamples: 2, lostMessages: 1, withdrawnSamples: 2, withdrawnMessages: 1 },
    ],
    ['the end of a run: nothing is missing', [message(0), message(1), ended(2)], {}],
    [
      'the end of a run: what is missing is lost',
      [message(0), message(3, 1), ended(5)],
      { lostSamples: 6, lostMessages: 3 },
    ],
    [
      'an end marker from a run that does not know how far it got',
      [message(0), message(3, 1), message(9, 1), ended(4)],
      { lostSamples: 14, lostMessages: 7 },
    ],
    ['the end of a run that was never heard', [ended(4)], {}],
    ['without numbers no loss is known', [message(-1), message(1, 1, { run: '' })], { unnumberedMessages: 2 }],
    ['runs are counted apart', [message(0), message(5, 5, { run: 'b' }), message(1)], {}],
  ]
  it.each(cases)('%s', (_name, messages, want) => expect(observe(...messages)).toEqual({ ...NOTHING, ...want }))

  it('is exact for any order, losses and withdrawals', () => {
    const plan = fc.array(
      fc.record({
        samples: fc.nat(9),
        fate: fc.constantFrom('sent', 'sent', 'sent', 'lost', 'kept', 'kept'),
        twice: fc.boolean(),
        release: fc.constantFrom('none', 'none', 'sent', 'withdrawn'),
      }),
      { minLength: 1, maxLength: 60 },
    )
    fc.assert(
      fc.property(plan, (steps) => {
        const source = new NumberedSource()
        const tracker = new LossTracker()
        let [received, lost] = [0, 0]
        const send = (one: Numbered, times = 1): void => {
          for (let i = 0; i < times; i++) tracker.observe(source.header(one))
          received += one.sampleCount * times
        }
        // The first of all arrives, so that the counting begins with it.
        send(source.number(1))
        for (const { samples, fate, twice, release } of steps) {
          const one = source.number(samples)
          if (fate === 'sent') send(one, twice ? 2 : 1)
          else if (fate === 'kept') source.keep(one)
          else lost += samples
          const kept = release === 'none' ? undefined : source.takeKept()
          if (kept !== undefined) release === 'sent' ? send(kept) : source.withdraw(kept)
          expect(tracker.lostSamples).toBeLessThanOrEqual(lost)
        }
        for (let kept = source.takeKept(); kept !== undefined; kept = source.takeKept()) send(kept)
        send(source.number(0))
        expect([tracker.lostSamples, tracker.withdrawnSamples]).toEqual([lost, source.withdrawn])
        expect(source.numbered - source.withdrawn).toBe(received - tracker.duplicateSamples + tracker.lostSamples)
        expect([tracker.missingSamples, tracker.lostSamplesAtMost]).toEqual([0, 0])
      }),
      { numRuns: 500 },
    )
  })

  it('is bounded in runs and in gaps', () => {
    const tracker = new LossTracker({ maxRuns: 2 })
    tracker.observe(message(0, 0, { run: 'a' }))
    tracker.observe(message(2, 0, { run: 'a' }))
    tracker.observe(message(0, 0, { run: 'b' }))
    tracker.observe(message(0, 0, { run: 'c' }))
    expect(tracker.lostSamples).toBe(2)
    expect(tracker.takeForgotten()).toEqual(['a'])
    expect(tracker.takeForgotten()).toEqual([])

    const holes = new LossTracker()
    for (let i = 0; i < 100; i++) holes.observe(message(i * 2, 0))
    expect([holes.lostMessages, holes.missingSamples]).toEqual([35, 64 * 2])
  })

  it('forgets the runs that have been quiet the longest, and not those that it has known the longest', () => {
    const tracker = new LossTracker({ maxRuns: 20 })
    tracker.observe(message(0, 0, { run: 'old but alive' }))
    tracker.observe(message(2, 0, { run: 'old but alive' }))
    for (let i = 0; i < 100; i++) {
      tracker.observe(message(0, 0, { run: `stranger ${i}` }))
      tracker.observe(message(3 + i, 0, { run: 'old but alive' }))
    }
    tracker.observe(message(1, 0, { run: 'old but alive' }))
    const { lostSamples, missingSamples, duplicateMessages } = tracker
    expect([lostSamples, missingSamples, duplicateMessages]).toEqual([0, 0, 0])
  })

  it('counts only duplicates where servers share each run', () => {
    const tracker = new LossTracker({ kept: true })
    tracker.share()
    tracker.observe(message(0))
    tracker.observe(message(7), true)
    tracker.observe(message(3))
    tracker.observe(message(-1))
    expect(counts(tracker)).toEqual({ ...NOTHING, duplicateMessages: 1, duplicateSamples: 2 })
  })
})
