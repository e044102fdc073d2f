import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Rooms } from './rooms.ts'

/** What the snapshots of a generation are read to. */
type Generation = readonly Buffer[]

/** Makes generations of snapshots of these lengths. The last two are used, as of a fabric, and those that are held. */
class Fabric {
  readonly rooms = new Rooms()
  readonly given = new Set<ArrayBufferLike>()
  held: Generation[] = []
  #last: Generation[] = []

  get used(): Set<ArrayBufferLike> {
    return new Set([...this.#last, ...this.held].flat().map(({ buffer }) => buffer))
  }

  next(lengths: readonly number[]): Generation {
    this.rooms.begin(this.used)
    const generation = lengths.map((length) => this.rooms.take(length))
    for (const { buffer } of generation) this.given.add(buffer)
    this.#last = [...this.#last.slice(-1), generation]
    return generation
  }
}

describe('Rooms', () => {
  it.each<[string, (n: number) => number[], number]>([
    ['of one snapshot', () => [1000], 3],
    ['of several of one size', () => [1000, 1000], 6],
    ['of several of other sizes', () => [1000, 3000, 10], 9],
    ['with some rows that come and go', (n) => [1000 + (n % 7), 3000 - (n % 5)], 6],
    ['that grows once', (n) => [n < 10 ? 1000 : 1500], 6],
    ['that becomes small', (n) => [n < 10 ? 1000 : 10], 6],
  ])('give each snapshot of a fabric %s three memories in turns', (_what, lengthsOf, memories) => {
    const fabric = new Fabric()
    for (let n = 0; n < 30; n++) expect(fabric.next(lengthsOf(n)).map(({ length }) => length)).toEqual(lengthsOf(n))
    expect(fabric.given.size).toBe(memories)
  })

  it('never give what somebody may read, nor one memory twice', () => {
    const steps = fc.array(
      fc.record({
        lengths: fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 4 }),
        holds: fc.boolean(),
        ends: fc.nat(3),
      }),
    )
    fc.assert(
      fc.property(steps, (all) => {
        const fabric = new Fabric()
        for (const { lengths, holds, ends } of all) {
          fabric.held = fabric.held.slice(ends)
          const { used } = fabric
          const generation = fabric.next(lengths)
          expect(new Set([...used, ...generation.map(({ buffer }) => buffer)]).size).toBe(used.size + lengths.length)
          if (holds) fabric.held.push(generation)
        }
      }),
    )
  })

  it('give up what is left of a larger fabric', () => {
    const fabric = new Fabric()
    for (const length of [1_000_000, 1_000_000, 1_000_000, 10, 10, 10]) fabric.next([length])
    const given = new Set(fabric.given)
    expect(given.has(fabric.next([1_000_000])[0]!.buffer)).toBe(false)
  })
})
