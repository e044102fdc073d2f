import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import { rowsOf } from '../../../test/support/fabric-table.ts'
import { until } from '../../../test/support/servers.ts'
import { BrokerError, type Snapshots } from '../../broker/broker.ts'
import { MemoryBroker } from '../../broker/memory/broker.ts'
import { decode } from '../../codec/codec.contract.ts'
import { blankHeader } from '../../codec/codec.ts'
import { frameCodec } from '../../codec/frame.ts'
import { type GenerationHead, nameOf } from '../../fabric/generation.ts'
import { decodeSnapshot } from '../../fabric/decode-snapshot.ts'
import type { Mode } from '../../generator/faults.ts'
import { buildGenerator } from '../../generator/server.ts'
import { type Snapshot as Served, SnapshotWriter } from '../../generator/snapshot.ts'
import { SwitchProfile } from '../../generator/switch.ts'
import { Refusals } from '../../http/doorkeeper.ts'
import { LogThrottle } from '../../observe/log-throttle.ts'
import { SeriesTable } from '../../sample/series.ts'
import { FabricView } from '../../view/fabric/fabric-view.ts'
import { Address } from '../address.ts'
import { FilePlace } from '../file-place.ts'
import { Target } from '../target.ts'
import { FabricSource, type FabricSourceOptions } from './source.ts'

const BEGAN_US = 1_763_900_000_000_000
const INTERVAL_MS = 10_000
const SWITCHES = 20
const silent = pino({ level: 'silent' })

const closers: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** What a server read of a frame. */
interface Sample {
  readonly series: string
  readonly at: number
  readonly fields: Readonly<Record<string, unknown>>
}

/** A generator, a broker with a view at it, and sources between them. All live by one clock. */
class Scene {
  timeUs = BEGAN_US
  mode: Mode = 'NONE'
  repeat: 'full' | 'not-modified' = 'full'
  broker = new MemoryBroker({ logger: silent, now: () => this.timeUs / 1000 })
  isAway = false
  readonly heads: GenerationHead[] = []
  readonly sent: Sample[] = []
  readonly lines: Array<Record<string, unknown>> = []
  readonly clock = { now: () => this.timeUs }
  readonly logger = pino({ level: 'info' }, { write: (line: string) => void this.lines.push(JSON.parse(line)) })
  url = ''
  #served!: Served
  readonly #writer = new SnapshotWriter(new SwitchProfile({ switches: SWITCHES, intervalMs: INTERVAL_MS, seed: 7 }))

  static async open(): Promise<Scene> {
    const scene = new Scene()
    await scene.#listen()
    await scene.listenTo(scene.broker)
    return scene
  }

