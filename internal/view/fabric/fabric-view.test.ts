import { describe, expect, it } from 'vitest'
import { type FabricRow, FabricWriter, SWITCH_COLUMNS, snapshotOf, switchesOf } from '../../../test/support/fabric.ts'
import { HandClock, silent } from '../../../test/support/live-feed.ts'
import { until } from '../../../test/support/servers.ts'
import type { HeadListener, Snapshots } from '../../broker/broker.ts'
import { MemoryBroker } from '../../broker/memory/broker.ts'
import type { GenerationHead } from '../../fabric/generation.ts'
import type { CellValue, Column } from '../../fabric/snapshot.ts'
import type { FabricGeneration } from './fabric-generation.ts'
import { FabricView } from './fabric-view.ts'

class Scene {
  readonly clock = new HandClock()
  readonly snapshots: Snapshots = new MemoryBroker({ logger: silent, now: () => this.clock.time / 1000 }).snapshots
  readonly writer = new FabricWriter(this.snapshots)
  readonly view = this.another()

  another(snapshots = this.snapshots): FabricView {
    const { clock } = this
    return new FabricView({
      snapshots,
      clock,
      logger: silent,
      staleAfterMs: () => 10_000,
      monotonicMs: clock.monotonicMs,
    })
  }

  static async open(): Promise<Scene> {
    const scene = new Scene()
    await scene.view.open()
    return scene
  }

  /** Writes a generation 10 s later, and waits until it is shown. */
  async write(
    ...targets: Parameters<FabricWriter['write']> extends [number, infer T] ? [T] : never
  ): Promise<FabricGeneration> {
    this.clock.time += 10e6
    const head = await this.writer.write(this.clock.time, ...targets)
    return this.shows(head)
  }

  async shows({ fabric, id }: GenerationHead, view = this.view): Promise<FabricGeneration> {
    await until('it is shown', () => view.shown(fabric)?.id.split('-').includes(id) === true)
    return view.shown(fabric)!
  }
}

/** The values of a row, by metric. */
function valuesOf(generation: FabricGeneration, id: string): Array<CellValue | undefined> | undefined {
  const row = generation.find(id)
  if (row < 0) return undefined
  const target = generation.targetOf(row)
  return generation.metrics.map(({ name }) =>
    target.snapshot.value(row - target.firstRow, target.snapshot.columnOf(name)),
  )
}

function changeOf(generation: FabricGeneration, id: string, metric: string): unknown {
  const row = generation.find(id)
  const target = generation.targetOf(row)
  return target.change(row - target.firstRow, target.snapshot.columnOf(metric))
}

