import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Refusal } from '../sample/border.ts'
import { SeriesTable } from '../sample/series.ts'
import { type GpuReading, GpuReadings, type GpuReadingsOptions } from './readings.ts'

const AT = 1_752_838_724_000_000

/** A sample as it is stored: measurement, tags, fields that have a value, time. */
interface Stored {
  readonly measurement: string
  readonly tags: Record<string, string>
  readonly fields: Record<string, unknown>
  readonly at: number
}

function readings(options: Partial<GpuReadingsOptions> = {}): GpuReadings {
  return new GpuReadings({ table: new SeriesTable(), ...options })
}

function flushed(of: GpuReadings, keepNewest = false): Stored[] {
  const stored: Stored[] = []
  of.flush(({ series, values, at, tie }) => {
    const fields = series.fieldNames.flatMap((name, i) => (values[i] === undefined ? [] : [[name, values[i]]]))
    stored.push({
      ...{ measurement: series.measurement, tags: Object.fromEntries(series.tags), at },
      fields: { ...Object.fromEntries(fields), ...(tie === 0 ? {} : { tie }) },
    })
  }, keepNewest)
  return stored
}

function reading(metric: string, value: string | number, labels: Record<string, string> = {}, atUs = AT): GpuReading {
  return { metric, value, labels: new Map(Object.entries({ UUID: 'GPU-1', ...labels })), atUs }
}

const fieldsOf = (of: GpuReadings): unknown[] =>
  flushed(of).flatMap(({ measurement, fields }) => (measurement === 'gpu' ? [fields] : []))

