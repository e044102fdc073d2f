import { describe, expect, it } from 'vitest'
import { ApiScene } from '../../../../test/support/api-scene.ts'
import type { FieldValue } from '../../../sample/value.ts'
import { type StoredRow, StoreError } from '../../../store/store.ts'

const A = { host: 'n1', uuid: 'GPU-a', gpu: '0', model: 'H100' }
const B = { host: 'n1', uuid: 'GPU-b', gpu: '1', model: 'H100' }
const C = { host: 'n10', uuid: 'GPU-c', gpu: '0' }
const PART = { ...A, mig: '3' }

function row(tags: Record<string, string>, at: number, values: Record<string, FieldValue> = {}): StoredRow {
  return { tags, at, values: new Map(Object.entries(values)) }
}

/** A scene whose store has rows by measurement. */
async function sceneWith(stored: Readonly<Record<string, readonly StoredRow[]>> = {}): Promise<ApiScene> {
  const scene = await ApiScene.open()
  scene.reader.newest = async ({ measurement }) => [...(stored[measurement] ?? [])]
  scene.reader.rows = async ({ measurement, fields, startUs, endUs, limit }) =>
    (stored[measurement] ?? [])
      .filter(({ at, values }) => at >= startUs && at < endUs && (fields?.some((field) => values.has(field)) ?? true))
      .map((one) =>
        fields === undefined
          ? one
          : { ...one, values: new Map([...one.values].filter(([name]) => fields.includes(name))) },
      )
      .slice(0, limit)
  return scene
}

describe('GET /api/v1/gpus', () => {
  it('joins figures and texts of live GPUs and those of the store, by host and index', async () => {
    const scene = await sceneWith({
      gpu: [row(C, 1_000_000), row(A, 5)],
      gpu_info: [
        row(C, 1_000_000, { device_id: 'gpu-001', pod: 'old', namespace: 'ml' }),
        row(A, 5, { pod: 'before' }),
      ],
    })
    const { way } = scene
    way.send('gpu', B, {
      utilization_percent: 97,
      memory_used_bytes: 25,
      memory_free_bytes: 75,
      power_watts: 612.5,
      xid: 31,
    })
    way.send('gpu_info', B, { pod: 'train-1', namespace: 'ml,web', device: 'nvidia1' })
    way.send('gpu', A, { temperature_celsius: 61 })
    way.send('gpu', PART, { graphics_engine_ratio: 0.5 })
    way.clock.time += 1_500_000
    const answer = await scene.ask('/api/v1/gpus')
    expect(answer.statusCode).toBe(200)
    const { gpus, ...rest } = answer.json()
    expect(rest).toEqual({ now: way.clock.time, partial: false, count: 4, next: null })
    const unknown = {
      ...{ device_id: null, pod: null, namespace: null, container: null, mig: null },
      ...{ utilization_percent: null, memory_percent: null, memory_used_bytes: null, memory_total_bytes: null },
      ...{ temperature_celsius: null, power_watts: null, power_limit_watts: null, xid: null },
    }
    const live = {
      ...unknown,
      last_seen: '2025-11-23T00:00:00.000Z',
      age_ms: 1500,
      stale: false,
      model_name: 'H100',
      hostname: 'n1',
    }
    expect(gpus).toEqual([
      // Its texts came before this API was started.
      { ...live, uuid: 'GPU-a', gpu_id: '0', pod: 'before', temperature_celsius: 61 },
      { ...live, uuid: 'GPU-a', gpu_id: '0', mig: '3', utilization_percent: 50 },
      {
        ...{ ...live, uuid: 'GPU-b', gpu_id: '1', device_id: 'nvidia1', pod: 'train-1', namespace: 'ml,web' },
        ...{
          utilization_percent: 97,
          memory_percent: 25,
          memory_used_bytes: 25,
          memory_total_bytes: 100,
          power_watts: 612.5,
          xid: 31,
        },
      },
      {
        ...{ ...unknown, uuid: 'GPU-c', gpu_id: '0', device_id: 'gpu-001', model_name: null, hostname: 'n10' },
        ...{ pod: 'old', namespace: 'ml', last_seen: '1970-01-01T00:00:01.000Z', stale: true },
        age_ms: (way.clock.time - 1_000_000) / 1000,
      },
    ])
    expect((await scene.ask('/api/v1/namespaces')).json()).toEqual({
      count: 2,
      namespaces: [
        { namespace: 'ml', gpu_count: 2 },
        { namespace: 'web', gpu_count: 1 },
      ],
    })
    const hosts = (await scene.ask('/api/v1/hosts')).json().hosts as Array<{ host: string; gpu_count: number }>
    expect(hosts.map(({ host, gpu_count }) => [host, gpu_count])).toEqual([['n1', 3]])
    // Figures of a GPU of which nothing comes any more are no figures of now.
    way.clock.time += 60e6
    const stale = (await scene.ask('/api/v1/gpus?contains=gpu-B')).json().gpus
    expect(stale).toMatchObject([{ uuid: 'GPU-b', stale: true, utilization_percent: null, xid: null, pod: 'train-1' }])
  })

  it('gives pages, names, and only what is asked for', async () => {
    const scene = await sceneWith({ gpu_info: [row(C, 1, { device_id: 'gpu-001', namespace: 'ml' })] })
    for (const tags of [A, B]) scene.way.send('gpu', tags, { xid: 0 })
    const ask = async (query: string): Promise<unknown> => {
      const { gpus, count } = (await scene.ask(`/api/v1/gpus?${query}`)).json()
      return [gpus.map((gpu: string | { uuid: string }) => (typeof gpu === 'string' ? gpu : gpu.uuid)).join(' '), count]
    }
    expect(await ask('fields=uuid')).toEqual(['GPU-a GPU-b GPU-c', 3])
    expect(await ask('host=n1')).toEqual(['GPU-a GPU-b', 2])
    expect(await ask('namespace=ml')).toEqual(['GPU-c', 1])
    expect(await ask('contains=GPU-00')).toEqual(['GPU-c', 1])
    const first = (await scene.ask('/api/v1/gpus?limit=2')).json()
    expect(first.gpus.map(({ uuid }: { uuid: string }) => uuid)).toEqual(['GPU-a', 'GPU-b'])
    expect(await ask(`limit=2&after=${first.next}`)).toEqual(['GPU-c', 3])
    for (const bad of ['after=zzz', 'limit=0', 'fields=host', 'pages=1']) {
      expect((await scene.ask(`/api/v1/gpus?${bad}`)).json()).toMatchObject({
        status: 400,
        parameter: bad.split('=')[0],
      })
    }
  })
})

