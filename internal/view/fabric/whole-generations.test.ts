import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ApiScene } from '../../../test/support/api-scene.ts'
import { FabricWriter, SWITCH_COLUMNS, snapshotOf } from '../../../test/support/fabric.ts'
import { HandClock, silent } from '../../../test/support/live-feed.ts'
import { until } from '../../../test/support/servers.ts'
import { MemoryBroker } from '../../broker/memory/broker.ts'
import { MemorySnapshots } from '../../broker/memory/snapshots.ts'
import type { SnapshotName } from '../../fabric/generation.ts'
import type { Snapshot } from '../../fabric/snapshot.ts'
import type { App } from '../../http/app-types.ts'
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

const PARTS = 8

/** Reads to the memory that it is given, a part a turn, as a broker over Redis does. */
class SnapshotsInParts extends MemorySnapshots {
  override async read(name: SnapshotName, length: number, roomFor = Buffer.alloc): Promise<Buffer | undefined> {
    const bytes = await super.read(name, length)
    const room = bytes && roomFor(length)
    for (let part = 0; part < PARTS; part++) {
      room?.set(bytes!.subarray((part / PARTS) * length, ((part + 1) / PARTS) * length), (part / PARTS) * length)
      await nextTurn()
    }
    return room
  }
}

/** So many generations later, all memory of a generation is used again, where nobody reads it. */
const LATER = 3

/**
 * Reads rows of a generation over several turns of the event loop, while others take its place: what they tell of the
 * generation that they are of, and of how it differs from the one before.
 *
 * @param isOver asked after each round over the ids
 */
function read(generation: FabricGeneration, ids: readonly number[], isOver = () => true): Promise<Set<string>> {
  const reading = async (): Promise<Set<string>> => {
    const seen = new Set<string>()
    do {
      for (const id of ids) {
        const row = generation.find(`SW${id}`)
        const target = generation.targetOf(row)
        for (let column = 0; column < 3; column++) {
          const value = target.snapshot.value(row - target.firstRow, column)
          seen.add(`${value} after ${target.change(row - target.firstRow, column).delta}`)
        }
        await nextTurn()
      }
    } while (!isOver())
    return seen
  }
  return generation.during(reading())
}

/** Asks for one metric of all rows, and for the first of them: what a client sees, and of which generation it is told that it is. */
async function ask(app: App): Promise<void> {
  const list = await app.inject('/telemetry/ListMetrics?metric=packet_errors')
  const values = list.json().map((row: object) => Object.values(row)[0].packet_errors)
  expect([...new Set(values)]).toEqual([generationOf(list.headers.etag)])
  const top = (await app.inject('/telemetry/top?metric=packet_errors&limit=1000')).json()
  const generation = Number.parseInt(top.generation, 36) - START
  expect([...new Set(top.rows.map(({ value }: { value: number }) => value))]).toEqual([generation])
}

const generationOf = (tag: unknown): number => Number.parseInt(/"(.*)"/.exec(String(tag))![1]!, 36) - START

describe('readers during swaps of 100,000 rows', () => {
  it('see whole generations alone, and newer ones after older ones', async () => {
    const snapshots = new SnapshotsInParts(silent, Date.now)
    const view = new FabricView({ snapshots, clock: new HandClock(), logger: silent, staleAfterMs: () => 10_000 })
    await view.open()
    const writer = new FabricWriter(snapshots)
    // Rows that are always there, of both targets: one of a newer generation would stand beside one of an older.
    const anId = fc.oneof(fc.integer({ min: 1, max: ROWS / 2 - 1003 }), fc.integer({ min: ROWS / 2 + 1, max: ROWS }))
    const written = fc.record({
      // Whether the targets list the rows in another order than before, and whether rows come or go.
      stride: fc.constantFrom(1, 1, 7, 31),
      less: fc.constantFrom(0, 0, 1, 1003),
      readers: fc.array(fc.array(anId, { minLength: 2, maxLength: 20 }), {
        minLength: 3,
        maxLength: 3,
      }),
    })
    const { app } = new ApiScene({ fabrics: view })
    let generation = 0
    const held: Array<Promise<Set<string>>> = []
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
          const asked = view.only === undefined ? [] : [ask(app), ask(app)]
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
          await Promise.all(asked)
          expect(view.only.rows).toBe(ROWS - less)
          const sinceBefore = generation > 1 ? 1 : undefined
          for (const ids of readers)
            expect([...(await read(view.only, ids))]).toEqual([`${generation} after ${sinceBefore}`])
          const last = view.version + LATER
          held.push(read(view.only, readers[0]!, () => view.version >= last))
        }
      }),
      { numRuns: 3 },
    )
    for (let left = LATER; left > 0; left--) {
      generation++
      const { id } = await writer.write(START + generation, { a: rowsOf(generation, 1, ROWS, 1) })
      await until('it is shown', () => view.only?.id === id)
    }
    for (const [i, seen] of (await Promise.all(held)).entries())
      expect([...seen]).toEqual([`${i + 1} after ${i > 0 ? 1 : undefined}`])
    expect(view.stats).toMatchObject({ missing: 0, undecodable: 0 })
  }, 120_000)

  it.each([
    'telemetry/ListMetrics',
    'telemetry/top?metric=packet_errors',
    'api/v1/fabrics',
    'api/v1/fabrics/cells?metric=packet_errors',
  ])('keep what %s is made of, until it is made', async (url) => {
    const { snapshots } = new MemoryBroker({ logger: silent })
    const view = new FabricView({ snapshots, clock: new HandClock(), logger: silent, staleAfterMs: () => 10_000 })
    await view.open()
    await new FabricWriter(snapshots).write(START, { a: rowsOf(1, 1, ROWS, 1) })
    await until('it is shown', () => view.only !== undefined)
    const { app } = new ApiScene({ fabrics: view })
    let status: number | undefined
    app.inject(`/${url}`).then(({ statusCode }) => {
      status = statusCode
    })
    let wasRead = false
    while (status === undefined) {
      wasRead ||= view.only!.isRead
      await nextTurn()
    }
    expect([status, wasRead, view.only!.isRead]).toEqual([200, true, false])
  })
})
