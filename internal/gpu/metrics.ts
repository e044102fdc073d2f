import { backTo, type CanonicalUnit, conversion, type SourceUnit, unitsSaid } from './units.ts'

/**
 * What says the unit of a metric:
 * - `name`: the name alone; what the help text says of it is known to be wrong, or nothing;
 * - `name and help`: the name, unless the help text names another unit: then nothing says it;
 * - `help`: the name had several units, so the help text has to name one.
 */
type Decides = 'name' | 'name and help' | 'help'

export interface MetricName {
  readonly name: string
  readonly unit: SourceUnit
  readonly decides: Decides
}

/** A field of the measurement `gpu`, and how each generation of sources names it. */
export interface GpuMetric {
  readonly field: string
  readonly unit: CanonicalUnit
  /** A value below or above cannot be. */
  readonly range: readonly [least: number, most: number]
  /** dcgm-exporter up to 4.8, from 4.9 on, and its names of 1.x. */
  readonly to48: readonly MetricName[]
  readonly from49: readonly MetricName[]
  readonly of1x: readonly MetricName[]
  /** `nvidia-smi --query-gpu`. */
  readonly smi: readonly MetricName[]
}

/**
 * Where a metric is no figure that can only be from 0 to 100, the range is generous: it is to find what is absurd, such as
 * 4294967295, and not what is unusual.
 */
const RANGES: Readonly<Record<CanonicalUnit, readonly [number, number]>> = {
  percent: [0, 100],
  ratio: [0, 1.5],
  hertz: [0, 2e10],
  celsius: [-100, 300],
  watts: [0, 1e5],
  joules: [0, 1e14],
  bytes: [0, 2 ** 50],
  bytes_per_second: [0, 1e15],
  seconds: [0, 1e10],
  count: [0, Number.MAX_SAFE_INTEGER],
}

/** Its own maximum may be passed for a moment. */
const FAN_RANGE = [0, 300] as const

/**
 * Every field that is known. Names without a prefix begin with `DCGM_FI_DEV_` or, of profiling, `DCGM_FI_PROF_`.
 * Behind the name stands the unit, and then who decides where that is not `name and help`.
 */
