import { describe, expect, it } from 'vitest'
import { GPU_METRICS, isGpuMetric, readerOf } from './metrics.ts'

/** Metric, help text, value there, field, value of the field. */
const CASES: ReadonlyArray<[metric: string, help: string, value: number, field: string, stored: number]> = [
  ['DCGM_FI_DEV_GPU_UTIL', 'GPU utilization (in %).', 57, 'utilization_percent', 57],
  ['DCGM_FI_DEV_GPU_UTIL_RATIO', 'GPU utilization as a ratio.', 0.57, 'utilization_percent', 57],
  ['DCGM_FI_DEV_GPU_UTIL_RATIO', 'GPU utilization (0.0-1.0).', 0.29, 'utilization_percent', 29],
  ['DCGM_FI_DEV_GPU_UTIL_RATIO', 'GPU utilization (in %).', 57, 'utilization_percent', 57],
  ['dcgm_gpu_utilization', '', 57, 'utilization_percent', 57],
  ['utilization.gpu', '', 57, 'utilization_percent', 57],
  ['utilization_percent', '', 57, 'utilization_percent', 57],
  ['DCGM_FI_DEV_FB_USED', 'Framebuffer memory used (in MiB).', 3, 'memory_used_bytes', 3_145_728],
  ['DCGM_FI_DEV_FB_USED', 'Framebuffer memory used (in MB).', 3, 'memory_used_bytes', 3_145_728],
  ['DCGM_FI_DEV_FB_USED_BYTES', 'Framebuffer memory used in bytes.', 3_145_728, 'memory_used_bytes', 3_145_728],
  ['DCGM_FI_DEV_SM_CLOCK', 'SM clock frequency (in MHz).', 1980, 'sm_clock_hertz', 1.98e9],
  ['DCGM_FI_DEV_SM_CLOCK_HERTZ', 'SM clock frequency in hertz.', 1.98e9, 'sm_clock_hertz', 1.98e9],
  [
    'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION',
    'Total energy consumption since boot (in mJ).',
    1234,
    'energy_joules',
    1.234,
  ],
  ['DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL', 'Total energy consumption (in J).', 1.234, 'energy_joules', 1.234],
  [
    'dcgm_fi_prof_pipe_tensor_active',
    'Ratio of cycles the tensor (HMMA) pipe is active (in %).',
    0.2,
    'tensor_ratio',
    0.2,
  ],
  ['DCGM_FI_PROF_TENSOR_UTIL_RATIO', '', 0.2, 'tensor_ratio', 0.2],
  ['DCGM_FI_PROF_PCIE_TX_BYTES', 'The number of bytes of active pcie tx data.', 9, 'pcie_tx_bytes_per_second', 9],
  [
    'DCGM_FI_DEV_PCIE_TX_THROUGHPUT',
    'Total number of bytes transmitted through PCIe TX (in KB) via NVML.',
    9,
    'pcie_sampled_tx_bytes_per_second',
    9000,
  ],
  [
    'DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL',
    'Total number of NVLink bandwidth counters for all lanes.',
    9,
    'nvlink_bytes_per_second',
    9e6,
  ],
  [
    'DCGM_FI_DEV_NVLINK_THROUGHPUT_TOTAL',
    'NVLink throughput in bytes per second.',
    9e6,
    'nvlink_bytes_per_second',
    9e6,
  ],
  ['DCGM_FI_DEV_NVLINK_THROUGHPUT_TOTAL', 'Aggregate NVLink throughput, MB/s.', 9, 'nvlink_bytes_per_second', 9e6],
  [
    'DCGM_FI_DEV_POWER_VIOLATION',
    'Throttling duration due to power constraints (in ns).',
    2e9,
    'power_throttle_seconds',
    2,
  ],
  ['DCGM_FI_DEV_FAN_SPEED_RATIO', '', 1.05, 'fan_percent', 105],
  ['DCGM_FI_DEV_XID_ERRORS', 'Value of the last XID error encountered.', 31, 'xid', 31],
]

describe('readerOf', () => {
  it.each(CASES)('%s (%s) of %d is %s %d', (metric, help, value, field, stored) => {
    const reader = readerOf(metric, help)
    expect(reader).toMatchObject({ field, isRaw: false })
    expect(reader.convert(value)).toBe(stored)
  })

  it.each([
    ['a name that had two meanings, without a help text', 'DCGM_FI_DEV_GPU_UTIL_RATIO', ''],
    ['a help text that says both', 'DCGM_FI_DEV_GPU_UTIL_RATIO', 'GPU utilization ratio (in %).'],
    ['a help text that says another unit than the name', 'DCGM_FI_DEV_SM_CLOCK', 'SM clock frequency (in Hz).'],
    ['a help text of an older list', 'DCGM_FI_DEV_POWER_VIOLATION', 'Throttling duration (in us).'],
  ])('keeps a value as it came where nothing says its unit: %s', (_, metric, help) => {
    const reader = readerOf(metric, help)
    expect(reader).toMatchObject({ field: metric, isRaw: true })
    expect(reader.convert(0.57)).toBe(0.57)
  })

  it('keeps the name of a metric that it does not know', () => {
    expect(readerOf('DCGM_FI_DEV_NEW_THING', 'Something (in %).')).toMatchObject({
      field: 'DCGM_FI_DEV_NEW_THING',
      isRaw: false,
    })
  })

  it('says hundredths of a ratio as the percentage that the other generation has', () => {
    const { convert } = readerOf('DCGM_FI_DEV_ENC_UTIL_RATIO')
    const ratios = Array.from({ length: 101 }, (_, percent) => Number((percent / 100).toFixed(6)))
    expect(ratios.map(convert)).toEqual(Array.from({ length: 101 }, (_, percent) => percent))
  })
})

describe('GPU_METRICS', () => {
  it('has each field and each name of a generation once', () => {
    const fields = GPU_METRICS.map(({ field }) => field)
    const names = GPU_METRICS.flatMap(({ to48, from49, of1x, smi }) => [
      ...new Set([...to48, ...from49, ...of1x, ...smi].map(({ name }) => name)),
    ])
    expect(new Set(fields).size).toBe(fields.length)
    expect(new Set(names).size).toBe(names.length)
  })

  it('gives each name a unit of its field', () => {
    for (const { field, to48, from49, of1x, smi } of GPU_METRICS) {
      for (const { name, decides } of [...to48, ...from49, ...of1x, ...smi]) {
        if (decides !== 'help') expect([name, readerOf(name).field]).toEqual([name, field])
      }
    }
  })
})

describe('isGpuMetric', () => {
  it.each([
    ['DCGM_FI_DEV_GPU_UTIL', true],
    ['DCGM_EXP_XID_ERRORS_COUNT', true],
    ['dcgm_gpu_utilization', true],
    ['dcgm_exporter_build_info', false],
    ['node_cpu_seconds_total', false],
    ['PortXmitDataExtended', false],
  ])('%s: %s', (name, expected) => expect(isGpuMetric(name)).toBe(expected))
})
