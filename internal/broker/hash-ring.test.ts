import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HashRing } from './hash-ring.ts'

const KEYS = Array.from({ length: 20_000 }, (_, i) => `web-${i}.example.com/agent/${(i * 2_654_435_761) >>> 0}`)

function shares(ring: HashRing, partitions: number): number[] {
  const counts = new Array<number>(partitions).fill(0)
  for (const key of KEYS) counts[ring.partitionOf(key)]! += 1
  return counts.map((count) => (count * partitions) / KEYS.length)
}

describe('HashRing', () => {
  // If a key changed its partition, its messages would lose their order, and other versions would disagree.
  const pinned: Array<[string, number]> = [
    ['', 2],
    ['web-01/agent/5f3a9c1e', 0],
    ['web-02/agent/5f3a9c1e', 0],
    ['GPU-8c5b2a1e-0000-1111-2222-333344445555', 1],
    ['köln 🚀', 2],
  ]
  it.each(pinned)('%j stays in partition %d of 4 for ever', (key, partition) => {
    expect(new HashRing(4).partitionOf(key)).toBe(partition)
  })

  it.each([2, 4, 16])('gives each of %d partitions its share, within a third', (partitions) => {
    for (const share of shares(new HashRing(partitions), partitions)) {
      expect(share).toBeGreaterThan(2 / 3)
      expect(share).toBeLessThan(4 / 3)
    }
  })

  it.each([1, 4, 9])('moves only the keys that a new partition gets, when one is added to %d', (partitions) => {
    const before = new HashRing(partitions)
    const after = new HashRing(partitions + 1)
    const moved = KEYS.filter((key) => before.partitionOf(key) !== after.partitionOf(key))
    expect(moved.every((key) => after.partitionOf(key) === partitions)).toBe(true)
    expect(moved.length / KEYS.length).toBeLessThan((4 / 3) * (1 / (partitions + 1)))
    expect(moved.length / KEYS.length).toBeGreaterThan((2 / 3) * (1 / (partitions + 1)))
  })

  it('has a partition for any key', () => {
    const ring = new HashRing(7)
    fc.assert(
      fc.property(fc.string(), (key) => {
        const partition = ring.partitionOf(key)
        return Number.isInteger(partition) && partition >= 0 && partition < 7 && partition === ring.partitionOf(key)
      }),
    )
  })

  it.each([0, -1, 1.5, Number.NaN, 65_536])('refuses %d partitions', (partitions) => {
    expect(() => new HashRing(partitions)).toThrow(RangeError)
  })
})
