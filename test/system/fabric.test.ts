import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { GenerationHead } from '../../internal/fabric/generation.ts'
import { CountersTable } from '../support/counters-table.ts'
import { DATABASE, type FabricClient, FabricPrograms, figure, type Running } from '../support/fabric-programs.ts'
import { type RecordedCounters, recordCounters } from '../support/recorded-counters.ts'
import { until } from '../support/servers.ts'
import { compareStored, type StoredCells, type TakenTable } from '../support/stored-counters.ts'

/** So many snapshots of each fabric go through the pipeline. */
const SNAPSHOTS = 4

const FABRICS = [
  { fabric: 'east', profile: 'switch', size: ['--switches=50'], rows: 50, metrics: 3, measurement: 'switch' },
  { fabric: 'west', profile: 'fabric', size: ['--switches=50'], rows: 50, metrics: 4, measurement: 'switch' },
  {
    fabric: 'north',
    profile: 'ufm',
    size: ['--switches=2', '--ports-per-switch=32'],
    rows: 64,
    metrics: 31,
    measurement: 'fabric_port',
  },
] as const

/** Three fabrics at one agent, from generators that go on until each has given some snapshots. */
describe('three fabrics', () => {
  let programs: FabricPrograms
  let [first, second]: FabricClient[] = []
  let agent: Running
  let server: Running
  let announcements: Redis
  const recorded = new Map<string, RecordedCounters>()
  /** By fabric: when each snapshot was taken, in order. */
  const takenAtUs = new Map<string, Set<number>>(FABRICS.map(({ fabric }) => [fabric, new Set()]))

  beforeAll(async () => {
    programs = await FabricPrograms.open({ influx: true })
    announcements = new Redis(programs.redis.url)
    await announcements.subscribe('fabric:announce')
    announcements.on('message', (_, json: string) => {
      const { fabric, targets } = JSON.parse(json) as GenerationHead
      for (const target of targets) takenAtUs.get(fabric)!.add(target.takenAtUs)
    })
    const opened = await Promise.all([programs.server(), programs.api(), programs.api(), ...FABRICS.map(record)])
    ;[server, first, second] = opened as [Running, FabricClient, FabricClient]
    const named = FABRICS.map(({ fabric }) => `${fabric}=${recorded.get(fabric)!.url}`)
    agent = await programs.agent([`--fabric-named=${named.join(',')}`])
    await until('each has given some snapshots', () =>
      [...recorded.values()].every(({ bodies }) => bodies.length >= SNAPSHOTS),
    )
    await Promise.all([...recorded.values()].map((one) => one.hold()))
    const rows = FABRICS.reduce((sum, { fabric, rows }) => sum + rows * recorded.get(fabric)!.bodies.length, 0)
    await until('all are taken', async () => (await figure(agent, 'sentinel_source_rows_total')) === rows)
    await until('all are sent', async () => (await figure(agent, 'sentinel_outbox_samples')) === 0)
  })
  afterAll(async () => {
    announcements?.disconnect()
    await Promise.all([...recorded.values()].map((one) => one.stop()))
    await programs?.close()
  })

  async function record({ fabric, profile, size }: (typeof FABRICS)[number]): Promise<void> {
    const { url } = await programs.generator([`--profile=${profile}`, ...size, '--seed=7', '--interval-ms=1s'])
    recorded.set(fabric, await recordCounters(url))
  }

  const tablesOf = (fabric: string): CountersTable[] =>
    recorded.get(fabric)!.bodies.map((body) => new CountersTable(body))

  it.each(FABRICS)('$fabric is shown as the generator gave it, profile $profile', async ({ fabric, rows, metrics }) => {
    const newest = tablesOf(fabric).at(-1)!
    expect([newest.lines.length, newest.metrics.length]).toEqual([rows, metrics])
    await first!.lists(newest, fabric)
    await first!.gives(newest, fabric)
  })

  it.each(FABRICS)('$fabric is stored: each cell once, with value and time', async ({ fabric, measurement, rows }) => {
    const times = [...takenAtUs.get(fabric)!].sort((a, b) => a - b)
    const tables = tablesOf(fabric)
    expect(times).toHaveLength(tables.length)
    const taken = tables.map((table, i): TakenTable => ({ table, takenAtUs: times[i]! }))
    const place = { url: programs.influx!.url, database: DATABASE, measurement, fabric }
    let stored: StoredCells | undefined
    await until('all are stored', async () => {
      stored = await compareStored(place, taken)
      return stored.stored === stored.rows
    }).catch(() => {})
    expect(stored).toMatchObject({ rows: rows * tables.length, stored: rows * tables.length, problems: [] })
    const cells = tables.flatMap((table) => [...table.values().values()].map(({ size }) => size))
    expect(stored!.cells).toBe(cells.reduce((sum, size) => sum + size, 0))
  })

  it('are the same at two APIs, which say each generation with the same ETag', async () => {
    for (const { fabric } of FABRICS) {
      await second!.lists(tablesOf(fabric).at(-1)!, fabric)
      expect(await second!.list(fabric)).toEqual(await first!.list(fabric))
    }
  })

  it('need the parameter fabric, and names of metrics are those of their own fabric', async () => {
    const answer = await fetch(`${first!.url}/telemetry/GetMetric?switch_id=sw5&metric=latency_ms`, {
      headers: { accept: 'application/json' },
    })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ detail: expect.stringMatching(/east, north, west$/) })
    expect(await first!.value('sw5', 'Latency_Avg_uSec', 'east')).toBe('metric does not exist\n')
    expect(await first!.value('sw-05', 'latency_ms', 'west')).toBe('metric does not exist\n')
  })

  it.each(FABRICS)('$fabric has a history of each row, of its own fabric', async ({ fabric, profile }) => {
    const tables = tablesOf(fabric)
    const { metrics } = tables[0]!
    const [metric] = metrics
    const cells = tables[0]!.cellsOf(tables[0]!.lines[0]!)
    const id = tables[0]!.idOf(cells)
    const query = new URLSearchParams({ field: metric!.name, fabric, start: '-10m', every: '1s', aggregate: 'last' })
    const answer = await fetch(`${first!.url}/api/v1/switches/${id}/metrics?${query}`)
    const { series } = (await answer.json()) as { series: Array<{ points: Array<[number, number | string]> }> }
    expect([profile, answer.status, series.length]).toEqual([profile, 200, 1])
    const given = tables.map((table) => Number(table.values().get(id)!.get(metric!.name)))
    const points = series[0]!.points.map(([, value]) => Number(value))
    expect(points.length).toBeGreaterThan(1)
    expect(given).toEqual(expect.arrayContaining(points))
    expect(points.at(-1)).toBe(given.at(-1))
  })

  it('are asked with one log line a cycle, and nothing is said of what is well', async () => {
    const lines = agent.program.log()
    const cycles = lines.filter(({ msg }) => msg === 'fabric cycle')
    expect(cycles.filter(({ rows }) => rows !== 0).map(({ fabric }) => fabric)).toHaveLength(
      [...recorded.values()].reduce((sum, { bodies }) => sum + bodies.length, 0),
    )
    for (const part of ['fetchMs', 'parseMs', 'swapMs', 'publishMs'])
      expect(cycles[0]).toHaveProperty(part, expect.any(Number))
    expect(lines.filter(({ level }) => level !== 'info')).toEqual([])
    expect(await figure(server, 'sentinel_lost_samples_total')).toBe(0)
  })
})