export const GPU_METRICS: readonly GpuMetric[] = [
  // DCGM 4.6 has the name of a ratio for the figure from 0 to 100.
  dev(
    'utilization_percent',
    'percent',
    'GPU_UTIL %',
    'GPU_UTIL_RATIO 0–1 help',
    'gpu_utilization %',
    'utilization.gpu %',
  ),
  dev(
    'memory_copy_percent',
    'percent',
    'MEM_COPY_UTIL %',
    'MEMORY_UTIL_RATIO 0–1, MEM_COPY_UTIL_RATIO 0–1 help',
    'mem_copy_utilization %',
    'utilization.memory %',
  ),
  dev('encoder_percent', 'percent', 'ENC_UTIL %', 'ENC_UTIL_RATIO 0–1', 'enc_utilization %', 'utilization.encoder %'),
  dev('decoder_percent', 'percent', 'DEC_UTIL %', 'DEC_UTIL_RATIO 0–1', 'dec_utilization %', 'utilization.decoder %'),
  dev('memory_used_bytes', 'bytes', 'FB_USED MiB', 'FB_USED_BYTES B', 'fb_used MiB', 'memory.used MiB'),
  dev('memory_free_bytes', 'bytes', 'FB_FREE MiB', 'FB_FREE_BYTES B', 'fb_free MiB', 'memory.free MiB'),
  dev(
    'memory_reserved_bytes',
    'bytes',
    'FB_RESERVED MiB',
    'FB_RESERVED_BYTES B',
    'fb_reserved MiB',
    'memory.reserved MiB',
  ),
  dev('memory_total_bytes', 'bytes', 'FB_TOTAL MiB', 'FB_CAPACITY_BYTES B', 'fb_total MiB', 'memory.total MiB'),
  dev('bar1_used_bytes', 'bytes', 'BAR1_USED MiB', 'BAR1_USED_BYTES B'),
  dev('bar1_free_bytes', 'bytes', 'BAR1_FREE MiB', 'BAR1_FREE_BYTES B'),
  dev('bar1_total_bytes', 'bytes', 'BAR1_TOTAL MiB', 'BAR1_CAPACITY_BYTES B'),
  dev('temperature_celsius', 'celsius', 'GPU_TEMP °C', 'GPU_TEMP_CELSIUS °C', 'gpu_temp °C', 'temperature.gpu °C'),
  dev(
    'memory_temperature_celsius',
    'celsius',
    'MEMORY_TEMP °C',
    'MEMORY_TEMP_CELSIUS °C',
    'memory_temp °C',
    'temperature.memory °C',
  ),
  dev('power_watts', 'watts', 'POWER_USAGE W', 'BOARD_POWER_WATTS W', 'power_usage W', 'power.draw W'),
  dev('power_limit_watts', 'watts', 'POWER_MGMT_LIMIT W', '', '', 'power.limit W'),
  dev(
    'energy_joules',
    'joules',
    'TOTAL_ENERGY_CONSUMPTION mJ',
    'GPU_ENERGY_JOULES_TOTAL J',
    'total_energy_consumption mJ',
  ),
  dev('sm_clock_hertz', 'hertz', 'SM_CLOCK MHz', 'SM_CLOCK_HERTZ Hz', 'sm_clock MHz', 'clocks.sm MHz'),
  dev('memory_clock_hertz', 'hertz', 'MEM_CLOCK MHz', 'MEMORY_CLOCK_HERTZ Hz', 'memory_clock MHz', 'clocks.mem MHz'),
  dev('video_clock_hertz', 'hertz', 'VIDEO_CLOCK MHz', 'VIDEO_CLOCK_HERTZ Hz', '', 'clocks.video MHz'),
  dev('sm_app_clock_hertz', 'hertz', 'APP_SM_CLOCK MHz', 'SM_APP_CLOCK_HERTZ Hz'),
  dev('memory_app_clock_hertz', 'hertz', 'APP_MEM_CLOCK MHz', 'MEMORY_APP_CLOCK_HERTZ Hz'),
  dev('sm_max_clock_hertz', 'hertz', 'MAX_SM_CLOCK MHz', 'SM_MAX_CLOCK_HERTZ Hz', '', 'clocks.max.sm MHz'),
  dev('memory_max_clock_hertz', 'hertz', 'MAX_MEM_CLOCK MHz', 'MEMORY_MAX_CLOCK_HERTZ Hz', '', 'clocks.max.mem MHz'),
  dev('video_max_clock_hertz', 'hertz', 'MAX_VIDEO_CLOCK MHz', 'VIDEO_MAX_CLOCK_HERTZ Hz'),
  { ...dev('fan_percent', 'percent', 'FAN_SPEED %', 'FAN_SPEED_RATIO 0–1', '', 'fan.speed %'), range: FAN_RANGE },
  // The help of 1.x says "(in %)" of all of these. They were never that.
  prof('graphics_engine_ratio', 'GR_ENGINE_ACTIVE', 'GR_ENGINE_UTIL_RATIO'),
  prof('sm_ratio', 'SM_ACTIVE', 'SM_UTIL_RATIO'),
  prof('sm_occupancy_ratio', 'SM_OCCUPANCY', 'SM_OCCUPANCY_RATIO'),
  prof('tensor_ratio', 'PIPE_TENSOR_ACTIVE', 'TENSOR_UTIL_RATIO'),
  prof('dram_ratio', 'DRAM_ACTIVE', 'DRAM_UTIL_RATIO'),
  prof('fp64_ratio', 'PIPE_FP64_ACTIVE', 'FP64_UTIL_RATIO'),
  prof('fp32_ratio', 'PIPE_FP32_ACTIVE', 'FP32_UTIL_RATIO'),
  prof('fp16_ratio', 'PIPE_FP16_ACTIVE', 'FP16_UTIL_RATIO'),
  // A rate, though the oldest lists call it a counter, and a total.
  rate('pcie_tx_bytes_per_second', 'PCIE_TX_BYTES'),
  rate('pcie_rx_bytes_per_second', 'PCIE_RX_BYTES'),
  rate('nvlink_tx_bytes_per_second', 'NVLINK_TX_BYTES'),
  rate('nvlink_rx_bytes_per_second', 'NVLINK_RX_BYTES'),
  // What NVML samples of the same bus, beside what is counted.
  dev('pcie_sampled_tx_bytes_per_second', 'bytes_per_second', 'PCIE_TX_THROUGHPUT KB/s', '', 'pcie_tx_throughput KB/s'),
  dev('pcie_sampled_rx_bytes_per_second', 'bytes_per_second', 'PCIE_RX_THROUGHPUT KB/s', '', 'pcie_rx_throughput KB/s'),
  // The newer name was one of the older figure too, in MB/s.
  dev(
    'nvlink_bytes_per_second',
    'bytes_per_second',
    'NVLINK_BANDWIDTH_TOTAL MB/s',
    'NVLINK_THROUGHPUT_TOTAL B/s help, NVLINK_THROUGHPUT_BYTES_PER_SECOND B/s',
    'nvlink_bandwidth_total MB/s',
  ),
  // Older help says microseconds of the first two, and newer nanoseconds.
  dev(
    'power_throttle_seconds',
    'seconds',
    'POWER_VIOLATION ns',
    'GPU_POWER_THROTTLE_SECONDS_TOTAL s',
    'power_violation ns',
  ),
  dev(
    'thermal_throttle_seconds',
    'seconds',
    'THERMAL_VIOLATION ns',
    'GPU_THERMAL_THROTTLE_SECONDS_TOTAL s',
    'thermal_violation ns',
  ),
  // The last one, which stays; 0: none yet.
  dev('xid', 'count', 'XID_ERRORS 1', 'XID_ERROR 1', 'xid_errors 1'),
  dev('pcie_replays', 'count', 'PCIE_REPLAY_COUNTER 1', 'PCIE_REPLAY_TOTAL 1', 'pcie_replay_counter 1'),
  dev(
    'row_remap_uncorrectable',
    'count',
    'UNCORRECTABLE_REMAPPED_ROWS 1',
    'ROW_REMAP_UNCORRECTABLE_TOTAL 1',
    'uncorrectable_remapped_rows 1',
  ),
  dev(
    'row_remap_correctable',
    'count',
    'CORRECTABLE_REMAPPED_ROWS 1',
    'ROW_REMAP_CORRECTABLE_TOTAL 1',
    'correctable_remapped_rows 1',
  ),
  dev('row_remap_failed', 'count', 'ROW_REMAP_FAILURE 1', 'ROW_REMAP_FAILED 1', 'row_remap_failure 1'),
  dev('page_retired_sbe', 'count', 'RETIRED_SBE 1', 'PAGE_RETIRED_SBE_TOTAL 1', 'retired_pages_sbe 1'),
  dev('page_retired_dbe', 'count', 'RETIRED_DBE 1', 'PAGE_RETIRED_DBE_TOTAL 1', 'retired_pages_dbe 1'),
  dev('page_retired_pending', 'count', 'RETIRED_PENDING 1', 'PAGE_RETIRED_PENDING 1', 'retired_pages_pending 1'),
  dev(
    'ecc_sbe_volatile',
    'count',
    'ECC_SBE_VOL_TOTAL 1',
    '',
    'ecc_sbe_volatile_total 1',
    'ecc.errors.corrected.volatile.total 1',
  ),
  dev(
    'ecc_dbe_volatile',
    'count',
    'ECC_DBE_VOL_TOTAL 1',
    '',
    'ecc_dbe_volatile_total 1',
    'ecc.errors.uncorrected.volatile.total 1',
  ),
  dev(
    'ecc_sbe_aggregate',
    'count',
    'ECC_SBE_AGG_TOTAL 1',
    '',
    'ecc_sbe_aggregate_total 1',
    'ecc.errors.corrected.aggregate.total 1',
  ),
  dev(
    'ecc_dbe_aggregate',
    'count',
    'ECC_DBE_AGG_TOTAL 1',
    '',
    'ecc_dbe_aggregate_total 1',
    'ecc.errors.uncorrected.aggregate.total 1',
  ),
  dev('performance_state', 'count', 'PSTATE 1', 'GPU_PSTATE 1', '', 'pstate 1'),
  dev('vgpu_license_status', 'count', 'VGPU_LICENSE_STATUS 1', ''),
]