describe('GET /api/v1/gpus/{id}/metrics', () => {
  it('finds the GPU by uuid or device, or by its index and host, and says where that is not enough', async () => {
    const scene = await sceneWith({
      gpu: [
        row(C, 1),
        row({ ...C, host: 'n2' }, 2),
        row({ host: 'n3', gpu: '7' }, 3),
        row({ ...A, uuid: 'GPU-old' }, 1),
      ],
      gpu_info: [row(C, 1, { device: 'nvidia0' }), row(A, 5, { device: 'nvidia0' })],
    })
    scene.way.send('gpu', A, { xid: 0 })
    let tags: unknown
    scene.reader.history = async (query) => {
      tags = query.tags
      return []
    }
    const ask = async (path: string): Promise<unknown> => {
      tags = undefined
      const answer = await scene.ask(`/api/v1/gpus/${path}${path.includes('?') ? '&' : '/metrics?'}field=xid`)
      return answer.statusCode === 200 ? tags : answer.json().detail
    }
    expect(await ask('GPU-a')).toEqual({ uuid: 'GPU-a' })
    expect(await ask('GPU-a/metrics?mig=3')).toBe('no sample of a GPU "GPU-a", part "3" is kept')
    // A GPU that was put into another host is one GPU.
    expect(await ask('GPU-c')).toEqual({ uuid: 'GPU-c' })
    expect(await ask('GPU-c/metrics?hostname=n2')).toEqual({ uuid: 'GPU-c', host: 'n2' })
    expect(await ask('nvidia0')).toBe('2 hosts have such a GPU: add hostname=, such as "n1", "n10"')
    expect(await ask('nvidia0/metrics?hostname=n10')).toEqual({ uuid: 'GPU-c', host: 'n10' })
    // Of a host whose GPU was replaced it is the newer one.
    expect(await ask('0/metrics?hostname=n1')).toEqual({ uuid: 'GPU-a', host: 'n1' })
    expect(await ask('7/metrics?hostname=n3')).toEqual({ uuid: '', gpu: '7', host: 'n3' })
    expect(await ask('%22;DROP')).toBe('no sample of a GPU "\\";DROP" is kept')
    const history = (await scene.ask('/api/v1/gpus/GPU-a/metrics?field=xid&start=-1m&every=1s')).json()
    expect(history).toMatchObject({ gpu_id: 'GPU-a', measurement: 'gpu', everyMs: 1000, series: [] })
  })

  it('says that nobody knows while the store does not answer', async () => {
    const scene = await sceneWith()
    scene.reader.newest = () => Promise.reject(new StoreError('away', 'ECONNREFUSED'))
    scene.way.send('gpu', A, { xid: 0 })
    const ask = async (id: string): Promise<number> =>
      (await scene.ask(`/api/v1/gpus/${id}/metrics?field=xid`)).statusCode
    expect([await ask('GPU-a'), await ask('GPU-x')]).toEqual([200, 503])
    expect((await scene.ask('/api/v1/gpus')).json()).toMatchObject({ partial: true, count: 1 })
  })
})

