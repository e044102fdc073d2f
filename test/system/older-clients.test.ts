import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { metric } from '../support/api.ts'
import { type Get, goClient, pythonClient } from '../support/older-clients.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { freePort, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'

// What the test suites of two older systems ask of their switches, in their words and as their clients ask. All programs are processes,
// over a real Redis and a real InfluxDB, and an agent asks the generator, or the generator pushes.

const WAYS = ['asked by an agent', 'pushed to the API'] as const
type Way = (typeof WAYS)[number]

interface Processes {
  readonly generator: string
  readonly api: string
  readonly adminOfApi: string
  stop(): Promise<void>
}

/** @param shape of ListMetrics, as the operator of that system sets it */
async function startProcesses(way: Way, profile: string, switches: number, shape?: string): Promise<Processes> {
  const [redis, influx, ...ports] = await Promise.all([startRedis(), startInflux(), ...[1, 2, 3, 4, 5, 6].map(() => freePort())]) // biome-ignore format: one line
  const [apiPort, apiAdmin, serverAdmin, generatorPort, generatorAdmin, agentAdmin] = ports as number[]
  const api = `http://127.0.0.1:${apiPort}`
  const generator = `http://127.0.0.1:${generatorPort}`
  const env = { REDIS_URL: redis.url, INFLUX_URL: influx.url }
  const programs: Program[] = [
    startProgram('server', { env, args: [`--admin-port=${serverAdmin}`] }),
    startProgram('api', {
      env: { ...env, ...(shape === undefined ? {} : { SENTINEL_API_TELEMETRY_SHAPE: shape }) },
      args: [`--api-port=${apiPort}`, `--admin-port=${apiAdmin}`],
    }),
  ]
  const servers: TestServer[] = [redis, influx]
  await Promise.all(programs.map((program) => program.logged('started', 60_000)))
  programs.push(
    startProgram('generator', {
      args: [
        ...[`--profile=${profile}`, `--switches=${switches}`, '--seed=7', '--interval-ms=1h'],
        ...[`--port=${generatorPort}`, `--admin-port=${generatorAdmin}`],
        // An agent of the same address would be told that it has the matrix already.
        ...(way === 'pushed to the API' ? ['--repeat=not-modified', `--push=${api}/telemetry/counters`] : []),
      ],
    }),
  )
  if (way === 'asked by an agent') {
    const args = [`--fabric-targets=${generator}/counters`, '--fabric-interval-ms=1s', `--admin-port=${agentAdmin}`]
    programs.push(startProgram('agent', { env, args }))
  }
  return {
    ...{ generator, api, adminOfApi: `http://127.0.0.1:${apiAdmin}` },
    async stop() {
      await Promise.all(programs.map((program) => program.stop()))
      await Promise.all(servers.map((server) => server.stop()))
    },
  }
}

/** The cells of a table by row and column. */
function tableOf(csv: string): Map<string, Record<string, string>> {
  const [header = '', ...lines] = csv.trimEnd().split(/\r?\n/)
  const names = header.split(',')
  return new Map(
    lines.map((line) => {
      const row = Object.fromEntries(line.split(',').map((cell, i) => [names[i]!, cell]))
      return [row.switch_id!, row]
    }),
  )
}