function dev(field: string, unit: CanonicalUnit, to48: string, from49: string, of1x = '', smi = ''): GpuMetric {
  return {
    ...{ field, unit, range: RANGES[unit] },
    to48: names('DCGM_FI_DEV_', to48),
    from49: names('DCGM_FI_DEV_', from49),
    of1x: names('dcgm_', of1x),
    smi: names('', smi),
  }
}

function prof(field: string, to48: string, from49: string): GpuMetric {
  return {
    ...{ field, unit: 'ratio', range: RANGES.ratio, smi: [] },
    to48: names('DCGM_FI_PROF_', `${to48} 0–1 name`),
    from49: names('DCGM_FI_PROF_', `${from49} 0–1 name`),
    of1x: names('dcgm_fi_prof_', `${to48.toLowerCase()} 0–1 name`),
  }
}

/** Named alike in both generations. */
function rate(field: string, name: string): GpuMetric {
  const both = names('DCGM_FI_PROF_', `${name} B/s name`)
  return {
    ...{ field, unit: 'bytes_per_second', range: RANGES.bytes_per_second, to48: both, from49: both, smi: [] },
    of1x: names('dcgm_fi_prof_', `${name.toLowerCase()} B/s name`),
  }
}

function names(prefix: string, written: string): MetricName[] {
  return written
    .split(', ')
    .filter((each) => each !== '')
    .map((each) => {
      const [name, unit, decides = 'name and help'] = each.split(' ')
      return { name: `${prefix}${name}`, unit: unit as SourceUnit, decides: decides as Decides }
    })
}