describe('GpuReadings', () => {
  it('makes one sample of the readings of a GPU and time', () => {
    const of = readings()
    of.add(reading('DCGM_FI_DEV_GPU_UTIL', 57))
    of.add(reading('DCGM_FI_DEV_POWER_USAGE', '70.5'))
    of.add(reading('DCGM_FI_DEV_GPU_UTIL', 58, { UUID: 'GPU-2' }))
    of.add(reading('DCGM_FI_DEV_GPU_UTIL', 59, {}, AT + 1))
    expect(flushed(of)).toEqual([
      { measurement: 'gpu', tags: { uuid: 'GPU-1' }, fields: { utilization_percent: 57, power_watts: 70.5 }, at: AT },
      { measurement: 'gpu', tags: { uuid: 'GPU-2' }, fields: { utilization_percent: 58 }, at: AT },
      { measurement: 'gpu', tags: { uuid: 'GPU-1' }, fields: { utilization_percent: 59 }, at: AT + 1 },
    ])
    expect(of.counts).toMatchObject({ read: 4, taken: 4 })
    expect(flushed(of)).toEqual([])
  })

  it.each<[string, Record<string, string>, Record<string, string>, Record<string, string>]>([
    [
      'an exporter up to 4.8',
      { gpu: '3', device: 'nvidia3', modelName: 'NVIDIA H200', Hostname: 'n1', DCGM_FI_DRIVER_VERSION: '535' },
      { host: 'n1', uuid: 'GPU-1', gpu: '3', model: 'NVIDIA H200' },
      { device: 'nvidia3', driver_version: '535' },
    ],
    [
      'an exporter from 4.9 on',
      { gpu: '3', device: 'nvidia3', modelName: 'NVIDIA H200', hostname: 'n1', DCGM_FI_SYSTEM_DRIVER_VERSION: '535' },
      { host: 'n1', uuid: 'GPU-1', gpu: '3', model: 'NVIDIA H200' },
      { device: 'nvidia3', driver_version: '535' },
    ],
    [
      'names of 1.x',
      { UUID: '', uuid: 'GPU-1', gpu: '3', pod_name: 'p', pod_namespace: 'n', container_name: 'c' },
      { host: 'target', uuid: 'GPU-1', gpu: '3' },
      { pod: 'p', namespace: 'n', container: 'c' },
    ],
    [
      'a part of a GPU',
      { gpu: '0', GPU_I_ID: '3', GPU_I_PROFILE: '1g.10gb' },
      { host: 'target', uuid: 'GPU-1', gpu: '0', mig: '3' },
      { mig_profile: '1g.10gb' },
    ],
    [
      'a record that was written by hand',
      { UUID: '', device_id: 'gpu-001', gpu_id: '0', model_name: 'RTX', hostname: 'w', labels_raw: 'app=ml-training' },
      { host: 'w', uuid: 'gpu-001', gpu: '0', model: 'RTX' },
      { device_id: 'gpu-001', labels_raw: 'app="ml-training"' },
    ],
    [
      'what stands in labels_raw alone',
      {
        UUID: '',
        labels_raw: '__name__="X",UUID="GPU-9",gpu="4",pci_bus_id="0:1",DCGM_FI_DRIVER_VERSION="535",job="x"',
      },
      { host: 'target', uuid: 'GPU-9', gpu: '4' },
      {
        ...{ pci_bus_id: '0:1', driver_version: '535' },
        labels_raw: 'DCGM_FI_DRIVER_VERSION="535",UUID="GPU-9",gpu="4",job="x",pci_bus_id="0:1"',
      },
    ],
    [
      'an error text that goes with a value',
      { gpu: '0', err_code: '31', err_msg: 'MMU Fault', hpc_job: 'j7' },
      { host: 'target', uuid: 'GPU-1', gpu: '0' },
      { hpc_job: 'j7' },
    ],
  ])('knows the GPU, and what tells of it, by the labels of %s', (_, labels, tags, info) => {
    const of = readings({ host: 'target' })
    of.add(reading('DCGM_FI_DEV_GPU_TEMP', 40, labels))
    expect(flushed(of)).toEqual([
      { measurement: 'gpu', tags, fields: { temperature_celsius: 40 }, at: AT },
      { measurement: 'gpu_info', tags, fields: info, at: AT },
    ])
  })

  it('makes tags of the labels that it is told', () => {
    const of = readings({ tagLabels: ['cluster', 'rack'] })
    of.add(reading('DCGM_FI_DEV_GPU_TEMP', 40, { cluster: 'east', labels_raw: 'rack="7"' }))
    expect(flushed(of)[0]!.tags).toEqual({ uuid: 'GPU-1', cluster: 'east', rack: '7' })
  })

  it('sends what tells of a GPU when it changes, and every 10 minutes', () => {
    const of = readings()
    const podAt = (pod: string, minute: number): unknown[] => {
      of.add(reading('DCGM_FI_DEV_GPU_TEMP', 40, { pod }, AT + minute * 60e6))
      return flushed(of).flatMap(({ measurement, fields }) => (measurement === 'gpu_info' ? [fields] : []))
    }
    expect(podAt('a', 0)).toEqual([{ pod: 'a' }])
    expect(podAt('a', 1)).toEqual([])
    expect(podAt('b', 2)).toEqual([{ pod: 'b' }])
    expect(podAt('b', 11)).toEqual([])
    expect(podAt('b', 12)).toEqual([{ pod: 'b' }])
  })

  it('names all pods that share a GPU, and takes their value once', () => {
    const of = readings()
    for (const at of times(3)) {
      for (const pod of ['b', 'a']) of.add(reading('DCGM_FI_DEV_GPU_TEMP', 40, { pod }, at))
    }
    expect(flushed(of).map(({ fields }) => fields)).toEqual([
      { temperature_celsius: 40 },
      { pod: 'a,b' },
      { temperature_celsius: 40 },
      { temperature_celsius: 40 },
    ])
    expect(of.counts).toMatchObject({ read: 6, taken: 6, repeated: 3 })
  })

  it('has a field for each part that a metric tells of', () => {
    const of = readings()
    of.add(reading('DCGM_EXP_XID_ERRORS_COUNT', 2, { xid: '31', window_size_in_ms: '300000' }))
    of.add(reading('DCGM_EXP_XID_ERRORS_COUNT', 1, { xid: '79', window_size_in_ms: '300000' }))
    of.add(reading('DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL', 5, { nvlink: '0' }))
    expect(fieldsOf(of)).toEqual([
      {
        DCGM_EXP_XID_ERRORS_COUNT_xid_31: 2,
        DCGM_EXP_XID_ERRORS_COUNT_xid_79: 1,
        nvlink_bytes_per_second_nvlink_0: 5e6,
      },
    ])
  })

  it.each<[string, GpuReading, Refusal['reason']]>([
    ['text', reading('DCGM_FI_DEV_XID_ERRORS', 'ERROR - FAILED TO CONVERT TO STRING'), 'not_a_number'],
    ['a percentage of 4294967295', reading('DCGM_FI_DEV_GPU_UTIL', 4294967295), 'out_of_range'],
    ['a percentage of 1,000', reading('DCGM_FI_DEV_GPU_UTIL', '1000'), 'out_of_range'],
    ['an infinite value of a metric that is not known', reading('DCGM_FI_X', '+Inf'), 'out_of_range'],
    ['a negative power', reading('DCGM_FI_DEV_POWER_USAGE', -1), 'out_of_range'],
    ['no GPU', reading('DCGM_FI_DEV_GPU_UTIL', 5, { UUID: '', cpu: '0' }), 'no_gpu'],
    ['a long name', reading('x'.repeat(300), 5), 'bad_name'],
    ['a long uuid', reading('DCGM_FI_DEV_GPU_UTIL', 5, { UUID: 'x'.repeat(2000) }), 'bad_name'],
  ])('refuses %s', (_, refused, reason) => {
    const told: Refusal[] = []
    const of = readings({ onRefused: (refusal) => told.push(refusal) })
    expect(of.add(refused)).toMatchObject({ reason })
    expect(told).toMatchObject([{ reason }])
    expect(of.counts).toMatchObject({ read: 1, taken: 0, refusedBy: new Map([[reason, 1]]) })
    expect(flushed(of)).toEqual([])
  })

  it('counts a value that is none as missing, and stores nothing of it', () => {
    const of = readings()
    expect(of.add(reading('DCGM_FI_DEV_GPU_UTIL', '9223372036854775794'))).toBe('missing')
    expect(of.counts).toMatchObject({ read: 1, taken: 0, missing: 1 })
    expect(flushed(of)).toEqual([])
  })

  it('keeps the first of two values of a metric at one time, and refuses the other', () => {
    const of = readings()
    of.add(reading('DCGM_FI_DEV_GPU_UTIL', 5))
    expect(of.add(reading('DCGM_FI_DEV_GPU_UTIL', 6))).toMatchObject({ reason: 'value_conflict' })
    expect(of.add({ ...reading('DCGM_FI_DEV_GPU_UTIL', 6), tie: 1 })).toBe('taken')
    expect(fieldsOf(of)).toEqual([{ utilization_percent: 5 }, { utilization_percent: 6, tie: 1 }])
  })

  it('keeps what has no known unit as it came, and says so once', () => {
    const told: string[] = []
    const of = readings({ onUnknownUnit: (metric) => told.push(metric) })
    for (const at of times(2)) of.add(reading('DCGM_FI_DEV_GPU_UTIL_RATIO', 0.57, {}, at))
    expect(fieldsOf(of)).toEqual([{ DCGM_FI_DEV_GPU_UTIL_RATIO: 0.57 }, { DCGM_FI_DEV_GPU_UTIL_RATIO: 0.57 }])
    expect(told).toEqual(['DCGM_FI_DEV_GPU_UTIL_RATIO'])
    expect(of.counts.unknownUnits).toBe(2)
  })

  it('takes so many names of metrics that it does not know, and no more', () => {
    const of = readings()
    const answers = Array.from({ length: 300 }, (_, i) => of.add(reading(`metric_${i}`, i)))
    expect(answers.filter((answer) => answer === 'taken').length).toBe(256)
    expect(answers.at(-1)).toMatchObject({ reason: 'too_many_fields' })
    expect(of.add(reading('DCGM_FI_DEV_GPU_UTIL', 5))).toBe('taken')
  })

  it('refuses a field that another publisher of the series has as another kind', () => {
    const table = new SeriesTable()
    const series = table.intern('gpu', [['uuid', 'GPU-1']], 0)
    if (!('field' in series)) throw new Error('no series')
    series.field('xid', 'int')
    expect(readings({ table }).add(reading('DCGM_FI_DEV_XID_ERRORS', 31))).toMatchObject({ reason: 'field_type' })
  })

  it('keeps the samples of the newest time, of which more may follow', () => {
    const of = readings()
    for (const at of times(3)) of.add(reading('DCGM_FI_DEV_GPU_UTIL', 5, {}, at))
    expect(flushed(of, true).map(({ at }) => at)).toEqual([AT, AT + 1e6])
    of.add(reading('DCGM_FI_DEV_GPU_TEMP', 40, {}, AT + 2e6))
    expect(flushed(of)).toMatchObject([{ at: AT + 2e6, fields: { utilization_percent: 5, temperature_celsius: 40 } }])
  })

  it('goes on with a series that the table had given up, whose fields come in another order', () => {
    let nowUs = 0
    const table = new SeriesTable({ keepAllUpTo: 0, idleUs: 1, briefUs: 1 })
    const of = readings({ table, nowUs: () => nowUs })
    of.add(reading('DCGM_FI_DEV_GPU_UTIL', 5))
    const labels = new Map([['UUID', 'GPU-1']])
    const power = of.find('DCGM_FI_DEV_POWER_USAGE', labels)
    if ('reason' in power) throw new Error(power.detail)
    flushed(of)
    nowUs = 1e9
    for (let i = 0; i < 20; i++) table.intern('other', [['i', String(i)]], nowUs)
    of.put(power, 70, AT + 1)
    of.add(reading('DCGM_FI_DEV_GPU_UTIL', 6, {}, AT + 1))
    expect(power.series.evicted).toBe(false)
    expect(fieldsOf(of)).toEqual([{ power_watts: 70, utilization_percent: 6 }])
  })

  it('accounts for each reading, whatever comes', () => {
    const any = fc.record({
      metric: fc.constantFrom('DCGM_FI_DEV_GPU_UTIL', 'DCGM_FI_DEV_GPU_UTIL_RATIO', 'own', ''),
      value: fc.oneof(fc.double(), fc.string(), fc.constantFrom('N/A', '5', '2147483633', '1e400', 'Inf')),
      help: fc.option(fc.string(), { nil: undefined }),
      labels: fc.dictionary(fc.constantFrom('UUID', 'gpu', 'pod', 'labels_raw', 'nvlink', 'time'), fc.string()),
      atUs: fc.integer({ min: 0, max: 3 }),
    })
    fc.assert(
      fc.property(fc.array(any), (all) => {
        const of = readings()
        for (const one of all) of.add({ ...one, labels: new Map(Object.entries(one.labels)) })
        const { read, taken, repeated, missing, refusedBy } = of.counts
        const refused = [...refusedBy.values()].reduce((sum, count) => sum + count, 0)
        expect({ read, all: taken + missing + refused }).toEqual({ read: all.length, all: all.length })
        const stored = fieldsOf(of).flatMap((fields) => Object.values(fields as object))
        expect(stored.length).toBe(taken - repeated)
        expect(stored.every((value) => Number.isFinite(value))).toBe(true)
      }),
    )
  })
})

function times(count: number): number[] {
  return Array.from({ length: count }, (_, i) => AT + i * 1e6)
}
