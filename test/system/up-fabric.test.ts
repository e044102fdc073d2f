import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiClient, type HistoryAnswer, metric } from '../support/api.ts'
import { type Program, run, startProgram } from '../support/programs.ts'
import { freePort, until } from '../support/servers.ts'

const INTERVAL_MS = 1000
const METRIC = 'PortXmitDataExtended'

describe('sentinel up --fabric: the whole pipeline with a fabric that is made up', () => {
  let folder: string
  let ports: { api: number; admin: number; generator: number }
  let api: ApiClient
  let up: Program
  /** One of the ports. */
  let id: string

  const start = (more: readonly string[] = []): Program =>
    startProgram('sentinel', {
      args: [
        ...['up', '--fabric', `--generator-port=${ports.generator}`, `--generator-interval-ms=${INTERVAL_MS}`],
        ...['--generator-profile=ufm', '--generator-switches=4', '--generator-seed=7'],
        ...[`--fabric-interval-ms=${INTERVAL_MS}`, `--api-port=${ports.api}`, `--admin-port=${ports.admin}`, ...more],
        `--duckdb-path=${join(folder, 'data', 'sentinel.duckdb')}`,
      ],
    })
  const text = async (path: string): Promise<string> => (await fetch(api.url + path)).text()
  const untilShown = (): Promise<void> =>
    until('the fabric is shown', async () => {
      return (await fetch(`${api.url}/telemetry/ListMetrics`).catch(() => undefined))?.status === 200
    })
  const history = async (start: string, everyS: number): Promise<HistoryAnswer['series']> => {
    const query = `field=${METRIC}&start=${start}&every=${everyS}s&aggregate=last`
    return (await api.json<HistoryAnswer>(`/api/v1/switches/${id}/metrics?${query}`)).body.series
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sentinel-up-fabric-'))
    ports = { api: await freePort(), admin: await freePort(), generator: await freePort() }
    api = new ApiClient(ports.api)
    up = start()
    await untilShown()
    id = Object.keys(JSON.parse(await text('/telemetry/ListMetrics?limit=1'))[0])[0]!
  })
  afterAll(async () => {
    await up?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  it('says that its fabric is made up: where it starts, in the API, and in the log', async () => {
    await up.logged('started')
    expect(up.stdout()).toBe(
      `SentinelStream is up: ${api.url}\nIts switch fabric is made up: ${api.url}/?view=fabric\n`,
    )
    const { body } = await api.json('/api/v1/fabrics')
    expect(body).toMatchObject({
      fabrics: [{ fabric: 'made-up', subject: 'fabric_port', stale: false, rows: 128, switches: 4 }],
    })
    expect((await up.logged('fabric cycle')).fabric).toBe('made-up')
  })

  it('answers with values of now, one and all, and with the highest', async () => {
    const listed = JSON.parse(await text('/telemetry/ListMetrics')) as Array<Record<string, Record<string, number>>>
    expect(listed).toHaveLength(128)
    expect(Object.keys(listed[0]![id]!).length).toBeGreaterThanOrEqual(30)
    expect(await text(`/telemetry/GetMetric?switch_id=${id}&metric=${METRIC}`)).toMatch(/^\d+$/)
    const top = await api.json<{ fabric: string; rows: unknown[] }>(`/telemetry/top?metric=${METRIC}&limit=3`)
    expect(top.body).toMatchObject({ fabric: 'made-up', rows: [{}, {}, {}] })
  })

  it('streams new values of one port as they come', async () => {
    const seen = new Set<unknown>()
    const samples = await api.live((all) => {
      for (const { fields } of all) seen.add(fields[METRIC])
      return seen.size >= 3
    }, `?switch=${id}`)
    expect(new Set(samples.map(({ tags }) => `${tags.node_guid}_${tags.port_num}`))).toEqual(new Set([id]))
  })

  it('keeps the history of a port under the name of its fabric, apart from that of a real one', async () => {
    let series: HistoryAnswer['series'] = []
    await until('history has points of two cycles', async () => {
      series = await history('-1m', 1)
      return (series[0]?.points.filter(([, value]) => value !== null).length ?? 0) >= 2
    })
    expect(series).toHaveLength(1)
    const { body } = await api.json<HistoryAnswer>(
      `/api/v1/switches/${id}/metrics?field=${METRIC}&start=-1m&every=1m&fabric=made-up`,
    )
    expect(body.series).toHaveLength(1)
  })

  it('says which port is taken, and how to take another', async () => {
    const [apiPort, admin] = [await freePort(), await freePort()]
    const second = await run('sentinel', {
      args: [
        ...['up', '--fabric', `--generator-port=${ports.generator}`],
        ...[`--api-port=${apiPort}`, `--admin-port=${admin}`, `--duckdb-path=${join(folder, 'other.duckdb')}`],
      ],
    })
    expect(second.code).toBe(1)
    expect(second.stderr).toContain(`port ${ports.generator} of 127.0.0.1 is taken by another program`)
    expect(second.stderr).toContain('--generator-port')
    expect(second.stdout).toBe('')
  })

  it('stops with sums that balance and nothing dropped, and has the history at the next start', async () => {
    const produced = await metric(`http://127.0.0.1:${ports.admin}`, 'sentinel_source_rows_total')
    expect(produced).toBeGreaterThan(0)
    expect(await up.stop()).toBe(0)
    const [summary, ...more] = up.log().filter(({ msg }) => msg === 'summary')
    expect(more).toEqual([])
    const figures = summary as Record<string, number>
    expect(figures.fabric_produced).toBeGreaterThanOrEqual(produced)
    expect(figures.fabric_sent).toBe(figures.fabric_produced)
    expect(figures.written! + figures.rejected! + figures.dropped! + figures.held!).toBe(figures.received)
    expect([figures.rejected, figures.dropped, figures.lost, figures.fabric_dropped]).toEqual([0, 0, 0, 0])
    expect(up.log().filter(({ level }) => level === 'error')).toEqual([])

    const stoppedAtUs = Date.now() * 1000
    up = start()
    await untilShown()
    const before = (await history('-10m', 1))[0]?.points.filter(([at, value]) => at < stoppedAtUs && value !== null)
    expect(before?.length).toBeGreaterThan(0)
    expect(await up.stop()).toBe(0)
  })
})

describe('the examples of the README', () => {
  it('really answer', async () => {
    const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
    const section = readme.slice(readme.indexOf('\n## Switch fabrics'), readme.indexOf('\n## With Docker Compose'))
    const paths = [...section.matchAll(/^curl 'http:\/\/127\.0\.0\.1:8080(\S+)'/gm)].map(([, path]) => path!)
    expect(paths.length).toBeGreaterThanOrEqual(4)
    const folder = await mkdtemp(join(tmpdir(), 'sentinel-readme-'))
    const port = await freePort()
    const up = startProgram('sentinel', {
      args: [
        ...['up', '--fabric', '--generator-port=0', `--api-port=${port}`, `--admin-port=${await freePort()}`],
        `--duckdb-path=${join(folder, 'sentinel.duckdb')}`,
      ],
    })
    await up.logged('fabric cycle')
    const ask = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text()
    await until('the fabric is shown', async () => (await ask('/api/v1/fabrics')).includes('made-up'))
    const [metricText, list, top, history] = await Promise.all(paths.slice(0, 4).map(ask))
    expect(metricText).toMatch(/^[\d.]+$/)
    expect(JSON.parse(list!)).toMatchObject([{ sw5: { packet_errors: expect.any(Number) } }, { sw7: {} }])
    expect(JSON.parse(top!)).toMatchObject({ fabric: 'made-up', metric: 'packet_errors' })
    expect(JSON.parse(history!)).toMatchObject({ switch_id: 'sw5', measurement: 'switch' })
    expect(await up.stop()).toBe(0)
    await rm(folder, { recursive: true })
  })
})

describe('sentinel up --fabric together with targets', () => {
  it('does not start: what is made up never stands among what is real', async () => {
    const { code, stderr } = await run('sentinel', { args: ['up', '--fabric', '--fabric-targets=http://10.0.0.7/c'] })
    expect(code).toBe(78)
    expect(stderr).toContain('leave one of them out')
  })
})