/** How the readings of a metric become values of a field. */
export interface Reader {
  readonly field: string
  readonly convert: (value: number) => number
  readonly range: readonly [least: number, most: number]
  /** Whether neither name nor help say the unit: the value is kept as it came, under the metric's own name. */
  readonly isRaw: boolean
}

const ANY = [-Infinity, Infinity] as const
const unchanged = (value: number): number => value

const BY_NAME = new Map(
  GPU_METRICS.flatMap((metric) =>
    [...metric.to48, ...metric.from49, ...metric.of1x, ...metric.smi].map((name) => [name.name, { metric, name }]),
  ),
)
/** Fields come under their own name too, in their own unit. */
const BY_FIELD = new Map(GPU_METRICS.map((metric) => [metric.field, metric]))

/** What a metric is read as. A metric that is not known keeps its name and its value. */
export function readerOf(name: string, help = ''): Reader {
  const known = BY_NAME.get(name)
  const own = BY_FIELD.get(name)
  if (own !== undefined) return { field: name, convert: unchanged, range: own.range, isRaw: false }
  if (known === undefined) return { field: name, convert: unchanged, range: ANY, isRaw: false }
  const { field, unit, range } = known.metric
  const from = unitOf(known.name, help, unit)
  const convert = from === undefined ? undefined : conversion(from, unit)
  if (convert === undefined) return { field: name, convert: unchanged, range: ANY, isRaw: true }
  return { field, convert, range, isRaw: false }
}

function unitOf({ unit, decides }: MetricName, help: string, quantity: CanonicalUnit): SourceUnit | undefined {
  if (decides === 'name') return unit
  const said = unitsSaid(help, quantity)
  if (said.length > 1) return undefined
  if (decides === 'help') return said[0]
  return said.length === 0 || said[0] === unit ? unit : undefined
}

/** Whether dcgm-exporter names a figure of a GPU so, in any of its generations. It has some of its own, too. */
export function isGpuMetric(name: string): boolean {
  return /^(DCGM_(FI|EXP)_|dcgm_(?!exporter_))/.test(name)
}

/** A part of a GPU, at the end of a field's name. */
const PART = /^(.+?)((?:_(?:nvlink|xid|clock_event|health_watch)_.+)?)$/

/** What a client asks for by the name of a metric. */
export interface AskedMetric {
  /** Where its values may be, the best first: one whose unit nothing says is kept as it came, under its own name. */
  readonly fields: readonly string[]
  /** What a value of one of these is in the unit of the name. */
  readonly convert: (field: string, value: number) => number
}

/** A metric by the name of a field, or by that of any generation of a source, in whose unit it is then given. */
export function askedMetric(name: string): AskedMetric {
  const [, base = name, part = ''] = PART.exec(name) ?? []
  const known = BY_FIELD.has(name) ? undefined : BY_NAME.get(base)
  if (known === undefined) return { fields: [name], convert: (_field, value) => value }
  const field = `${known.metric.field}${part}`
  const back = backTo(known.name.unit, known.metric.unit)
  return { fields: [...new Set([field, name])], convert: (of, value) => (of === field ? back(value) : value) }
}

/** A field as dcgm-exporter up to 4.8 names it, and its values in that unit; as it is where that has no name for it. */
export function dcgmName(field: string): { readonly name: string; readonly convert: (value: number) => number } {
  const [, base = field, part = ''] = PART.exec(field) ?? []
  const metric = BY_FIELD.get(base)
  const first = metric?.to48[0]
  if (metric === undefined || first === undefined) return { name: field, convert: unchanged }
  return { name: `${first.name}${part}`, convert: backTo(first.unit, metric.unit) }
}