describe.each(WAYS)('the suite of the system in Go, its switches %s', (way) => {
  const SWITCHES = 50
  const PLAIN = 'text/plain; charset=utf-8'
  const get: Get = goClient()
  let processes: Processes
  let table: Map<string, Record<string, string>>
  const telemetry = (path: string) => get(`${processes.api}/telemetry/${path}`)

  beforeAll(async () => {
    processes = await startProcesses(way, 'switch', SWITCHES)
    await until('it serves', async () => (await telemetry('ListMetrics')).status === 200)
  })
  afterAll(() => processes?.stop())

  it('is told OK', async () => {
    for (const base of [processes.generator, processes.api]) {
      const { status, body } = await get(`${base}/health`)
      expect([status, body]).toEqual([200, 'OK'])
    }
  })

  it('gets a matrix of all switches, and 304 when it asks again', async () => {
    const first = await get(`${processes.generator}/counters`)
    expect([first.status, first.type]).toEqual([200, expect.stringContaining('text/csv')])
    table = tableOf(first.body)
    expect([...table.keys()]).toEqual(Array.from({ length: SWITCHES }, (_, i) => `sw${i + 1}`))
    const condition: Record<string, string> =
      way === 'pushed to the API' ? {} : { 'If-None-Match': String(first.headers.etag) }
    const again = await get(`${processes.generator}/counters`, condition)
    expect([again.status, again.body]).toEqual([304, ''])
  })

  it.each(['bandwidth_mbps', 'latency_ms', 'packet_errors'])(
    'gets the bare value of %s of each switch',
    async (name) => {
      for (const [id, row] of table) {
        const { status, type, body } = await telemetry(`GetMetric?switch_id=${id}&metric=${name}`)
        expect([status, type, Number(body)]).toEqual([200, 'application/json', Number(row[name])])
        expect(body).toMatch(name === 'packet_errors' ? /^\d+$/ : /^\d+(\.\d+)?$/)
      }
    },
  )

  it.each([
    ['GetMetric', 400, 'Missing switch_id parameter\n'],
    ['GetMetric?metric=latency_ms', 400, 'Missing switch_id parameter\n'],
    ['GetMetric?switch_id=&metric=latency_ms', 400, 'Missing switch_id parameter\n'],
    ['GetMetric?switch_id=sw1', 400, 'Missing metric parameter\n'],
    ['GetMetric?switch_id=sw1&metric=', 400, 'Missing metric parameter\n'],
    ['GetMetric?switch_id=sw51&metric=latency_ms', 404, 'switch_id does not exist\n'],
    ['GetMetric?switch_id=none&metric=none', 404, 'switch_id does not exist\n'],
    ['GetMetric?switch_id=sw1&metric=none', 404, 'metric does not exist\n'],
    ['GetMetric?switch_id=sw1&metric=switch_id', 404, 'metric does not exist\n'],
    ['GetMetric?switch_id=sw1&metric=timestamp', 404, 'metric does not exist\n'],
  ])('%s → %i %j', async (path, status, body) => {
    expect(await telemetry(path)).toMatchObject({ status, type: PLAIN, body })
  })

  it('lists a matrix: an object of one switch for each, in order', async () => {
    const { status, type, body } = await telemetry('ListMetrics')
    expect([status, type]).toEqual([200, 'application/json'])
    const rows: Record<string, Record<string, number>>[] = JSON.parse(body)
    expect(rows).toHaveLength(SWITCHES)
    expect(rows.map((row) => Object.keys(row))).toEqual([...table.keys()].map((id) => [id]))
    for (const row of rows) {
      for (const [id, metrics] of Object.entries(row)) {
        const { timestamp: _time, switch_id: _id, ...cells } = table.get(id)!
        expect(metrics).toEqual(Object.fromEntries(Object.entries(cells).map(([name, cell]) => [name, Number(cell)])))
      }
    }
  })

  it('asks from a hundred goroutines at the same time', async () => {
    const answers = await Promise.all(
      Array.from({ length: 2_000 }, (_, i) =>
        telemetry(`GetMetric?switch_id=sw${(i % SWITCHES) + 1}&metric=latency_ms`),
      ),
    )
    for (const [i, { status, body }] of answers.entries())
      expect([status, Number(body)]).toEqual([200, Number(table.get(`sw${(i % SWITCHES) + 1}`)!.latency_ms)])
    expect(await metric(processes.adminOfApi, 'sentinel_fabric_rows', 'fabric="default"')).toBe(SWITCHES)
  })

  it('has each value in the history too', async () => {
    const history = async (): Promise<number[][]> => {
      const { body } = await get(
        `${processes.api}/api/v1/switches/sw3/metrics?field=bandwidth_mbps&start=-10m&every=1s&aggregate=last`,
      )
      return (JSON.parse(body).series ?? []).flatMap(({ points }: { points: number[][] }) => points)
    }
    await until('it is stored', async () => (await history()).length > 0)
    const { timestamp, bandwidth_mbps: bandwidth } = table.get('sw3')!
    expect(await history()).toEqual([[Number(timestamp) * 1e6, Number(bandwidth)]])
  })
})

