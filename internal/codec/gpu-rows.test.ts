import { describe, expect, it } from 'vitest'
import { SeriesTable } from '../sample/series.ts'
import { GpuRowsDecoder } from './gpu-rows.ts'

const NOW = 1_763_900_000_000_000

function decode(message: unknown) {
  const decoder = new GpuRowsDecoder(new SeriesTable())
  const samples: unknown[] = []
  const refusal = decoder.decode(Buffer.from(JSON.stringify(message)), { receivedAt: NOW, tie: 0 }, (sample) => {
    expect(decoder.header.sampleCount).toBeGreaterThan(0)
    const { series, values, at } = sample
    const fields = series.fieldNames.flatMap((name, i) => (values[i] === undefined ? [] : [[name, values[i]]]))
    samples.push([series.measurement, Object.fromEntries(series.tags), Object.fromEntries(fields), at])
  })
  return { decoder, refusal, samples }
}

const LIST = ['1763900000', 'DCGM_FI_DEV_GPU_UTIL', '0', '', 'GPU-1', '', 'n1', '', '', '', '57', '']
const tags = { host: 'n1', uuid: 'GPU-1', gpu: '0' }
const expected = [['gpu', tags, { utilization_percent: 57 }, NOW]]

describe('GpuRowsDecoder', () => {
  it.each<[string, unknown]>([
    ['a list of lists', [LIST]],
    ['one list', LIST],
    [
      'an object',
      [{ timestamp: NOW / 1e6, metric_name: LIST[1], gpu_id: 0, uuid: 'GPU-1', Hostname: 'n1', value: 57 }],
    ],
  ])('reads %s', (_, message) => expect(decode(message)).toMatchObject({ refusal: undefined, samples: expected }))

  it('makes one sample of the readings of a GPU and time, and keeps the bad ones apart', () => {
    const bad = { metric: 'DCGM_FI_DEV_DEC_UTIL', uuid: 'GPU-1', value: 4294967295 }
    const { decoder, samples } = decode([
      { metric: 'DCGM_FI_DEV_GPU_UTIL', uuid: 'GPU-1', value: 57 },
      bad,
      'rubbish',
      { metric: 'DCGM_FI_DEV_POWER_USAGE', uuid: 'GPU-1', value: '70.5' },
      { metric: 'DCGM_FI_DEV_ENC_UTIL', uuid: 'GPU-1', value: '' },
    ])
    expect(samples).toEqual([['gpu', { uuid: 'GPU-1' }, { utilization_percent: 57, power_watts: 70.5 }, NOW]])
    expect(decoder.refusedParts.map(({ refusal, payload }) => [refusal.reason, payload.toString()])).toEqual([
      ['out_of_range', JSON.stringify([bad])],
      ['row_syntax', '["rubbish"]'],
    ])
    expect(decoder.counts).toMatchObject({ read: 5, taken: 2, missing: 1 })
    expect(decoder.header).toMatchObject({ sampleCount: 1, run: '', seq: -1 })
  })

  it('forgets the bad rows of the message before', () => {
    const { decoder } = decode(['rubbish'])
    expect(decoder.refusedParts.length).toBe(1)
    decoder.decode(Buffer.from(JSON.stringify([LIST])), { receivedAt: NOW, tie: 0 }, () => {})
    expect(decoder.refusedParts).toEqual([])
  })
})