describe('FabricView', () => {
  it('shows the newest generation whole, and a reader keeps the one that it has', async () => {
    const scene = await Scene.open()
    expect(scene.view.only).toBeUndefined()
    const first = await scene.write({ a: switchesOf(3, scene.clock.time, 1), b: snapshotOf('switch', SWITCH_COLUMNS, [{ id: 'SW-x', atUs: 1, cells: [1.5, undefined, 2n ** 60n] }]) }) // biome-ignore format: one line
    expect(first.rows).toBe(4)
    expect(valuesOf(first, 'sw2')).toEqual([1 + 1 / 1024, 0.5, 11])
    expect(valuesOf(first, 'sw-x')).toEqual([1.5, undefined, 2n ** 60n])
    expect(valuesOf(first, 'sw4')).toBeUndefined()
    const second = await scene.write({ a: switchesOf(4, scene.clock.time, 2) })
    expect(valuesOf(second, 'sw4')).toEqual([2 + 3 / 1024, 1, 23])
    expect(valuesOf(second, 'SW-X')).toEqual([1.5, undefined, 2n ** 60n])
    expect(valuesOf(first, 'sw2')).toEqual([1 + 1 / 1024, 0.5, 11])
    expect(scene.view.only).toBe(second)
    expect(scene.view.stats).toEqual({ swaps: 2, missing: 0, undecodable: 0 })
  })

  it('shows what was announced before it started, and the same as another view', async () => {
    const scene = await Scene.open()
    const shown = await scene.write({ a: switchesOf(5, scene.clock.time, 1) })
    const late = scene.another()
    await late.open()
    await until('it is shown', () => late.only !== undefined)
    expect(late.only!.id).toBe(shown.id)
    expect(valuesOf(late.only!, 'sw5')).toEqual(valuesOf(shown, 'sw5'))
    await late.close()
    const next = await scene.write({ a: switchesOf(5, scene.clock.time, 2) })
    expect(late.only!.id).not.toBe(next.id)
  })

  it('keeps fabrics apart, and joins the targets of several publishers', async () => {
    const scene = await Scene.open()
    const at = scene.clock.time
    const other = new FabricWriter(scene.snapshots, { fabric: 'other' })
    const second = new FabricWriter(scene.snapshots, { publisher: 'agent/b' })
    await scene.shows(await other.write(at, { a: switchesOf(1, at, 7) }))
    await scene.shows(await scene.writer.write(at, { a: switchesOf(2, at, 1) }))
    const joined = await scene.shows(await second.write(at + 1, { a: switchesOf(3, at + 1, 2) }))
    expect(scene.view.names).toEqual(['default', 'other'])
    expect(scene.view.only).toBeUndefined()
    expect(valuesOf(scene.view.shown('other')!, 'sw1')![2]).toBe(70)
    // Of a row that both give the one with the newest time.
    expect([joined.rows, valuesOf(joined, 'sw1')![2], valuesOf(joined, 'sw3')![2]]).toEqual([3, 20, 22])
    const again = await scene.shows(await scene.writer.write(at + 2, { a: switchesOf(2, at + 2, 3) }))
    expect([valuesOf(again, 'sw1')![2], valuesOf(again, 'sw3')![2]]).toEqual([30, 22])
  })

  it('shows nothing more of a publisher that has no targets any more, and no fabric that nobody gives', async () => {
    const scene = await Scene.open()
    const at = scene.clock.time
    const second = new FabricWriter(scene.snapshots, { publisher: 'agent/b' })
    await scene.shows(await scene.writer.write(at, { a: switchesOf(1, at, 1) }))
    await scene.shows(await second.write(at + 1, { b: switchesOf(3, at + 1, 2) }))
    const { version } = scene.view
    await second.leave(at + 2)
    await until('its rows are gone', () => scene.view.only?.rows === 1)
    expect(scene.view.only!.targets.map(({ publisher }) => publisher)).toEqual(['agent/a'])
    await scene.writer.leave(at + 3)
    await until('the fabric is gone', () => scene.view.names.length === 0)
    expect([scene.view.only, scene.view.shown('default'), scene.view.isAwaited('default')]).toEqual([undefined, undefined, false]) // biome-ignore format: one line
    expect([scene.view.states('default'), scene.view.version > version + 1]).toEqual([[], true])
    const later = scene.another()
    await later.open()
    const back = await second.write(at + 4, { b: switchesOf(2, at + 4, 4) })
    for (const view of [scene.view, later]) expect((await scene.shows(back, view)).rows).toBe(2)
  })

  it('never shows a generation with missing or undecodable parts, counts it once, and shows the next', async () => {
    const scene = await Scene.open()
    const shown = await scene.write({ a: switchesOf(2, scene.clock.time, 1) })
    let fault: (bytes: Buffer | undefined) => Buffer | undefined = () => undefined
    const faulty: Snapshots = {
      put: scene.snapshots.put.bind(scene.snapshots),
      announce: scene.snapshots.announce.bind(scene.snapshots),
      newest: scene.snapshots.newest.bind(scene.snapshots),
      subscribe: scene.snapshots.subscribe.bind(scene.snapshots),
      read: async (...asked) => fault(await scene.snapshots.read(...asked)),
    }
    const view = scene.another(faulty)
    await view.open()
    await until('it is counted', () => view.stats.missing === 1)
    await scene.writer.announce(
      scene.writer.headOf(scene.clock.time, { id: shown.id, checkedAtUs: scene.clock.time + 1 }),
    )
    fault = (bytes) => bytes?.subarray(8)
    await scene.write({ a: switchesOf(2, scene.clock.time, 2) })
    await until('it is counted', () => view.stats.undecodable === 1)
    expect([view.only, view.stats.missing]).toEqual([undefined, 1])
    fault = (bytes) => bytes
    const next = await scene.write({ a: switchesOf(2, scene.clock.time, 3) })
    await until('it is shown', () => view.only !== undefined)
    expect([view.only!.id, valuesOf(view.only!, 'sw1')![2]]).toEqual([next.id, 30])
  })

  it('reads a generation again that it could not read, when it is told again', async () => {
    const scene = await Scene.open()
    let isAway = true
    const away: Snapshots = {
      ...{ put: scene.snapshots.put, announce: scene.snapshots.announce, newest: scene.snapshots.newest },
      subscribe: scene.snapshots.subscribe.bind(scene.snapshots),
      read: (...asked) => (isAway ? Promise.reject(new Error('away')) : scene.snapshots.read(...asked)),
    }
    const view = scene.another(away)
    await view.open()
    await scene.write({ a: switchesOf(2, scene.clock.time, 1) })
    isAway = false
    await scene.writer.announce(scene.writer.headOf(scene.clock.time))
    await until('it is shown', () => view.only !== undefined)
    expect(view.stats).toEqual({ swaps: 1, missing: 0, undecodable: 0 })
  })

  it('skips generations that are replaced while one is prepared, and never goes back', async () => {
    const scene = await Scene.open()
    const at = scene.clock.time
    const heads: GenerationHead[] = []
    for (let i = 1; i <= 5; i++) heads.push(await scene.writer.write(at + i, { a: switchesOf(2, at + i, i) }))
    const last = await scene.shows(heads.at(-1)!)
    expect(valuesOf(last, 'sw1')![2]).toBe(50)
    await scene.writer.write(at + 2, { a: switchesOf(2, at + 2, 2) })
    expect(scene.view.only).toBe(last)
    // A clock that was set back by an hour.
    const back = await scene.writer.write(at - 3_600e6, { a: switchesOf(2, at - 3_600e6, 9) })
    expect(valuesOf(await scene.shows(back), 'sw1')![2]).toBe(90)
  })

  it('says how old the rows of each target are, and which are stale after three intervals', async () => {
    const scene = await Scene.open()
    await scene.write({ a: switchesOf(1, scene.clock.time, 1), b: switchesOf(1, scene.clock.time, 1) })
    const states = (): unknown =>
      scene.view.states('default').map(({ target, ageMs, stale }) => [target.target, ageMs, stale])
    expect(states()).toEqual([
      ['a', 0, false],
      ['b', 0, false],
    ])
    // Nothing new at one, and the other does not answer.
    const takenAtUs = scene.clock.time
    scene.clock.time += 31e6
    const head = scene.writer.headOf(takenAtUs)
    const targets = head.targets.map((target) => (target.target === 'b' ? { ...target, up: false } : target))
    await scene.writer.announce({ ...head, targets, checkedAtUs: scene.clock.time })
    expect(states()).toEqual([
      ['a', 0, false],
      ['b', 31_000, true],
    ])
    expect(scene.view.stats.swaps).toBe(1)
    scene.clock.time += 30e6
    expect(states()).toEqual([
      ['a', 30_000, false],
      ['b', 61_000, true],
    ])
    scene.clock.time += 1_000
    expect(states()).toEqual([
      ['a', 30_001, true],
      ['b', 61_001, true],
    ])
    // Another process learns it from the clocks, once.
    const late = scene.another()
    await late.open()
    expect(late.states('default').map(({ ageMs }) => Math.round(ageMs))).toEqual([30_001, 61_001])
  })
})

