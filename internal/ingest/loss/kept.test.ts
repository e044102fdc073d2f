import { describe, expect, it } from 'vitest'
import { blankHeader, type MessageHeader, NOTHING_MORE } from '../../codec/codec.ts'
import { LossTracker } from './loss.ts'

/** Message `seq` of a run whose messages carry two samples each. */
const message = (seq: number, more: Partial<MessageHeader> = {}): MessageHeader => ({
  ...blankHeader(),
  ...{ run: 'a', seq, firstSample: seq * 2, sampleCount: 2, sentAt: 1, heldFrom: seq, heldFirstSample: seq * 2 },
  ...more,
})

function kept(mayMiss = true) {
  const clock = { nowMs: 100 }
  const tracker = new LossTracker({ kept: true, mayMiss: () => mayMiss, nowMs: () => clock.nowMs })
  const observe = (...messages: MessageHeader[]): void => {
    for (const each of messages) tracker.observe(each)
  }
  const counts = () => [tracker.missingSamples, tracker.lostSamples, tracker.lostSamplesAtMost]
  return { tracker, clock, observe, counts }
}

describe('a tracker behind a broker that keeps what is not acked', () => {
  it('counts a gap as lost once the broker has nothing left of it', () => {
    const { tracker, clock, observe, counts } = kept()
    observe(message(0), message(5))
    expect(counts()).toEqual([8, 0, 0])
    tracker.settle(99)
    expect(counts()).toEqual([8, 0, 0])
    clock.nowMs = 200
    observe(message(8))
    tracker.settle(150)
    expect(counts()).toEqual([4, 8, 0])
    tracker.settle(200)
    expect(counts()).toEqual([0, 12, 0])
  })

  it('takes what is delivered late out of it, first or again', () => {
    const { tracker, observe, counts } = kept()
    observe(message(0), message(5))
    tracker.observe(message(2), true)
    observe(message(3))
    expect(counts()).toEqual([4, 0, 0])
    tracker.settle(100)
    expect(counts()).toEqual([0, 4, 0])
    expect([tracker.duplicateMessages, tracker.restartedRuns]).toEqual([1, 0])
  })

  it('leaves open gaps to the next process, and what its run lets go after the end marker too', () => {
    const first = kept()
    first.observe(message(0), message(5), message(9, { heldFrom: NOTHING_MORE, sampleCount: 0 }))
    const next = kept()
    next.tracker.restore(first.tracker.checkpoints('all', true, 0))
    expect(next.counts()).toEqual([14, 0, 0])
    next.tracker.settle(100)
    expect(next.counts()).toEqual([0, 14, 0])
  })

  it.each([
    ['is not lost where the broker had everything', false, [0, 0, 0]],
    ['may be lost where something of it vanished', true, [0, 0, 8]],
  ])('what came after the last checkpoint of a killed process %s', (_name, mayMiss, want) => {
    const first = kept()
    first.observe(message(0))
    const next = kept(mayMiss)
    next.tracker.restore(first.tracker.checkpoints('all', false, 0))
    next.observe(message(5))
    next.tracker.settle(100)
    expect(next.counts()).toEqual(want)
  })

  it('counts nothing more once other servers take messages of the same runs', () => {
    const { tracker, observe, counts } = kept()
    observe(message(0), message(5))
    tracker.share()
    observe(message(9))
    tracker.settle(200)
    expect(counts()).toEqual([0, 0, 0])
    expect(tracker.takeForgotten()).toEqual(['a'])
    expect(tracker.checkpoints('all', true, 0).size).toBe(0)
  })
})
