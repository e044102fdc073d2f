import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MessageHeader } from '../codec/codec.ts'
import { LossTracker } from './loss.ts'

/** Message `seq` of a source whose messages carry two samples each. */
const message = (seq: number, heldFrom = seq, source = 'a'): MessageHeader => ({
  ...{ source, seq, firstSample: seq * 2, sampleCount: 2, heldFrom, sentAt: 1 },
})

function observe(...messages: MessageHeader[]) {
  const tracker = new LossTracker()
  for (const header of messages) tracker.observe(header)
  const { lostSamples, lostMessages, missingSamples, duplicateSamples, duplicateMessages, unnumberedMessages } = tracker
  return { lostSamples, lostMessages, missingSamples, duplicateSamples, duplicateMessages, unnumberedMessages }
}

const NOTHING = {
  ...{ lostSamples: 0, lostMessages: 0, missingSamples: 0 },
  ...{ duplicateSamples: 0, duplicateMessages: 0, unnumberedMessages: 0 },
}

describe('LossTracker', () => {
  const cases: Array<[string, MessageHeader[], Partial<typeof NOTHING>]> = [
    ['all in order', [message(0), message(1), message(2)], {}],
    ['begins where it first looks', [message(7), message(8)], {}],
    ['a gap that the source still holds is missing, not lost', [message(0), message(3, 1)], { missingSamples: 4 }],
    ['a gap that it gave up is lost', [message(0), message(3)], { lostSamples: 4, lostMessages: 2 }],
    ['and one that it gives up later', [message(0), message(3, 1), message(4)], { lostSamples: 4, lostMessages: 2 }],
    ['a late message fills its gap', [message(0), message(2, 1), message(1, 1), message(3)], {}],
    [
      'what lies around a late message stays missing, to the sample',
      [message(0), message(4, 1), message(2, 1)],
      { missingSamples: 4 },
    ],
    [
      'half of a gap given up',
      [message(0), message(5, 3), message(3, 3), message(6, 4)],
      { lostSamples: 4, lostMessages: 2, missingSamples: 2 },
    ],
    [
      'a repeat is a duplicate',
      [message(0), message(1), message(1), message(0)],
      { duplicateSamples: 4, duplicateMessages: 2 },
    ],
    ['what was held before the first sight may come', [message(5, 3), message(3, 3), message(4, 4), message(6)], {}],
    ['without numbers nothing is known', [message(-1), message(1, 1, '')], { unnumberedMessages: 2 }],
    ['sources are apart', [message(0), message(5, 5, 'b'), message(1)], {}],
  ]
  it.each(cases)('%s', (_name, messages, want) => expect(observe(...messages)).toEqual({ ...NOTHING, ...want }))

  it('is exact: whatever the order and the losses, sent = received − duplicates + lost', () => {
    const plan = fc.array(fc.record({ samples: fc.nat(9), lost: fc.boolean(), late: fc.nat(6), twice: fc.boolean() }), {
      minLength: 1,
      maxLength: 60,
    })
    fc.assert(
      fc.property(plan, (steps) => {
        let firstSample = 0
        const sent = steps.map(({ samples, lost, late, twice }, seq) => {
          const header = { source: 'a', seq, firstSample, sampleCount: samples, heldFrom: 0, sentAt: 1 }
          firstSample += samples
          // The first of all arrives, so that the counting begins with it.
          return { header, arrives: seq === 0 || !lost, place: seq === 0 ? -1 : seq + late, twice }
        })
        const tracker = new LossTracker()
        let received = 0
        for (const { header, arrives, twice } of [...sent].sort((a, b) => a.place - b.place)) {
          if (!arrives) continue
          for (let times = twice ? 2 : 1; times > 0; times--) {
            received += header.sampleCount
            tracker.observe(header)
          }
        }
        // The empty message at the end gives everything up that has not come.
        tracker.observe({
          source: 'a',
          seq: steps.length,
          firstSample,
          sampleCount: 0,
          heldFrom: steps.length,
          sentAt: 1,
        })
        expect(firstSample).toBe(received - tracker.duplicateSamples + tracker.lostSamples)
        expect(tracker.lostMessages).toBe(sent.filter(({ arrives }) => !arrives).length)
        expect(tracker.missingSamples).toBe(0)
        expect(tracker.duplicateMessages).toBe(sent.filter(({ arrives, twice }) => arrives && twice).length)
      }),
    )
  })

  it('is bounded in sources and in gaps', () => {
    const tracker = new LossTracker(2)
    tracker.observe(message(0, 0, 'a'))
    tracker.observe(message(2, 0, 'a'))
    tracker.observe(message(0, 0, 'b'))
    tracker.observe(message(0, 0, 'c'))
    expect(tracker.lostSamples).toBe(2)

    const holes = new LossTracker()
    for (let i = 0; i < 100; i++) holes.observe(message(i * 2, 0))
    expect([holes.lostMessages, holes.missingSamples]).toEqual([35, 64 * 2])
  })

  it('forgets the sources that have been quiet the longest, however long it has known the others', () => {
    const tracker = new LossTracker(20)
    tracker.observe(message(0, 0, 'old but alive'))
    tracker.observe(message(2, 0, 'old but alive'))
    for (let i = 0; i < 100; i++) {
      tracker.observe(message(0, 0, `stranger ${i}`))
      tracker.observe(message(3 + i, 0, 'old but alive'))
    }
    tracker.observe(message(1, 0, 'old but alive'))
    const { lostSamples, missingSamples, duplicateMessages } = tracker
    expect([lostSamples, missingSamples, duplicateMessages]).toEqual([0, 0, 0])
  })
})
