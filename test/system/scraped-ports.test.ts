import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiClient, type HistoryAnswer } from '../support/api.ts'
import { CountersTable } from '../support/counters-table.ts'
import { type FabricClient, FabricPrograms, type Running } from '../support/fabric-programs.ts'
import { type ScrapedServer, serveMetrics } from '../support/scraped-server.ts'
import { until } from '../support/servers.ts'

const PORTS = 32
const METRIC = 'PortXmitPktsExtended'

/** The same table in Prometheus' text, metric by metric, as UFM has it: a space after commas, and times in ms. */
function textOf(table: CountersTable): string {
  const lines = table.metrics.flatMap(({ name, cell }) => [
    `# TYPE ${name} counter`,
    ...table.lines.flatMap((row) => {
      const cells = table.cellsOf(row)
      const of = (column: string): string => cells[table.columns.indexOf(column)]!
      if (cells[cell] === '') return []
      const labels = ['node_guid', 'port_guid', 'port_num'].map((label) => `${label}="${of(label)}"`).join(', ')
      return [`${name}{source="0x1", ${labels}} ${cells[cell]} ${of('timestamp').slice(0, 13)}`]
    }),
  ])
  return `${lines.join('\n')}\n`
}

/** One snapshot of a fabric, which an agent asks for as CSV, and scrapes. */
describe('ports that are scraped', () => {
  let folder: string
  let programs: FabricPrograms
  let client: FabricClient
  let api: ApiClient
  let agent: Running
  let scraped: ScrapedServer
  let table: CountersTable
  let text: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sentinel-ports-'))
    programs = await FabricPrograms.open({ influx: true })
    const size = ['--profile=ufm', '--switches=1', `--ports-per-switch=${PORTS}`]
    const generator = programs.generator([...size, '--seed=7', '--interval-ms=1h'])
    const [{ url }] = await Promise.all([generator, programs.server(), programs.api().then((one) => { client = one })]) // biome-ignore format: one line
    api = new ApiClient(Number(new URL(client.url).port))
    table = new CountersTable(await (await fetch(url)).text())
    text = textOf(table)
    scraped = await serveMetrics(() => text)
    await follow(`- url: ${scraped.url}\n  name: ufm\n  fabric: scraped\n`)
    const targets = [`--fabric-named=polled=${url}`, `--scrape-targets-file=${join(folder, 'targets.yaml')}`]
    agent = await programs.agent([...targets, '--scrape-interval-ms=200ms'])
    await client.lists(table, 'scraped')
    await client.lists(table, 'polled')
  })
  afterAll(async () => {
    await programs?.close()
    await scraped?.close()
    await rm(folder, { recursive: true })
  })

  const follow = (targets: string): Promise<void> => writeFile(join(folder, 'targets.yaml'), targets)

  /** What two fabrics answer. */
  async function both<T>(path: string): Promise<T[]> {
    const answers = await Promise.all(['polled', 'scraped'].map((fabric) => api.json<T>(`${path}&fabric=${fabric}`)))
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    return answers.map(({ body }) => body)
  }

  it('are answered value by value as they were given', async () => {
    expect(table.values().size).toBe(PORTS)
    await client.gives(table, 'scraped')
  })

  it('are the same in every list as those that are asked for as CSV', async () => {
    type Row = { switch_id: string; at: number; value: number; delta: number | null }
    // Prometheus' text has times of whole milliseconds.
    const inMs = (rows: readonly Row[]): Row[] => rows.map((row) => ({ ...row, at: Math.floor(row.at / 1000) }))
    const tops = (await both<{ rows: Row[] }>(`/telemetry/top?metric=${METRIC}&limit=5`)).map(({ rows }) => inMs(rows))
    expect([tops[0]!.length, tops[1]]).toEqual([5, tops[0]])
    const lists = await both<{ total: number; switches: Row[] }>(`/api/v1/switches?metric=${METRIC}`)
    const rows = lists.map(({ switches }) => inMs(switches))
    expect([lists[0]!.total, lists[1]!.total, rows[1]]).toEqual([PORTS, PORTS, rows[0]])
    const [polled, own] = await Promise.all(['polled', 'scraped'].map((fabric) => client.target(fabric)))
    expect(own).toMatchObject({ target: 'ufm', up: true, stale: false, rows: polled!.rows })
  })

  it('have a history', async () => {
    const [id, cells] = [...table.values()].find(([, cells]) => Number(cells.get(METRIC)) < 2 ** 53)!
    let series: HistoryAnswer['series'] = []
    await until('it is stored', async () => {
      const path = `/api/v1/switches/${id}/metrics?field=${METRIC}&start=-1h&every=1h&aggregate=last&fabric=scraped`
      series = (await api.json<HistoryAnswer>(path)).body.series
      return series[0]?.points.some(([, value]) => value !== null) === true
    })
    const values = series.map(({ points }) => points.map(([, value]) => value).filter((value) => value !== null))
    expect(values).toEqual([[Number(cells.get(METRIC))]])
  })

  it('are streamed as they change, and what came on top is known', async () => {
    const [first] = table.lines
    const id = table.idOf(table.cellsOf(first!))
    const column = table.columns.indexOf(METRIC)
    const changed = table.lines.map((row, i) => {
      const cells = table.cellsOf(row)
      if (i === 0) cells[column] = String(BigInt(cells[column]!) + 5n)
      return cells.join(',')
    })
    const next = new CountersTable([table.columns.join(','), ...changed].join('\n'))
    const wanted = Number(next.values().get(id)!.get(METRIC))
    let isChanged = false
    const samples = await api.live((all) => {
      if (!isChanged && all.length > 0) {
        isChanged = true
        text = textOf(next)
      }
      return all.some(({ tags, fields }) => tags.fabric === 'scraped' && fields[METRIC] === wanted)
    }, `?switch=${id}`)
    expect(samples.length).toBeGreaterThan(1)
    await client.lists(next, 'scraped')
    const path = `/telemetry/top?metric=${METRIC}&by=delta&limit=1&fabric=scraped`
    expect((await api.json(path)).body).toMatchObject({ rows: [{ switch_id: id, delta: 5 }] })
  })

  it('stay with their age while answers are cut off', async () => {
    const before = await client.list('scraped')
    const whole = text
    text = text.slice(0, -20)
    await until('it is not taken', async () => (await client.target('scraped'))?.up === false)
    expect(await client.target('scraped')).toMatchObject({ error: expect.stringContaining('cut off'), rows: PORTS })
    expect(await client.list('scraped')).toEqual(before)
    await until('it is stale', async () => (await client.target('scraped'))?.stale === true)
    text = whole
    await until('it is taken again', async () => (await client.target('scraped'))?.up === true)
  })

  it('go with their target', async () => {
    await follow(`- url: ${scraped.url}\n  name: other\n  fabric: new\n`)
    agent.program.signal('SIGHUP')
    await until('it is of another fabric', async () => (await client.target('new'))?.target === 'other')
    await until('the one before is gone', async () => (await client.list('scraped')).status === 404)
    expect((await client.list('new')).status).toBe(200)
  })
})