describe('GET /api/v1/gpus/{id}/telemetry', () => {
  const at = (text: string): number => Date.parse(text) * 1000
  const T = at('2025-09-25T10:30:00Z')
  const stored = {
    gpu: [
      row(A, T + 2e6, { utilization_percent: 57, memory_used_bytes: 3 * 2 ** 20, temperature: 75.5 }),
      row(A, T + 500_000, { utilization_percent: 12, DCGM_FI_DEV_GPU_UTIL_RATIO: 0.25 }),
      row(A, T, { utilization_percent: 3 }),
    ],
    gpu_info: [
      row(A, T + 1e6, { device_id: 'gpu-001', pod: 'second', namespace: 'ml', container: 'c', labels_raw: 'a="b"' }),
      row(A, T, { device_id: 'gpu-001', pod: 'first' }),
    ],
  }
  const inShort = (answer: { data: Array<{ time: string; metric: string; value: unknown; pod: string }> }): string[] =>
    answer.data.map(({ time, metric, value, pod }) => `${time.slice(17)} ${metric} ${value} ${pod}`)

  it('gives each value with what was known of the GPU then, the newest first', async () => {
    const scene = await sceneWith(stored)
    const answer = (
      await scene.ask('/api/v1/gpus/gpu-001/telemetry?start_time=2025-09-25T00:00:00Z&end_time=2025-09-26T00:00:00Z')
    ).json()
    expect(answer).toMatchObject({ gpu_id: 'gpu-001', count: 6, next: null })
    expect(inShort(answer)).toEqual([
      '02Z memory_used_bytes 3145728 second',
      '02Z temperature 75.5 second',
      '02Z utilization_percent 57 second',
      '00.5Z DCGM_FI_DEV_GPU_UTIL_RATIO 0.25 first',
      '00.5Z utilization_percent 12 first',
      '00Z utilization_percent 3 first',
    ])
    expect(answer.data[1]).toEqual({
      ...{
        device_id: 'gpu-001',
        metric: 'temperature',
        value: 75.5,
        time: '2025-09-25T10:30:02Z',
        gpu_id: '0',
        uuid: 'GPU-a',
      },
      ...{ modelName: 'H100', Hostname: 'n1', container: 'c', pod: 'second', namespace: 'ml', labels_raw: 'a="b"' },
    })
  })

  it('gives names and units that are asked for', async () => {
    const scene = await sceneWith(stored)
    const ask = async (query: string): Promise<string[]> =>
      inShort((await scene.ask(`/api/v1/gpus/GPU-a/telemetry?${query}`)).json()).map((text) =>
        text.split(' ').slice(1, 3).join(' '),
      )
    expect(await ask('metric=utilization_percent')).toEqual([57, 12, 3].map((value) => `utilization_percent ${value}`))
    expect(await ask('metric=DCGM_FI_DEV_GPU_UTIL')).toEqual(
      [57, 12, 3].map((value) => `DCGM_FI_DEV_GPU_UTIL ${value}`),
    )
    // What nothing says the unit of was kept as it came, under this name.
    expect(await ask('metric=DCGM_FI_DEV_GPU_UTIL_RATIO')).toEqual(
      [0.57, 0.25, 0.12, 0.03].map((value) => `DCGM_FI_DEV_GPU_UTIL_RATIO ${value}`),
    )
    expect(await ask('metric=DCGM_FI_DEV_FB_USED')).toEqual(['DCGM_FI_DEV_FB_USED 3'])
    expect(await ask('metric=DCGM_FI_DEV_FB_USED_BYTES')).toEqual(['DCGM_FI_DEV_FB_USED_BYTES 3145728'])
    expect(await ask('metric=no')).toEqual([])
    expect(await ask('names=dcgm&limit=3')).toEqual([
      'DCGM_FI_DEV_FB_USED 3',
      'temperature 75.5',
      'DCGM_FI_DEV_GPU_UTIL 57',
    ])
  })

  it('gives pages that together have each value once, however long', async () => {
    const scene = await sceneWith(stored)
    const whole = inShort((await scene.ask('/api/v1/gpus/GPU-a/telemetry')).json())
    for (let limit = 1; limit <= 6; limit++) {
      const seen: string[] = []
      for (let next: string | null = ''; next !== null; ) {
        const answer: { count: number; data: never[]; next: string | null } = (
          await scene.ask(`/api/v1/gpus/GPU-a/telemetry?limit=${limit}${next && `&after=${next}`}`)
        ).json()
        expect(answer.count).toBe(answer.data.length)
        seen.push(...inShort(answer))
        next = answer.next
      }
      expect(seen).toEqual(whole)
    }
  })

  it('refuses what it cannot use, and names it', async () => {
    const scene = await sceneWith(stored)
    for (const [query, parameter] of [
      ['start=yesterday', 'start'],
      ['end_time=2025-02-30T00:00:00Z', 'end_time'],
      ['start=now&end=-1h', 'start'],
      ['start=-2h&start_time=-1h', 'start_time'],
      ['limit=0', 'limit'],
      ['limit=10001', 'limit'],
      ['names=prometheus', 'names'],
      ["after=1';DROP", 'after'],
      ['metric=', 'metric'],
      ['cursor=1', 'cursor'],
    ]) {
      const answer = (await scene.ask(`/api/v1/gpus/GPU-a/telemetry?${query}`)).json()
      expect(answer, query).toMatchObject({ status: 400, parameter })
    }
  })

  it('says 404 of a GPU that nobody knows', async () => {
    expect((await (await sceneWith(stored)).ask('/api/v1/gpus/GPU-x/telemetry')).statusCode).toBe(404)
  })
})