describe('the age of rows', () => {
  const SECOND = 1e6

  async function pushedScene(): Promise<{ scene: Scene; push: (publisher: string, rows: number) => Promise<void> }> {
    const scene = await Scene.open()
    const push = async (publisher: string, rows: number): Promise<void> => {
      const writer = new FabricWriter(scene.snapshots, { publisher, intervalMs: 0 })
      await scene.shows(await writer.write(scene.clock.time, { push: switchesOf(rows, scene.clock.time, 1) }))
    }
    return { scene, push }
  }

  it('that are pushed is stale after three times the time between two pushes', async () => {
    const { scene, push } = await pushedScene()
    const isStaleAfter = (seconds: number): boolean => {
      scene.clock.time += seconds * SECOND
      const [state] = scene.view.states('default')
      scene.clock.time -= seconds * SECOND
      return state!.stale
    }
    await push('api/a', 2)
    expect([isStaleAfter(10), isStaleAfter(10.1)]).toEqual([false, true])
    scene.clock.time += 20 * SECOND
    await push('api/a', 2)
    expect([isStaleAfter(60), isStaleAfter(60.1)]).toEqual([false, true])
    // By hand, once a day.
    scene.clock.time += 86_400 * SECOND
    await push('api/a', 2)
    expect([isStaleAfter(1800), isStaleAfter(1801)]).toEqual([false, true])
  })

  it('does not count where another publisher has newer ones of all of them', async () => {
    const { scene, push } = await pushedScene()
    const covered = (): unknown =>
      scene.view.states('default').map(({ publisher, isCovered }) => [publisher, isCovered])
    await push('api/b', 3)
    scene.clock.time += 60 * SECOND
    await push('api/a', 2)
    expect(covered()).toEqual([
      ['api/b', false],
      ['api/a', false],
    ])
    scene.clock.time += SECOND
    await push('api/a', 3)
    expect(covered()).toEqual([
      ['api/b', true],
      ['api/a', false],
    ])
    scene.clock.time += SECOND
    await push('api/b', 1)
    expect(covered()).toEqual([
      ['api/b', false],
      ['api/a', false],
    ])
  })

  it('that were announced while the view did not listen is told by the clocks', async () => {
    const scene = await Scene.open()
    let tell: HeadListener = () => {}
    const view = scene.another({
      ...{ put: scene.snapshots.put, announce: scene.snapshots.announce, newest: scene.snapshots.newest },
      read: scene.snapshots.read.bind(scene.snapshots),
      subscribe: async (listener) => {
        tell = listener
        return async () => {}
      },
    })
    await view.open()
    await scene.write({ a: switchesOf(1, scene.clock.time, 1) })
    const ages = (): number[] => view.states('default').map(({ ageMs }) => ageMs)
    tell(scene.writer.headOf(scene.clock.time), false)
    expect(ages()).toEqual([0])
    const whileAway = scene.writer.headOf(scene.clock.time + SECOND)
    scene.clock.time += 300 * SECOND
    tell(whileAway, true)
    expect(ages()).toEqual([299_000])
    // Heard as it comes, from a publisher whose clock is an hour behind.
    tell(scene.writer.headOf(scene.clock.time - 3_600 * SECOND), false)
    expect(ages()).toEqual([0])
  })
})

