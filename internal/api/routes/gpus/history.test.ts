import { describe, expect, it } from 'vitest'
import { ApiScene } from '../../../../test/support/api-scene.ts'
import type { HistorySeries } from '../../../store/store.ts'

describe('GET /api/v1/gpus/{id}/metrics', () => {
  it('gives metrics by any name, in its unit, from whichever field has them', async () => {
    const scene = await ApiScene.open()
    scene.way.send('gpu', { host: 'n1', uuid: 'GPU-a' }, { xid: 0 })
    const tags = { host: 'n1', uuid: 'GPU-a' }
    const stored: HistorySeries[] = [
      {
        field: 'utilization_percent',
        tags,
        points: [
          [0, 57],
          [10e6, 3],
        ],
      },
      {
        field: 'DCGM_FI_DEV_GPU_UTIL_RATIO',
        tags,
        points: [
          [5e6, 0.25],
          [10e6, 0.99],
        ],
      },
      { field: 'DCGM_FI_DEV_GPU_UTIL_RATIO', tags: { ...tags, mig: '1' }, points: [[0, 1]] },
      {
        field: 'memory_used_bytes',
        tags,
        points: [
          [0, 3 * 2 ** 20],
          [5e6, '9223372036854775807'],
        ],
      },
    ]
    scene.reader.history = async ({ fields }) => fields.flatMap((name) => stored.filter(({ field }) => field === name))
    const ask = async (query: string): Promise<string[]> => {
      const answer = (
        await scene.ask(`/api/v1/gpus/GPU-a/metrics?start=0&end=1970-01-01T00:00:20Z&every=5s&${query}`)
      ).json()
      const all = answer.series as HistorySeries[] | undefined
      if (all === undefined) return [answer.parameter]
      return all.map(
        ({ field, tags: { mig = '' }, points }) =>
          `${field} ${mig}: ${points.map((point) => point.join('=')).join(' ')}`,
      )
    }
    expect(await ask('metric=DCGM_FI_DEV_FB_USED,memory_used_bytes,DCGM_FI_DEV_FB_USED_BYTES')).toEqual([
      'DCGM_FI_DEV_FB_USED : 0=3 5000000=8796093022208',
      'memory_used_bytes : 0=3145728 5000000=9223372036854775807',
      'DCGM_FI_DEV_FB_USED_BYTES : 0=3145728 5000000=9223372036854775807',
    ])
    expect(await ask('metric=DCGM_FI_DEV_GPU_UTIL_RATIO,dcgm_gpu_utilization')).toEqual([
      'DCGM_FI_DEV_GPU_UTIL_RATIO 1: 0=1',
      'DCGM_FI_DEV_GPU_UTIL_RATIO : 0=0.57 5000000=0.25 10000000=0.03',
      'dcgm_gpu_utilization : 0=57 10000000=3',
    ])
    expect(await ask('metric=no')).toEqual([])
    expect(await ask('field=memory_used_bytes&names=dcgm')).toEqual(['DCGM_FI_DEV_FB_USED : 0=3 5000000=8796093022208'])
    expect(await ask('field=DCGM_FI_DEV_GPU_UTIL_RATIO')).toEqual([
      'DCGM_FI_DEV_GPU_UTIL_RATIO : 5000000=0.25 10000000=0.99',
      'DCGM_FI_DEV_GPU_UTIL_RATIO 1: 0=1',
    ])
    for (const bad of [
      'metric=xid&field=xid',
      'metric=xid,,',
      `metric=${Array(17)
        .fill(0)
        .map((_, i) => i)}`,
      'metric=a&measurement=gpu_info',
    ])
      expect(await ask(bad)).toEqual(['metric'])
    expect(await ask('aggregate=p99')).toEqual(['field'])
  })
})
