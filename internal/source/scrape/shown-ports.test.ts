import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { MemoryBroker } from '../../broker/memory/broker.ts'
import { blankHeader } from '../../codec/codec.ts'
import { FrameRowEncoder } from '../../codec/frame-rows.ts'
import { decodeSnapshot } from '../../fabric/decode-snapshot.ts'
import { DEFAULT_FABRIC, type GenerationHead, nameOf, type SnapshotSink } from '../../fabric/generation.ts'
import type { CellValue, Snapshot } from '../../fabric/snapshot.ts'
import { TableReader } from '../../fabric/table-reader.ts'
import { GpuReadings } from '../../gpu/readings.ts'
import { LogThrottle } from '../../observe/log-throttle.ts'
import { MAX_FIELDS } from '../../sample/shape.ts'
import { SeriesTable } from '../../sample/series.ts'
import { Target } from '../target.ts'
import { TargetError } from '../target-error.ts'
import { ShownPorts } from './shown-ports.ts'
import { ScrapeSource } from './source.ts'

const BEGAN_US = 1_763_900_000_000_000
const INTERVAL_MS = 15_000
const PUBLISHER = 'agent/n1/scrape/ufm'
const GUID = 'b83fd2000000000a'
const OTHER = 'b83fd2000000000b'

type Answer = readonly string[] | Error | 'nothing'

/** A target with ports that answers as it is told, and what an API would read of it. */
class Scene {
  timeUs = BEGAN_US
  answer: Answer = []
  readonly said: string[] = []
  source: ScrapeSource
  ports: ShownPorts
  readonly #logger = pino({ level: 'info' }, { write: (line: string) => void this.said.push(JSON.parse(line).msg) })
  readonly #clock = { now: () => this.timeUs }
  /** What the broker has. */
  #broker = this.#emptyBroker()
  readonly #maxSeries: number
  readonly #fabric: string | undefined