describe('changes', () => {
  const columns: Column[] = [
    { name: 'PortXmitDataExtended', kind: 'int' },
    { name: 'LinkDownedCounterExtended', kind: 'int' },
    { name: 'latency', kind: 'float' },
    { name: 'state', kind: 'text' },
  ]
  const table = (atUs: number, rows: Array<[id: string, ...cells: FabricRow['cells']]>) =>
    snapshotOf(
      'fabric_port',
      columns,
      rows.map(([id, ...cells]) => ({ id, atUs, cells })),
    )
  const none = { delta: undefined, rate: undefined, reset: false, saturated: false }

  it('are a delta and a rate a second since the snapshot before, exact beyond 2^53', async () => {
    const scene = await Scene.open()
    const { time } = scene.clock
    const first = await scene.write({
      a: table(time, [
        ['p1', 2n ** 60n, 1, 1.5, 'Up'],
        ['p2', 5, 1, 2, 'Up'],
      ]),
    })
    expect(changeOf(first, 'p1', 'PortXmitDataExtended')).toEqual(none)
    // Another order, a row that comes, and one that goes.
    const second = await scene.write({
      a: table(time + 4e6, [
        ['p3', 1, 1, 1, 'Up'],
        ['p1', 2n ** 60n + 10n, 1, 2.5, 'Up'],
      ]),
    })
    expect(changeOf(second, 'p1', 'PortXmitDataExtended')).toEqual({ ...none, delta: 10, rate: 2.5 })
    expect(changeOf(second, 'p1', 'LinkDownedCounterExtended')).toEqual({ ...none, delta: 0, rate: 0 })
    expect(changeOf(second, 'p1', 'latency')).toEqual({ ...none, delta: 1, rate: 0.25 })
    expect(changeOf(second, 'p1', 'state')).toEqual(none)
    expect(changeOf(second, 'p3', 'latency')).toEqual(none)
  })

  it('are never negative: a fall is a reset, or a counter of 32 bits that went round', async () => {
    const scene = await Scene.open()
    const { time } = scene.clock
    await scene.write({
      a: table(time, [
        ['p1', 1000, 3, 2, 'Up'],
        ['p2', 2 ** 32 - 10, 1, 1, 'Up'],
      ]),
    })
    const fallen = await scene.write({
      a: table(time + 1e6, [
        ['p1', 10, 3, 1, 'Up'],
        ['p2', 20, 1, 1, 'Up'],
      ]),
    })
    expect(changeOf(fallen, 'p1', 'PortXmitDataExtended')).toEqual({ ...none, reset: true })
    expect(changeOf(fallen, 'p2', 'PortXmitDataExtended')).toEqual({ ...none, delta: 30, rate: 30 })
    // No counter: it falls as it likes.
    expect(changeOf(fallen, 'p1', 'latency')).toEqual(none)
  })

  it('say that a counter of 8 bits has stood at 255', async () => {
    const scene = await Scene.open()
    const { time } = scene.clock
    await scene.write({
      a: table(time, [
        ['p1', 255, 255, 1, 'Up'],
        ['p2', 1, 200, 1, 'Up'],
      ]),
    })
    const second = await scene.write({
      a: table(time + 1e6, [
        ['p1', 255, 255, 1, 'Up'],
        ['p2', 1, 255, 1, 'Up'],
      ]),
    })
    const saturated = ['p1', 'p2'].map(
      (id) => (changeOf(second, id, 'LinkDownedCounterExtended') as { saturated: boolean }).saturated,
    )
    expect(saturated).toEqual([true, false])
    expect(changeOf(second, 'p1', 'PortXmitDataExtended')).toMatchObject({ delta: 0, saturated: false })
  })

  it('stay while a target keeps its snapshot and others change', async () => {
    const scene = await Scene.open()
    const { time } = scene.clock
    await scene.write({ a: table(time, [['p1', 1, 1, 1, 'Up']]), b: table(time, [['q1', 1, 1, 1, 'Up']]) })
    await scene.write({ a: table(time + 1e6, [['p1', 4, 1, 1, 'Up']]) })
    const third = await scene.write({
      b: table(time + 1e6, [
        ['q0', 1, 1, 1, 'Up'],
        ['q1', 3, 1, 1, 'Up'],
      ]),
    })
    expect(changeOf(third, 'p1', 'PortXmitDataExtended')).toMatchObject({ delta: 3 })
    expect(changeOf(third, 'q1', 'PortXmitDataExtended')).toMatchObject({ delta: 2 })
  })
})
