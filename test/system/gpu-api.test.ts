import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Program, startProgram } from '../support/programs.ts'
import { freePort, startInflux, type TestServer, until } from '../support/servers.ts'

/** The example of an older system's description. */
const EXAMPLE = {
  ...{ device_id: 'gpu-001', metric: 'temperature', value: 75.5, time: '2025-09-25T10:30:00Z', gpu_id: '0' },
  ...{ uuid: '12345678-1234-1234-1234-123456789012', model_name: 'NVIDIA RTX 4090', hostname: 'worker-node-1' },
  ...{ container: 'gpu-workload', pod: 'gpu-pod-1', namespace: 'default', labels_raw: 'app=ml-training' },
}
const RANGES = [
  'start=2025-09-25T00:00:00Z&end=2025-09-26T00:00:00Z',
  'start_time=2025-09-25T10:00:00Z&end_time=2025-09-25T11:00:00Z',
]

/** What is looked at of some answers. */
interface Listed {
  readonly count: number
  readonly gpus: unknown
  readonly series: unknown
}

let influx: TestServer
beforeAll(async () => {
  influx = await startInflux()
})
afterAll(() => influx?.stop())

describe.each(['DuckDB', 'InfluxDB'])('GPUs of an older system, stored in %s', (store) => {
  let folder: string
  let up: Program
  let url: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sentinel-gpu-api-'))
    const [apiPort, adminPort] = [await freePort(), await freePort()]
    url = `http://127.0.0.1:${apiPort}`
    up = startProgram('sentinel', {
      args: [
        ...['up', `--api-port=${apiPort}`, `--admin-port=${adminPort}`, `--data-path=${folder}`],
        ...[`--duckdb-path=${join(folder, 't.duckdb')}`, '--duckdb-retention-ms=3650d'],
      ],
      env: store === 'InfluxDB' ? { INFLUX_URL: influx.url } : {},
    })
    await until('it is ready', async () => (await fetch(`${url}/ready`).catch(() => undefined))?.ok === true, 60_000)
  })
  afterAll(async () => {
    await up?.stop()
    await rm(folder, { recursive: true, force: true })
  })
  const get = async (path: string): Promise<Response> => fetch(`${url}/api/v1/${path}`)
  const json = async (path: string): Promise<Listed> => (await get(path)).json() as Promise<Listed>

  it('are taken, listed, and read back as they were sent', async () => {
    const headers = { 'content-type': 'application/json' }
    const posted = await fetch(`${url}/telemetry`, { method: 'POST', headers, body: JSON.stringify(EXAMPLE) })
    expect([posted.status, await posted.json()]).toEqual([200, { status: 'success', points_saved: 1 }])
    await until('it is listed', async () => (await json('gpus?fields=uuid')).count === 1, 30_000)
    expect(await (await get('gpus?fields=uuid')).json()).toEqual({ count: 1, gpus: [EXAMPLE.uuid] })
    const { gpus } = await json('gpus')
    expect(gpus).toMatchObject([
      {
        ...{
          uuid: EXAMPLE.uuid,
          gpu_id: '0',
          device_id: 'gpu-001',
          model_name: 'NVIDIA RTX 4090',
          hostname: 'worker-node-1',
        },
        ...{
          pod: 'gpu-pod-1',
          namespace: 'default',
          container: 'gpu-workload',
          stale: true,
          last_seen: '2025-09-25T10:30:00.000Z',
        },
      },
    ])
    const point = {
      ...{ device_id: 'gpu-001', metric: 'temperature', value: 75.5, time: '2025-09-25T10:30:00Z', gpu_id: '0' },
      ...{ uuid: EXAMPLE.uuid, modelName: 'NVIDIA RTX 4090', Hostname: 'worker-node-1', container: 'gpu-workload' },
      ...{ pod: 'gpu-pod-1', namespace: 'default', labels_raw: expect.stringContaining('ml-training') },
    }
    for (const range of RANGES) {
      for (const id of ['gpu-001', EXAMPLE.uuid]) {
        const answer = await get(`gpus/${id}/telemetry?${range}`)
        expect([answer.status, await answer.json()]).toEqual([200, { gpu_id: id, count: 1, data: [point], next: null }])
      }
    }
    expect((await get('gpus/gpu-002/telemetry')).status).toBe(404)
    expect((await get('gpus/gpu-001/telemetry?start=never')).status).toBe(400)
    expect(await (await get('namespaces')).json()).toEqual({
      count: 1,
      namespaces: [{ namespace: 'default', gpu_count: 1 }],
    })
    const history = await json(`gpus/gpu-001/metrics?field=temperature&${RANGES[0]}&every=1h`)
    expect(history.series).toMatchObject([{ field: 'temperature', points: [[Date.UTC(2025, 8, 25, 10) * 1000, 75.5]] }])
  })

  it('leave as files', async () => {
    const file = async (format: string): Promise<[number, string]> => {
      const answer = await get(`query/export?format=${format}&measurement=gpu&${RANGES[0]}`)
      return [answer.status, await answer.text()]
    }
    const tags = 'gpu=0,host=worker-node-1,model=NVIDIA\\ RTX\\ 4090,uuid=12345678-1234-1234-1234-123456789012'
    const at = Date.UTC(2025, 8, 25, 10, 30)
    expect(await file('lp')).toEqual([200, `gpu,${tags} temperature=75.5 ${at}000000\n`])
    expect(await file('csv')).toEqual([
      200,
      `time,gpu,host,model,uuid,temperature\n2025-09-25T10:30:00Z,0,worker-node-1,NVIDIA RTX 4090,${EXAMPLE.uuid},75.5\n`,
    ])
    const [status, text] = await file('parquet')
    if (store === 'DuckDB') expect([status, text.slice(0, 4)]).toEqual([200, 'PAR1'])
    else expect([status, JSON.parse(text).detail]).toEqual([501, expect.stringContaining('ask for format=csv')])
  })
  it('have a history by the names and units of each generation', async () => {
    const headers = { 'content-type': 'application/json' }
    for (const [second, value] of [10, 20, 30, 40].entries()) {
      const reading = { ...EXAMPLE, metric: 'DCGM_FI_DEV_FB_USED', value, time: `2025-09-26T10:30:0${second}Z` }
      const posted = await fetch(`${url}/telemetry`, { method: 'POST', headers, body: JSON.stringify(reading) })
      expect(posted.status).toBe(200)
    }
    const names = 'DCGM_FI_DEV_FB_USED,DCGM_FI_DEV_FB_USED_BYTES,memory_used_bytes'
    const day = 'start=2025-09-26T00:00:00Z&end=2025-09-27T00:00:00Z&every=1h'
    const of = async (aggregate: string): Promise<unknown> => {
      const { series } = await json(`gpus/gpu-001/metrics?metric=${names}&${day}&aggregate=${aggregate}`)
      return (series as Array<{ field: string; points: number[][] }>).map(({ field, points }) => [
        field,
        points[0]?.[1],
      ])
    }
    const inAllUnits = (mebibytes: number): unknown =>
      names.split(',').map((name, place) => [name, place === 0 ? mebibytes : mebibytes * 2 ** 20])
    await expect.poll(() => of('max')).toEqual(inAllUnits(40))
    expect(await of('mean')).toEqual(inAllUnits(25))
    expect(await of('p50')).toEqual(inAllUnits(20))
  })
})