  async #listen(): Promise<void> {
    await this.serve()
    const { app, close } = buildGenerator({
      profile: new SwitchProfile({ switches: SWITCHES, intervalMs: INTERVAL_MS, seed: 7 }),
      snapshot: () => this.#served,
      mode: () => this.mode,
      repeat: () => this.repeat,
      ...{ hosts: () => [], listensOn: '127.0.0.1', logger: silent, refusals: new Refusals(), slowMs: 100 },
    })
    closers.push(close)
    await app.listen({ host: '127.0.0.1', port: 0 })
    this.url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/counters`
  }

  async listenTo(broker: MemoryBroker): Promise<void> {
    this.broker = broker
    await broker.snapshots.subscribe((head) => void this.heads.push(head))
  }

  /** The next snapshot is served, ten seconds later. */
  async serve(): Promise<void> {
    this.timeUs += INTERVAL_MS * 1000
    this.#served = await this.#writer.write(this.timeUs)
  }

  /** An address of the generator, or a file. */
  target(where: string, name = where): Target {
    const place = where.startsWith('/') ? new FilePlace(where) : new Address({ url: where, gzip: false })
    const limits = { intervalMs: INTERVAL_MS, timeoutMs: 1000, maxBodyBytes: 1_000_000 }
    closers.push(async () => place.close())
    return new Target({ name, place, ...limits, nowMs: () => this.timeUs / 1000 })
  }

  source(
    targets: readonly Target[] = [this.target(this.url, 'a')],
    more: Partial<FabricSourceOptions> = {},
  ): FabricSource {
    const whenHere =
      <Rest extends unknown[], T>(ask: (...rest: Rest) => Promise<T>) =>
      async (...rest: Rest): Promise<T> => {
        // biome-ignore format: one line
        if (this.isAway) throw new BrokerError('not_sent', 'it is away')
        return ask(...rest)
      }
    const of = (): Snapshots => this.broker.snapshots
    return new FabricSource({
      ...{
        fabric: 'default',
        isTagged: false,
        publisher: 'agent/a',
        targets,
        intervalMs: INTERVAL_MS,
        clock: this.clock,
      },
      snapshots: {
        put: whenHere((...asked) => of().put(...asked)),
        announce: whenHere((...asked) => of().announce(...asked)),
        newest: whenHere((...asked) => of().newest(...asked)),
        read: whenHere((...asked) => of().read(...asked)),
      },
      send: async (encoder) => {
        const frame = encoder.finish({ ...blankHeader(), run: 'r', sentAt: this.timeUs })
        const { seen } = decode(frameCodec.decoder(new SeriesTable()), frame)
        this.sent.push(...seen.map(({ series, at, fields }) => ({ series: series.replaceAll('\0', ',').replaceAll('\u0001', '='), at, fields }))) // biome-ignore format: one line
      },
      ...{ logger: this.logger, throttle: new LogThrottle(this.logger), ...more },
    })
  }

  /** A cycle after the next snapshot, when every target may be asked. @returns the head that was announced */
  async cycle(source: FabricSource): Promise<GenerationHead> {
    await this.serve()
    // Longer than any rest after a failure.
    this.timeUs += 6 * INTERVAL_MS * 1000
    this.sent.length = 0
    await source.cycle()
    return this.heads.at(-1)!
  }

  /** The rows of a generation, by target. */
  async rows(head: GenerationHead): Promise<Record<string, ReturnType<typeof rowsOf>>> {
    const of = head.targets.map(async (target) => {
      const bytes = await this.broker.snapshots.read(nameOf(head, target), target.bytes)
      return [target.target, rowsOf(decodeSnapshot(bytes!))] as const
    })
    return Object.fromEntries(await Promise.all(of))
  }

  said(message: RegExp): Array<Record<string, unknown>> {
    return this.lines.filter(({ msg }) => message.test(String(msg)))
  }
}

async function newFile(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fabric-source-'))
  closers.push(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'rows.csv'), text)
  return join(folder, 'rows.csv')
}

describe('a cycle', () => {
  it('announces all rows in one generation, and sends each as a sample', async () => {
    const scene = await Scene.open()
    const times: unknown[] = []
    const source = scene.source(undefined, { onCycle: (cycle) => times.push(cycle) })
    const head = await scene.cycle(source)
    const { a } = await scene.rows(head)
    expect(a!.map(({ id }) => id)).toEqual(Array.from({ length: SWITCHES }, (_, i) => `sw${i + 1}`))
    expect(scene.sent).toEqual(
      a!.map(({ id, atUs, cells }) => ({ series: `switch,switch=${id}`, at: atUs, fields: cells })),
    )
    expect(Object.keys(a![0]!.cells)).toEqual(['bandwidth_mbps', 'latency_ms', 'packet_errors'])
    expect(head).toMatchObject({
      ...{ fabric: 'default', publisher: 'agent/a', intervalMs: INTERVAL_MS, checkedAtUs: scene.timeUs },
      targets: [{ target: 'a', takenAtUs: scene.timeUs, rows: SWITCHES, badRows: 0, up: true }],
    })
    expect(scene.said(/^fabric cycle$/)).toMatchObject([{ fabric: 'default', rows: SWITCHES, badRows: 0, badCells: 0 }])
    expect(scene.said(/^fabric cycle$/)[0]).toMatchObject(times[0] as object)
  })

  it('in which nothing is new announces the same generation again, later, and sends nothing', async () => {
    const scene = await Scene.open()
    const source = scene.source()
    const first = await scene.cycle(source)
    scene.timeUs += 1e6
    scene.sent.length = 0
    await source.cycle()
    expect(scene.heads.at(-1)).toEqual({ ...first, checkedAtUs: first.checkedAtUs + 1e6, cycle: expect.anything() })
    expect([scene.sent, source.targets[0]!.nothingNew]).toEqual([[], 1])
    expect((await scene.cycle(source)).id > first.id).toBe(true)
    expect(scene.sent).toHaveLength(SWITCHES)
  })

  it('is nothing new where a server says 304 to who has nothing yet', async () => {
    const scene = await Scene.open()
    scene.repeat = 'not-modified'
    await scene.source().cycle()
    const late = scene.source(undefined, { publisher: 'agent/late' })
    await late.cycle()
    expect([late.targets[0]!.nothingNew, late.targets[0]!.target.up, late.targets[0]!.head]).toEqual([
      1,
      true,
      undefined,
    ])
    expect(scene.heads.map(({ publisher }) => publisher)).toEqual(['agent/a'])
    expect((await scene.cycle(late)).targets).toMatchObject([{ rows: SWITCHES, up: true }])
  })

  it('asks the shards of a fabric, and makes one generation of them', async () => {
    const scene = await Scene.open()
    const shards = [0, 1, 2].map((shard) => scene.target(`${scene.url}?num_shards=3&shard=${shard}`, `shard ${shard}`))
    const source = scene.source(shards)
    const head = await scene.cycle(source)
    const rows = await scene.rows(head)
    expect(scene.heads).toHaveLength(1)
    expect(head.targets.map(({ target }) => target)).toEqual(['shard 0', 'shard 1', 'shard 2'])
    const ids = Object.values(rows).map((of) => of.map(({ id }) => id))
    expect(ids.every((of) => of.length > 0 && of.length < SWITCHES)).toBe(true)
    expect(new Set(ids.flat()).size).toBe(ids.flat().length)
    expect(ids.flat()).toHaveLength(SWITCHES)
    expect(new Set(scene.sent.map(({ series }) => series)).size).toBe(SWITCHES)
  })

  it('keeps the shard that fails as it was, beside the new rows of the others', async () => {
    const scene = await Scene.open()
    const [good, bad] = [scene.target(`${scene.url}?num_shards=2&shard=0`, 'good'), scene.target(`${scene.url}?num_shards=2&shard=1`, 'bad')] // biome-ignore format: one line
    const source = scene.source([good, bad])
    const first = await scene.cycle(source)
    const before = await scene.rows(first)
    const path = `${scene.url}?num_shards=2&shard=1&mode=PARTIAL`
    const failing = scene.source([good, scene.target(path, 'bad')])
    const second = await scene.cycle(failing)
    const after = await scene.rows(second)
    expect(after.bad).toEqual(before.bad)
    expect(after.good).not.toEqual(before.good)
    expect(second.targets.map(({ target, up, takenAtUs }) => [target, up, takenAtUs])).toEqual([
      ['good', true, scene.timeUs],
      ['bad', false, first.targets[1]!.takenAtUs],
    ])
    expect(scene.sent).toHaveLength(after.good!.length)
  })

  it('of two fabrics gives each its tag and its own generation', async () => {
    const scene = await Scene.open()
    for (const fabric of ['east', 'west']) await scene.source(undefined, { fabric, isTagged: true }).cycle()
    expect(scene.heads.map(({ fabric, targets }) => [fabric, targets[0]!.rows])).toEqual([['east', SWITCHES], ['west', SWITCHES]]) // biome-ignore format: one line
    expect(scene.sent.map(({ series }) => series)).toEqual(
      ['east', 'west'].flatMap((fabric) =>
        Array.from({ length: SWITCHES }, (_, i) => `switch,fabric=${fabric},switch=sw${i + 1}`),
      ),
    )
  })

  it('never gives a generation the id of an earlier one, also where the clock is set back', async () => {
    const scene = await Scene.open()
    const source = scene.source()
    const first = await scene.cycle(source)
    await scene.serve()
    scene.timeUs = first.atUs - 5e6
    await source.cycle()
    const second = scene.heads.at(-1)!
    expect(second.id > first.id).toBe(true)
    expect(second.targets[0]!.snapshot).not.toBe(first.targets[0]!.snapshot)
  })
})

describe('a target that is', () => {
  const RESULTS: ReadonlyArray<readonly [Mode, problem: string | undefined, message: string]> = [
    ['ERROR_500', 'status', 'it answered 500: the generator was told to fail'],
    ['CORRUPT', 'cut_off', 'it was cut off: its last line has no end'],
    ['PARTIAL', 'cut_off', 'it was cut off after '],
    ['EMPTY', undefined, ''],
    ['TIMEOUT', 'timeout', 'it did not answer within 1 s'],
    ['DROP', 'unreachable', 'it cannot be asked: '],
    ['HUGE', 'too_large', 'its answer has more than '],
  ]

  it.each(RESULTS)('%s keeps its last good rows with their age, and comes back', async (mode, problem, message) => {
    const scene = await Scene.open()
    const view = new FabricView({
      ...{ snapshots: scene.broker.snapshots, clock: scene.clock, logger: silent },
      ...{ staleAfterMs: () => 30_000, monotonicMs: () => scene.timeUs / 1000 },
    })
    await view.open()
    closers.push(() => view.close())
    const source = scene.source()
    const good = await scene.cycle(source)
    const [target] = source.targets
    const before = (await scene.rows(good)).a

    scene.mode = mode
    const kept = await scene.cycle(source)
    expect(kept.id).toBe(good.id)
    expect(kept.targets[0]).toMatchObject({
      ...{ snapshot: good.targets[0]!.snapshot, takenAtUs: good.targets[0]!.takenAtUs, up: problem === undefined },
      ...(problem === undefined ? {} : { error: expect.stringContaining(message) }),
    })
    expect([await scene.rows(kept), scene.sent]).toEqual([{ a: before }, []])
    const counted = [...target!.failures].filter(([, count]) => count > 0)
    expect([counted, target!.nothingNew]).toEqual(problem === undefined ? [[], 1] : [[[problem, 1]], 0])
    // 70 s went by. An answer without anything new says that the rows are those of now.
    expect(view.states('default')).toMatchObject([
      { ageMs: problem === undefined ? 0 : 70_000, stale: problem !== undefined },
    ])

    await scene.cycle(source)
    expect(scene.said(/^target is not taken/)).toHaveLength(problem === undefined ? 0 : 1)
    scene.mode = 'NONE'
    const back = await scene.cycle(source)
    expect(back.targets[0]).toMatchObject({ up: true, takenAtUs: scene.timeUs })
    expect(back.targets[0]!.error).toBeUndefined()
    expect(scene.sent).toHaveLength(SWITCHES)
    expect(scene.said(/^target is taken again$/)).toHaveLength(problem === undefined ? 0 : 1)
    expect(view.states('default')).toMatchObject([{ ageMs: 0, stale: false }])
    await until('it is shown', () => view.shown('default')?.id === back.id)
  })

  it('SLOW is waited for', async () => {
    const scene = await Scene.open()
    const source = scene.source()
    await scene.cycle(source)
    scene.mode = 'SLOW'
    expect((await scene.cycle(source)).targets).toMatchObject([{ up: true, takenAtUs: scene.timeUs }])
  })

  it('down rests, and is not asked meanwhile', async () => {
    const scene = await Scene.open()
    scene.mode = 'ERROR_500'
    const source = scene.source()
    await scene.cycle(source)
    await source.cycle()
    expect([source.targets[0]!.failures.get('status'), scene.heads]).toEqual([1, []])
    scene.timeUs += 3 * INTERVAL_MS * 1000
    await source.cycle()
    expect(source.targets[0]!.failures.get('status')).toBe(2)
  })

  it('a file is read when it changed, and keeps its rows when it is broken', async () => {
    const scene = await Scene.open()
    const header = 'switch_id,load\n'
    const path = await newFile(`${header}sw1,0\nsw2,x\n`)
    const source = scene.source([scene.target(path, 'file')])
    expect((await scene.cycle(source)).targets).toMatchObject([{ rows: 2, badRows: 0 }])
    await writeFile(path, `${header}sw1,0.5\nsw2`)
    const kept = await scene.cycle(source)
    expect(kept.targets).toMatchObject([{ rows: 2, up: false }])
    await writeFile(path, `${header}sw1,0.5\nsw2,,\nsw3,1\n`)
    const next = await scene.cycle(source)
    expect([next.targets[0], (await scene.rows(next)).file!.map(({ cells }) => cells)]).toMatchObject([
      { rows: 2, badRows: 1, up: true },
      [{ load: 0.5 }, { load: 1 }],
    ])
    expect(scene.said(/^fabric cycle$/).map(({ badRows, badCells }) => [badRows, badCells])).toEqual([[0, 1], [0, 0], [1, 0]]) // biome-ignore format: one line
  })
})

describe('a broker that', () => {
  it('is away gets the snapshot and its generation when it is back; the samples go all the same', async () => {
    const scene = await Scene.open()
    const source = scene.source()
    scene.isAway = true
    await scene.serve()
    await source.cycle()
    expect([scene.heads, scene.sent.length]).toEqual([[], SWITCHES])
    scene.isAway = false
    await source.cycle()
    const head = scene.heads.at(-1)!
    expect([source.targets[0]!.nothingNew, (await scene.rows(head)).a!.length]).toEqual([1, SWITCHES])
  })

  it('has lost everything gets it again', async () => {
    const scene = await Scene.open()
    const source = scene.source()
    const first = await scene.cycle(source)
    const before = await scene.rows(first)
    await scene.listenTo(new MemoryBroker({ logger: silent }))
    await source.cycle()
    expect(scene.heads).toHaveLength(2)
    expect([scene.heads[1]!.id, await scene.rows(scene.heads[1]!)]).toEqual([first.id, before])
  })

  it('has lost what nobody has any more gets what there is, and the rest with the next good answer', async () => {
    const scene = await Scene.open()
    const [good, bad] = [await newFile('switch_id,a\nsw1,1\n'), await newFile('switch_id,a\nsw2,1\n')]
    const source = scene.source([scene.target(good, 'good'), scene.target(bad, 'bad')])
    await scene.cycle(source)
    // Half of it was read into the arrays of the rows of before.
    await writeFile(bad, 'switch_id,a\nsw3,1\nsw4\n')
    await scene.cycle(source)
    await scene.listenTo(new MemoryBroker({ logger: silent }))
    expect((await scene.cycle(source)).targets.map(({ target }) => target)).toEqual(['good'])
    await writeFile(bad, 'switch_id,a\nsw5,1\n')
    const head = await scene.cycle(source)
    expect((await scene.rows(head)).bad!.map(({ id }) => id)).toEqual(['sw5'])
  })
})

describe('after a restart', () => {
  it('a target that is down has its last rows, with their age', async () => {
    const scene = await Scene.open()
    const first = await scene.cycle(scene.source([scene.target(scene.url, 'a'), scene.target(scene.url, 'gone')]))
    const before = await scene.rows(first)
    scene.mode = 'ERROR_500'
    const source = scene.source()
    const head = await scene.cycle(source)
    expect(head.id > first.id).toBe(true)
    expect(head.targets).toEqual([
      { ...first.targets[0], up: false, error: 'it answered 500: the generator was told to fail' },
    ])
    expect(await scene.rows(head)).toEqual({ a: before.a })
    expect(scene.sent).toEqual([])
    expect((await scene.cycle(source)).id).toBe(head.id)
    scene.mode = 'NONE'
    expect((await scene.cycle(source)).targets).toMatchObject([{ up: true, takenAtUs: scene.timeUs }])
  })

  it('another agent has nothing of it', async () => {
    const scene = await Scene.open()
    await scene.cycle(scene.source())
    scene.mode = 'ERROR_500'
    await scene.cycle(scene.source(undefined, { publisher: 'agent/b' }))
    expect(scene.heads).toHaveLength(1)
  })

  it('a server that says 304 to who has nothing is up, with what it gave before', async () => {
    const scene = await Scene.open()
    scene.repeat = 'not-modified'
    await scene.source().cycle()
    await scene.source().cycle()
    expect(scene.heads.at(-1)!.targets).toMatchObject([{ rows: SWITCHES, up: true }])
  })

  it('a column has the kind that it had, whichever value comes first', async () => {
    const scene = await Scene.open()
    const path = await newFile('switch_id,note,load\nsw1,x7,0\n')
    await scene.cycle(scene.source([scene.target(path, 'file')]))
    await writeFile(path, 'switch_id,note,load\nsw1,7,x\nsw2,8,0.5\n')
    const head = await scene.cycle(scene.source([scene.target(path, 'file')]))
    expect((await scene.rows(head)).file!.map(({ cells }) => cells)).toEqual([{ note: '7' }, { note: '8', load: 0.5 }])
  })

  it('while the broker is away, it is known when that is back', async () => {
    const scene = await Scene.open()
    const first = await scene.cycle(scene.source())
    ;[scene.mode, scene.isAway] = ['ERROR_500', true]
    const source = scene.source()
    await scene.cycle(source)
    expect([scene.heads.length, scene.said(/announced before the start could not be read/).length]).toEqual([1, 1])
    scene.isAway = false
    expect((await scene.cycle(source)).targets).toMatchObject([{ takenAtUs: first.targets[0]!.takenAtUs, up: false }])
  })
})

describe('a source that is stopped', () => {
  const never = new AbortController().signal

  it('leaves what it asks, and announces nothing more', async () => {
    const scene = await Scene.open()
    scene.mode = 'TIMEOUT'
    const source = scene.source()
    const cycle = source.cycle()
    setImmediate(() => source.stop(never))
    await cycle
    expect([scene.heads, scene.lines, source.targets[0]!.target.error]).toEqual([[], [], undefined])
  })

  it.each([true, false])('sends the rows that it has, until the signal: %s', async (isInTime) => {
    const scene = await Scene.open()
    const rows = Array.from({ length: 30_000 }, (_, i) => `sw${i},${i}\n`)
    const target = scene.target(await newFile(`switch_id,a\n${rows.join('')}`), 'file')
    const over = new AbortController()
    let sent = 0
    const source = scene.source([target], {
      send: async (encoder, signal) => {
        const isFirst = sent === 0
        sent += encoder.count
        encoder.finish({ ...blankHeader(), run: 'r' })
        if (!isFirst) return
        source.stop(over.signal)
        if (isInTime) return
        setImmediate(() => over.abort())
        await once(signal, 'abort')
      },
    })
    await source.cycle()
    const leftOut = scene.said(/^rows of the last cycle were not sent/).map(({ rows: count }) => count)
    if (isInTime) expect([sent, leftOut]).toEqual([rows.length, []])
    else {
      expect(sent).toBeGreaterThan(0)
      expect(leftOut).toEqual([rows.length - sent])
    }
  })
})
