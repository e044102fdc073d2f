import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OutgoingMessage } from './message.ts'
import { Outbox } from './outbox.ts'
import { Run } from './run.ts'

const run = new Run('a', Infinity, 'running')

function message(seq: number, bytes = 872, madeAtUptimeUs = 0, samples = 2): OutgoingMessage {
  return new OutgoingMessage({
    ...{ payload: Buffer.alloc(bytes), run, seq, firstSample: 0, samples, madeAt: 0, madeAtUptimeUs },
  })
}

function outbox(limits: { maxBytes?: number; maxAgeMs?: number } = {}): { box: Outbox; dropped: string[] } {
  const dropped: string[] = []
  const onDrop = (reason: string, { samples }: OutgoingMessage): number => dropped.push(`${reason} ${samples}`)
  const box = new Outbox({ maxBytes: 1e6, maxAgeMs: 1000, onDrop, ...limits })
  return { box, dropped }
}

describe('Outbox', () => {
  it('gives messages in the order of seq, for any order of arrival', () => {
    const { box } = outbox()
    for (const seq of [5, 3, 8, 4, 1]) box.put(message(seq))
    expect(box.oldest?.seq).toBe(1)
    expect([1, 2, 3].map(() => box.take()?.seq)).toEqual([1, 3, 4])
    for (const seq of [3, 9, 1]) box.put(message(seq))
    expect([1, 2, 3, 4, 5, 6].map(() => box.take()?.seq)).toEqual([1, 3, 5, 8, 9, undefined])
  })

  it('is bounded by bytes: drops the oldest message, and counts it', () => {
    const { box, dropped } = outbox({ maxBytes: 3000 })
    for (let seq = 0; seq < 5; seq++) box.put(message(seq))
    expect([box.size, box.bytes, box.samples, box.oldest?.seq]).toEqual([3, 3000, 6, 2])
    expect(dropped).toEqual(['outbox_full 2', 'outbox_full 2'])
    box.put(message(9, 5000))
    expect([box.size, box.bytes]).toEqual([0, 0])
    expect(dropped).toHaveLength(6)
  })

  it('counts an empty message towards the bound', () => {
    const { box } = outbox({ maxBytes: 1280 })
    for (let seq = 0; seq < 1000; seq++) box.put(message(seq, 0))
    expect(box.size).toBe(10)
  })

  it('is bounded by age', () => {
    const { box, dropped } = outbox({ maxAgeMs: 10 })
    box.put(message(0, 1, 1000))
    box.put(message(1, 1, 5000, 0))
    box.put(message(2, 1, 9000))
    box.expire(15_001)
    expect(box.take()?.seq).toBe(2)
    expect(dropped).toEqual(['outbox_age 2', 'outbox_age 0'])
  })

  it('drops what does not fit a smaller bound', () => {
    const { box, dropped } = outbox({ maxBytes: 3000, maxAgeMs: 10 })
    for (let seq = 0; seq < 3; seq++) box.put(message(seq, 872, seq * 1000))
    box.setBounds({ maxBytes: 2000, maxAgeMs: 1 })
    expect([box.size, box.oldest?.seq, dropped]).toEqual([2, 1, ['outbox_full 2']])
    box.expire(2500)
    expect([box.size, dropped.at(-1)]).toEqual([1, 'outbox_age 2'])
    box.setBounds({ maxBytes: 5000, maxAgeMs: 1000 })
    for (let seq = 3; seq < 7; seq++) box.put(message(seq, 872, 3000))
    expect([box.size, dropped.length]).toEqual([5, 2])
  })

  it('balances: put = taken + dropped + held', () => {
    const step = fc.oneof(
      fc.record({ put: fc.nat(100_000), bytes: fc.nat(3000), samples: fc.nat(5) }),
      fc.record({ take: fc.nat(20) }),
      fc.record({ wait: fc.nat(400) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        let [put, taken, dropped, nowUs] = [0, 0, 0, 0]
        const onDrop = (_reason: string, { samples }: OutgoingMessage): void => {
          dropped += samples
        }
        const box = new Outbox({ maxBytes: 20_000, maxAgeMs: 500, onDrop })
        for (const next of steps) {
          if ('put' in next) {
            box.put(message(next.put, next.bytes, nowUs, next.samples))
            put += next.samples
          } else if ('wait' in next) nowUs += next.wait * 1000
          else {
            let before = -1
            for (let i = 0; i < next.take; i++) {
              box.expire(nowUs)
              const one = box.take()
              if (one === undefined) break
              expect(one.seq).toBeGreaterThanOrEqual(before)
              expect(one.madeAtUptimeUs).toBeGreaterThanOrEqual(nowUs - 500_000)
              before = one.seq
              taken += one.samples
            }
          }
          expect(box.bytes).toBeLessThanOrEqual(20_000)
          expect(put).toBe(taken + dropped + box.samples)
        }
        box.abandon()
        expect([box.size, box.bytes, box.samples]).toEqual([0, 0, 0])
        expect(put).toBe(taken + dropped)
      }),
    )
  })
})
