import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bulkOf } from './entry.ts'
import { Unacked } from './unacked.ts'

const PARTITIONS = 3

function push(unacked: Unacked, partition: number, id: string): void {
  const bytes = Buffer.concat([Buffer.from('before'), bulkOf(id), Buffer.from('behind')])
  unacked.push(partition, bytes, 6, bytes.length - 6)
  bytes.fill('*')
}

/** Short ones, and some of the greatest length. */
function idOf(delivery: number): string {
  return delivery % 3 === 0 ? `18446744073709551615-${10_000_000_000_000_000_000n + BigInt(delivery)}` : `${delivery}-0`
}

/** The ids of the first entries of a partition whose XACK must be sent. */
function acking(unacked: Unacked, partition: number, max = Infinity): string[] {
  const count = Math.min(max, unacked.ackingOf(partition))
  const bulks = unacked.peekAcking(partition, count)
  return bulks
    .toString()
    .split('\r\n')
    .filter((_, i) => i % 2 === 1)
}

describe('Unacked', () => {
  it('keeps an entry until Redis knows that it is acked', () => {
    const unacked = new Unacked(PARTITIONS)
    push(unacked, 0, '1-0')
    push(unacked, 2, '1-1')
    push(unacked, 0, '1-2')
    expect([unacked.size, unacked.ackingCount, unacked.nextDelivery]).toEqual([3, 0, 4])
    unacked.ackUpTo(2)
    expect([unacked.size, unacked.ackingCount]).toEqual([3, 2])
    expect(acking(unacked, 0)).toEqual(['1-0'])
    unacked.acked(0, 1)
    expect(unacked.idsOf(0)).toEqual(['1-2'])
    expect(unacked.idsOf(2)).toEqual(['1-1'])
    expect(unacked.size).toBe(2)
  })

  it('accepts an ack twice, and an ack beyond the last delivery', () => {
    const unacked = new Unacked(PARTITIONS)
    push(unacked, 1, '1-0')
    unacked.ackUpTo(1)
    unacked.ackUpTo(1)
    unacked.ackUpTo(1000)
    push(unacked, 1, '1-1')
    expect(unacked.ackingCount).toBe(1)
    expect(unacked.idsOf(1)).toEqual(['1-0', '1-1'])
  })

  it('removes a delivery that failed, and no other', () => {
    const unacked = new Unacked(PARTITIONS)
    push(unacked, 0, '1-0')
    push(unacked, 0, '2-0')
    unacked.cancelLast()
    expect([unacked.size, unacked.idsOf(0), unacked.nextDelivery]).toEqual([1, ['1-0'], 3])
    push(unacked, 0, '3-0')
    unacked.ackUpTo(3)
    unacked.cancelLast()
    expect([unacked.size, acking(unacked, 0)]).toEqual([2, ['1-0', '3-0']])
  })

  it('lists the entries delivered before a delivery', () => {
    const unacked = new Unacked(PARTITIONS)
    for (let i = 1; i <= 5; i++) push(unacked, 0, `${i}-0`)
    unacked.ackUpTo(1)
    expect(unacked.idsOf(0, 4)).toEqual(['1-0', '2-0', '3-0'])
  })

  it('agrees with a plain list of all entries, in any order of calls', () => {
    const step = fc.oneof(
      fc.record({ push: fc.nat(PARTITIONS - 1), times: fc.integer({ min: 1, max: 6000 }) }),
      fc.record({ cancel: fc.nat(PARTITIONS - 1) }),
      fc.record({ ack: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.record({ tell: fc.nat(PARTITIONS - 1), max: fc.nat(5000) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const unacked = new Unacked(PARTITIONS)
        let all: Array<{ id: string; partition: number; delivery: number; acking: boolean }> = []
        let delivery = 0
        for (const next of steps) {
          if ('push' in next) {
            for (let i = 0; i < next.times; i++) {
              delivery++
              push(unacked, next.push, idOf(delivery))
              all.push({ id: idOf(delivery), partition: next.push, delivery, acking: false })
            }
          } else if ('cancel' in next) {
            delivery++
            push(unacked, next.cancel, idOf(delivery))
            unacked.cancelLast()
          } else if ('ack' in next) {
            const upTo = Math.floor(next.ack * delivery)
            unacked.ackUpTo(upTo)
            for (const entry of all) if (entry.delivery <= upTo) entry.acking = true
          } else {
            const told = acking(unacked, next.tell, next.max)
            unacked.acked(next.tell, told.length)
            const gone = new Set(told)
            expect(all.filter((entry) => gone.has(entry.id)).every((entry) => entry.acking)).toBe(true)
            all = all.filter((entry) => !gone.has(entry.id))
          }
          expect(unacked.nextDelivery).toBe(delivery + 1)
          expect(unacked.size).toBe(all.length)
          expect(unacked.ackingCount).toBe(all.filter((entry) => entry.acking).length)
        }
        for (let partition = 0; partition < PARTITIONS; partition++) {
          const want = all.filter((entry) => entry.partition === partition).map((entry) => entry.id)
          expect(unacked.idsOf(partition)).toEqual(want)
        }
      }),
      { numRuns: 50 },
    )
  })
})