describe.each(WAYS)('the suite of the system in Python, its switches %s', (way) => {
  const SWITCHES = 12
  const METRICS = ['Bandwidth_Rx_Gbps', 'Latency_Avg_uSec', 'Error_CRC_Count', 'Port_Status']
  const get: Get = pythonClient()
  let processes: Processes
  let table: Map<string, Record<string, string>>
  const ask = async (path: string, parameters: Record<string, string> = {}) => {
    const answer = await get(`${processes.api}/telemetry/${path}?${new URLSearchParams(parameters)}`)
    return { ...answer, json: JSON.parse(answer.body) }
  }
  const cellOf = (id: string, name: string): number | string =>
    name === 'Port_Status' ? table.get(id)![name]! : Number(table.get(id)![name])

  beforeAll(async () => {
    processes = await startProcesses(way, 'fabric', SWITCHES, 'object')
    await until('it serves', async () => (await get(`${processes.api}/telemetry/ListMetrics`)).status === 200)
    table = tableOf((await get(`${processes.generator}/counters`)).body)
  })
  afterAll(() => processes?.stop())

  it.each(METRICS)('gets %s of each switch, by its name in any case', async (name) => {
    for (const id of table.keys()) {
      for (const asked of [id, id.toLowerCase()]) {
        const { status, json } = await ask('GetMetric', { switch_id: asked, metric_name: name })
        expect([status, json]).toEqual([200, { switch_id: id, metric_name: name, value: cellOf(id, name) }])
      }
    }
  })

  it('lists an object of all switches', async () => {
    const { status, type, json } = await ask('ListMetrics')
    expect([status, type]).toEqual([200, 'application/json'])
    expect(Object.keys(json)).toEqual(Array.from({ length: SWITCHES }, (_, i) => `SW-${String(i).padStart(2, '0')}`))
    for (const [id, metrics] of Object.entries(json))
      expect(metrics).toEqual(Object.fromEntries(METRICS.map((name) => [name, cellOf(id, name)])))
    expect((await ask('ListMetrics', { shape: 'array' })).json).toHaveLength(SWITCHES)
  })

  it.each([
    [{ switch_id: 'SW-77', metric_name: 'Latency_Avg_uSec' }, 404, "Switch ID 'SW-77' not found."],
    [
      { switch_id: 'sw-05', metric_name: 'a' },
      404,
      `Metric 'a' not found for switch 'SW-05'. Valid metrics are: ${METRICS.join(', ')}`,
    ],
    [{ metric_name: 'Latency_Avg_uSec' }, 400, 'Missing switch_id parameter'],
    [{ switch_id: 'SW-05', metric_name: '' }, 400, 'Missing metric parameter'],
  ])('%o → %i with the detail %j', async (parameters, status, detail) => {
    const answer = await ask('GetMetric', parameters as Record<string, string>)
    expect([answer.status, answer.json.detail]).toEqual([status, detail])
    expect(answer.type).toBe('application/problem+json; charset=utf-8')
  })

  it('is told how to see that nothing has changed', async () => {
    const { headers } = await ask('ListMetrics')
    const again = await get(`${processes.api}/telemetry/ListMetrics`, { 'If-None-Match': String(headers.etag) })
    expect([again.status, again.body]).toEqual([304, ''])
  })
})
