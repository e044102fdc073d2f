import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FabricWriter, SWITCH_COLUMNS, snapshotOf } from '../../../test/support/fabric.ts'
import { HandClock, silent } from '../../../test/support/live-feed.ts'
import { MemoryBroker } from '../../broker/memory/broker.ts'
import type { Snapshot } from '../../fabric/snapshot.ts'
import type { FabricGeneration } from './fabric-generation.ts'
import { FabricView } from './fabric-view.ts'

const ROWS = 100_000
const START = new HandClock().time

/** Every value tells the generation: `packet_errors` is the number of the generation, and the others are that too. */
function rowsOf(generation: number, from: number, count: number, stride: number): Snapshot {
  function* rows() {
    for (let i = 0; i < count; i++) {
      // Neighbours far apart, so that the rows are not in natural order.
      const id = from + ((i * stride) % count)
      yield { id: `sw${id}`, atUs: START + generation, cells: [generation, generation, generation] }
    }
  }
  return snapshotOf('switch', SWITCH_COLUMNS, rows())
}

/** Reads rows of one generation over several turns of the event loop, while others may be swapped in. */
async function read(generation: FabricGeneration, ids: readonly number[]): Promise<Set<unknown>> {
  const seen = new Set<unknown>()
  for (const id of ids) {
    const row = generation.find(`SW${id}`)
    const target = generation.targetOf(row)
    for (let column = 0; column < 3; column++) seen.add(target.snapshot.value(row - target.firstRow, column))
    await nextTurn()
  }
  return seen
}

describe('readers during swaps of 100,000 rows', () => {
  it('see whole generations alone, and newer ones after older ones', async () => {
    const { snapshots } = new MemoryBroker({ logger: silent })
    const view = new FabricView({ snapshots, clock: new HandClock(), logger: silent, staleAfterMs: () => 10_000 })
    await view.open()
    const writer = new FabricWriter(snapshots)
    const written = fc.record({
      // Whether the targets list the rows in another order than before, and whether rows come or go.
      stride: fc.constantFrom(1, 1, 7, 31),
      less: fc.constantFrom(0, 0, 1, 1003),
      readers: fc.array(fc.array(fc.integer({ min: 1, max: ROWS / 2 - 1003 }), { minLength: 1, maxLength: 20 }), {
        minLength: 3,
        maxLength: 3,
      }),
    })
    let generation = 0
    await fc.assert(
      fc.asyncProperty(fc.array(written, { minLength: 2, maxLength: 3 }), async (rounds) => {
        for (const { stride, less, readers } of rounds) {
          generation++
          const half = ROWS / 2
          const targets = {
            a: rowsOf(generation, 1, half - less, stride),
            b: rowsOf(generation, half + 1, half, stride),
          }
          const { id } = await writer.write(START + generation, targets)
          let newest = 0
          while (view.only?.id !== id) {
            const shown = view.only
            if (shown !== undefined) {
              for (const seen of await Promise.all(readers.map((ids) => read(shown, ids)))) expect(seen.size).toBe(1)
              const atUs = Number.parseInt(shown.id, 36)
              expect(atUs).toBeGreaterThanOrEqual(newest)
              newest = atUs
            }
            await nextTurn()
          }
          expect(view.only.rows).toBe(ROWS - less)
          for (const ids of readers) expect([...(await read(view.only, ids))]).toEqual([generation])
        }
      }),
      { numRuns: 3 },
    )
    expect(view.stats).toMatchObject({ missing: 0, undecodable: 0 })
  }, 120_000)
})