  constructor({ maxSeries = 10_000, fabric }: { maxSeries?: number; fabric?: string } = {}) {
    this.#maxSeries = maxSeries
    this.#fabric = fabric
    const snapshots: SnapshotSink = {
      put: (name, bytes) => this.#broker.put(name, bytes),
      announce: (head) => this.#broker.announce(head),
      newest: (of, publisher) => this.#broker.newest(of, publisher),
      read: (name, bytes) => this.#broker.read(name, bytes),
    }
    const throttle = new LogThrottle(this.#logger)
    const about = { target: 'ufm', publisher: PUBLISHER, snapshots, clock: this.#clock, throttle }
    const open = (): [ScrapeSource, ShownPorts] => {
      const ports = new ShownPorts(about)
      return [this.#sourceOf(ports), ports]
    }
    ;[this.source, this.ports] = open()
    this.restart = () => {
      ;[this.source, this.ports] = open()
    }
  }

  /** Another process of the agent goes on. */
  readonly restart: () => void

  async scrape(answer: Answer): Promise<void> {
    // Longer than any rest after a failure.
    this.timeUs += 6 * INTERVAL_MS * 1000
    this.answer = answer
    await this.source.scrape()
  }

  loseAll(): void {
    this.#broker = this.#emptyBroker()
  }

  head(fabric = DEFAULT_FABRIC): Promise<GenerationHead | undefined> {
    return this.#broker.newest(fabric, PUBLISHER)
  }

  async snapshot(fabric = DEFAULT_FABRIC): Promise<Snapshot | undefined> {
    const head = await this.head(fabric)
    const target = head?.targets[0]
    if (target === undefined) return undefined
    return decodeSnapshot((await this.#broker.read(nameOf(head!, target), target.bytes))!)
  }

  /** The values of a fabric by row and metric. */
  async rows(fabric = DEFAULT_FABRIC): Promise<Rows | undefined> {
    const snapshot = await this.snapshot(fabric)
    return snapshot && rowsOf(snapshot)
  }

  #emptyBroker(): MemoryBroker['snapshots'] {
    return new MemoryBroker({ logger: this.#logger, now: () => this.timeUs / 1000 }).snapshots
  }

  #sourceOf(ports: ShownPorts): ScrapeSource {
    const target = new Target({
      ...{ name: 'ufm', intervalMs: INTERVAL_MS, timeoutMs: 1000, maxBodyBytes: 1e6, nowMs: () => this.timeUs / 1000 },
      place: {
        read: async (body) => {
          if (this.answer instanceof Error) throw this.answer
          if (this.answer === 'nothing') return 'nothing_new'
          body.begin()
          body.add(Buffer.from(this.answer.join('\n') + (this.answer.at(-1) === 'cut' ? '' : '\n')))
          return 'read'
        },
        taken() {},
        close() {},
      },
    })
    return new ScrapeSource({
      ...{ target, ports, maxSeries: this.#maxSeries, clock: this.#clock, logger: this.#logger },
      tags: { url: 'u', host: 'h', fabric: this.#fabric },
      ...{
        encoder: new FrameRowEncoder(),
        gpus: new GpuReadings({ table: new SeriesTable(), nowUs: () => this.timeUs }),
      },
      sendGpus() {},
      send: async (encoder) => void encoder.finish(blankHeader()),
    })
  }
}

type Rows = Record<string, Record<string, CellValue>>

function rowsOf(snapshot: Snapshot): Rows {
  const rows: Rows = {}
  for (let row = 0; row < snapshot.rows; row++) {
    const cells = snapshot.parts.columns.flatMap(({ name }, column) => {
      const value = snapshot.value(row, column)
      return value === undefined ? [] : [[name, value] as const]
    })
    rows[snapshot.id(row)] = Object.fromEntries(cells)
  }
  return rows
}

const line = (metric: string, port: number, value: number | string, more = ''): string =>
  `${metric}{node_guid="0x${GUID}",port_num="${port}"${more}} ${value}`

describe('ports of a scraped target', () => {
  it('are shown as those of the same table of CSV', async () => {
    const scene = new Scene()
    const counters = ['PortXmitDataExtended', 'PortRcvPktsExtended', 'hist0', 'Normalized_CBW', 'Chip_Temp']
    const cells = (port: number): string[] =>
      ['9007199254740993', String(port), '-9223372036854775807', '0.25', port === 2 ? '' : '12'] // biome-ignore format: one line
    const ports = [1, 2, 3].map((port) => ({ port, guid: port === 3 ? OTHER : GUID, node: port === 3 ? '' : 'leaf 1' }))
    const atMs = BEGAN_US / 1000 + 1000
    const csv = [
      `timestamp,node_guid,port_num,node_description,${counters.join(',')}`,
      ...ports.map(({ port, guid, node }) => `${atMs * 1000},0x${guid},${port},${node},${cells(port).join(',')}`),
    ]
    // Metric by metric, as an exporter has them.
    const text = counters.flatMap((metric, i) =>
      ports.map(({ port, guid, node }) => {
        const labels = `node_guid="0x${guid}", port_num="${port}", node_description="${node}"`
        return `${metric}{${labels}} ${cells(port)[i] || 'NaN'} ${atMs}`
      }),
    )
    await scene.scrape(['# TYPE hist0 counter', 'node_load1 1', ...text])
    const table = await new TableReader().read(Buffer.from(`${csv.join('\n')}\n`), scene.timeUs)
    const shown = await scene.snapshot()
    expect(rowsOf(shown!)).toEqual(rowsOf(table.snapshot))
    const { columns, atUs } = table.snapshot.parts
    expect([shown!.parts.columns, [...shown!.parts.atUs]]).toEqual([columns, [...atUs]])
    const switches = (snapshot: Snapshot): unknown[] => [0, 1, 2].map((row) => snapshot.switchOf(row))
    expect(switches(shown!)).toEqual(switches(table.snapshot))
    const head = { publisher: PUBLISHER, intervalMs: INTERVAL_MS, targets: [{ target: 'ufm', rows: 3, badRows: 0, up: true }] } // biome-ignore format: one line
    expect(await scene.head()).toMatchObject(head)
  })

  it('are one row each, with the newest of their times, whatever else their labels tell', async () => {
    const scene = new Scene()
    const atMs = (seconds: number): number => BEGAN_US / 1000 + seconds * 1000
    await scene.scrape([
      line('hist0', 1, `1 ${atMs(5)}`),
      line('hist1', 1, `2 ${atMs(9)}`, ',node_description="leaf 1"'),
      line('hist2', 1, `3 ${atMs(7)}`),
      line('hist0', 2, `4 ${atMs(999_999)}`),
      line('hist0', 2, 'x'),
    ])
    expect(await scene.rows()).toEqual({ [`${GUID}_1`]: { hist0: 1, hist1: 2, hist2: 3 }, [`${GUID}_2`]: { hist0: 4 } })
    // One that cannot be is that of the question.
    expect([...(await scene.snapshot())!.parts.atUs]).toEqual([atMs(9) * 1000, scene.timeUs])
    expect((await scene.head())!.targets).toMatchObject([{ rows: 2, badRows: 1 }])
  })

  it('that join planes are others than the planes, as in a table', async () => {
    const scene = new Scene()
    const header = 'node_guid,port_num,sys_image_guid,aport,port_type,hist0'
    const rows = [
      [GUID, 1, GUID, 1, 'plane', 10],
      [OTHER, 1, GUID, 1, 'plane', 11],
      [GUID, 1, GUID, 1, 'aggregated', 12],
      ['', '', GUID, 2, 'aggregated', 13],
      [OTHER, 7, '', '', 'legacy', 14],
    ]
    const names = header.split(',')
    await scene.scrape(
      rows.map((cells) => {
        const labels = cells.slice(0, -1).map((cell, i) => `${names[i]}="${cell}"`)
        return `hist0{${labels.join(',')}} ${cells.at(-1)}`
      }),
    )
    const shown = await scene.rows()
    expect(shown).toEqual({
      ...{ [`${GUID}_plane1`]: { hist0: 10 }, [`${OTHER}_1`]: { hist0: 11 }, [`${GUID}_1`]: { hist0: 12 } },
      ...{ [`${GUID}_2`]: { hist0: 13 }, [`${OTHER}_7`]: { hist0: 14 } },
    })
    const table = await new TableReader().read(Buffer.from([header, ...rows, ''].join('\n')), scene.timeUs)
    expect(rowsOf(table.snapshot)).toEqual(shown)
  })

  it('and metrics that are gone from an answer are gone from what is shown', async () => {
    const scene = new Scene()
    await scene.scrape([line('hist0', 1, 1), line('hist1', 1, 2), line('hist0', 2, 3)])
    await scene.scrape([line('hist0', 2, 4)])
    expect(await scene.rows()).toEqual({ [`${GUID}_2`]: { hist0: 4 } })
    expect((await scene.snapshot())!.parts.columns).toEqual([{ name: 'hist0', kind: 'int' }])
  })

  const failures: ReadonlyArray<readonly [string, Answer, string | undefined]> = [
    ['nothing new', 'nothing', undefined],
    ['another status', new TargetError('status', 'it answered 500'), 'it answered 500'],
    ['an answer that is cut off', [line('hist0', 1, 9), line('hist0', 2, 9), 'cut'], 'it was cut off: its last line has no end'],
    ['a page', ['<html>'], 'none of its 1 lines can be read: line 1 (name): <html>'],
    ['an answer without ports', ['a 1'], 'its answer has no ports'],
  ] // biome-ignore format: one line
  it.each(failures)('stay with their age after %s, over a restart too', async (_name, answer, error) => {
    const scene = new Scene({ fabric: 'east' })
    await scene.scrape([line('hist0', 1, 1)])
    const before = (await scene.head('east'))!
    await scene.scrape(answer)
    const isUp = error === undefined
    const [{ error: _, ...target }] = before.targets as [GenerationHead['targets'][number]]
    const stays = [{ ...target, up: isUp, ...(isUp ? {} : { error }) }]
    expect(await scene.head('east')).toMatchObject({ id: before.id, checkedAtUs: scene.timeUs, targets: stays })
    expect(await scene.rows('east')).toEqual({ [`${GUID}_1`]: { hist0: 1 } })
    scene.restart()
    await scene.scrape(new TargetError('unreachable', 'away'))
    expect(await scene.head('east')).toMatchObject({ checkedAtUs: scene.timeUs, targets: [{ ...target, up: false, error: 'away' }] }) // biome-ignore format: one line
    await scene.scrape([line('hist0', 1, 2)])
    expect((await scene.head('east'))!.targets).toMatchObject([{ up: true, takenAtUs: scene.timeUs }])
    expect(await scene.rows('east')).toEqual({ [`${GUID}_1`]: { hist0: 2 } })
  })

  it('are nothing new where all of them have the times of before', async () => {
    const scene = new Scene()
    const at = (ms: number, value: number): string[] => [1, 2].map((port) => line('hist0', port, `${value} ${BEGAN_US / 1000 + ms}`)) // biome-ignore format: one line
    const seen: Array<readonly [id: string, isUp: boolean, value: unknown]> = []
    for (const answer of [at(0, 5), at(0, 5), at(9, 5), new TargetError('status', 'x'), at(9, 5), at(9, 6), at(0, 5)]) {
      await scene.scrape(answer)
      const { id, targets } = (await scene.head())!
      seen.push([id, targets[0]!.up, Object.values((await scene.rows())!)[0]!.hist0])
    }
    const [a, , b, , , c, d] = seen.map(([id]) => id)
    expect(seen).toEqual([[a, true, 5], [a, true, 5], [b, true, 5], [b, false, 5], [b, true, 5], [c, true, 6], [d, true, 5]]) // biome-ignore format: one line
    expect(new Set([a, b, c, d]).size).toBe(4)
  })

  it('are not looked for in the broker where nobody says that the target has some', async () => {
    const scene = new Scene()
    await scene.scrape([line('hist0', 1, 1)])
    const before = await scene.head()
    scene.restart()
    await scene.scrape(new TargetError('unreachable', 'away'))
    expect(await scene.head()).toEqual(before)
  })

  it('are put again where the broker has lost them', async () => {
    const scene = new Scene()
    await scene.scrape([line('hist0', 1, 1)])
    scene.loseAll()
    await scene.scrape(new TargetError('unreachable', 'away'))
    expect(await scene.rows()).toEqual({ [`${GUID}_1`]: { hist0: 1 } })
  })

  it('are of the fabric that a label names, else of that of the target, and one that is gone is given up', async () => {
    const scene = new Scene({ fabric: 'east' })
    await scene.scrape([line('hist0', 1, 1), line('hist0', 1, 2, ',fabric="west"'), line('hist0', 1, 3, ',fabric="default"')]) // biome-ignore format: one line
    const all = () => Promise.all(['east', 'west', DEFAULT_FABRIC].map((fabric) => scene.rows(fabric)))
    expect(await all()).toEqual([1, 2, 3].map((hist0) => ({ [`${GUID}_1`]: { hist0 } })))
    await scene.scrape([line('hist0', 1, 4), line('hist0', 1, 5, ',fabric="west"')])
    expect(await all()).toEqual([{ [`${GUID}_1`]: { hist0: 4 } }, { [`${GUID}_1`]: { hist0: 5 } }, undefined])
    expect((await scene.head(DEFAULT_FABRIC))!.targets).toEqual([])
    await scene.ports.leave()
    expect(await all()).toEqual([undefined, undefined, undefined])
  })

  it('are not shown where their table would be mostly empty, and the last one stays', async () => {
    const scene = new Scene({ maxSeries: 400 })
    await scene.scrape([line('hist0', 1, 1)])
    await scene.scrape(Array.from({ length: 200 }, (_, i) => line(`hist${i}`, i, 1)))
    const problem = 'a table of the ports of the fabric default would have over 3200 cells'
    expect((await scene.head())!.targets).toMatchObject([{ rows: 1, up: false, error: problem }])
    expect(scene.said).toEqual([`not all ports are shown: ${problem}`])
    await scene.scrape([line('hist0', 1, 2), line('hist0', 2, 3)])
    expect(await scene.rows()).toEqual({ [`${GUID}_1`]: { hist0: 2 }, [`${GUID}_2`]: { hist0: 3 } })
  })

  it('have at most as many metrics as a table, and are of at most 16 fabrics', async () => {
    const scene = new Scene()
    const many = Array.from({ length: MAX_FIELDS + 8 }, (_, i) => line(`hist${i}`, i % 2, i))
    await scene.scrape(many)
    expect((await scene.snapshot())!.parts.columns).toHaveLength(MAX_FIELDS)
    await scene.scrape(Array.from({ length: 20 }, (_, i) => line('hist0', 1, i, `,fabric="f${i}"`)))
    const shown = await Promise.all(Array.from({ length: 20 }, (_, i) => scene.rows(`f${i}`)))
    expect(shown.filter((rows) => rows !== undefined).length).toBeLessThanOrEqual(16)
    expect(scene.said).toEqual(['not all ports are shown: its ports are of more than 16 fabrics'])
  })

  it('are not announced by a source that is stopped', async () => {
    const scene = new Scene()
    await scene.scrape([line('hist0', 1, 1)])
    const before = await scene.head()
    scene.source.stop(new AbortController().signal)
    await scene.scrape([line('hist0', 1, 2)])
    expect(await scene.head()).toEqual(before)
  })
})
