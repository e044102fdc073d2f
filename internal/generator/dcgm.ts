import type { Target } from './cells.ts'
import type { Profile } from './profile.ts'
import { Random } from './random.ts'

/** The names and units of dcgm-exporter: up to 4.8, and from 4.9 on. */
export type DcgmGeneration = 'to48' | 'from49'

interface DcgmOptions {
  readonly generation: DcgmGeneration
  readonly gpus: number
  readonly seed: number
}

/** What a GPU does now, in the units up to 4.8. */
interface Gpu {
  readonly index: number
  /** Of the pod that uses it, from which on all follows; 0 while none does. */
  load: number
  used: number
  energyMj: number
  replays: number
  xid: number
}

interface Metric {
  /** Name, type, and what HELP says. */
  readonly to48: readonly [name: string, type: string, help: string]
  readonly from49: readonly [name: string, type: string, help: string]
  /** As the exporter prints it: integers as they are, doubles with six decimals; undefined where there is no line. */
  readonly read: (gpu: Gpu, generation: DcgmGeneration) => string | undefined
}

const DEV = 'DCGM_FI_DEV_'
const PROF = 'DCGM_FI_PROF_'
const GPUS_PER_HOST = 8
const MEMORY_MIB = 144_384
const RESERVED_MIB = 1_024
/** What older exporters print where there is no value, and newer ones leave out. */
const BLANK = '9223372036854775794'
const BLANK_EVERY = 16

const decimals = (value: number): string => value.toFixed(6)
const whole = (value: number): string => `${Math.round(value)}`

/** The default list of the exporter, in its order. */
const METRICS: readonly Metric[] = [
  clock('SM_CLOCK', 'SM_CLOCK_HERTZ', 'SM', ({ load }) => 345 + 15 * Math.round(load * 109)),
  clock('MEM_CLOCK', 'MEMORY_CLOCK_HERTZ', 'Memory', ({ load }) => (load > 0 ? 3201 : 2619)),
  temperature('MEMORY_TEMP', 'MEMORY_TEMP_CELSIUS', 'Memory', ({ load }) => 34 + 45 * load),
  temperature('GPU_TEMP', 'GPU_TEMP_CELSIUS', 'GPU', ({ load }) => 29 + 40 * load),
  {
    to48: [`${DEV}POWER_USAGE`, 'gauge', 'Power draw (in W).'],
    from49: [`${DEV}BOARD_POWER_WATTS`, 'gauge', 'Power draw (in watts).'],
    read: ({ load }) => decimals(Math.round((76 + 610 * load) * 1e3) / 1e3),
  },
  {
    to48: [`${DEV}TOTAL_ENERGY_CONSUMPTION`, 'counter', 'Total energy consumption since boot (in mJ).'],
    from49: [`${DEV}GPU_ENERGY_JOULES_TOTAL`, 'counter', 'Total energy consumption since boot (in joules).'],
    read: ({ energyMj }, generation) => (generation === 'to48' ? whole(energyMj) : decimals(energyMj / 1e3)),
  },
  {
    to48: [`${DEV}PCIE_REPLAY_COUNTER`, 'counter', 'Total number of PCIe retries.'],
    from49: [`${DEV}PCIE_REPLAY_TOTAL`, 'counter', 'Total number of PCIe retries.'],
    read: ({ replays }) => whole(replays),
  },
  percentage('GPU_UTIL', 'GPU', ({ load }) => 100 * load),
  percentage('MEM_COPY_UTIL', 'Memory', ({ load }) => 62 * load, 'MEMORY_UTIL'),
  percentage('ENC_UTIL', 'Encoder', () => 0),
  percentage('DEC_UTIL', 'Decoder', ({ load }) => 3 * load),
  {
    to48: [`${DEV}XID_ERRORS`, 'gauge', 'Value of the last XID error encountered.'],
    from49: [`${DEV}XID_ERROR`, 'gauge', 'Value of the last XID error encountered.'],
    read: ({ xid, index }, generation) => {
      if (index % BLANK_EVERY !== 5) return whole(xid)
      return generation === 'to48' ? BLANK : undefined
    },
  },
  memory('FB_FREE', 'free', ({ used }) => MEMORY_MIB - RESERVED_MIB - used),
  memory('FB_USED', 'used', ({ used }) => used),
  memory('FB_RESERVED', 'reserved', () => RESERVED_MIB),
  remapped('UNCORRECTABLE_REMAPPED_ROWS', 'ROW_REMAP_UNCORRECTABLE_TOTAL', 'for uncorrectable errors', 'counter'),
  remapped('CORRECTABLE_REMAPPED_ROWS', 'ROW_REMAP_CORRECTABLE_TOTAL', 'for correctable errors', 'counter'),
  remapped('ROW_REMAP_FAILURE', 'ROW_REMAP_FAILED', 'that failed', 'gauge'),
  {
    to48: [`${DEV}NVLINK_BANDWIDTH_TOTAL`, 'counter', 'Total number of NVLink bandwidth counters for all lanes.'],
    from49: [`${DEV}NVLINK_THROUGHPUT_TOTAL`, 'gauge', 'NVLink throughput of all lanes (in bytes per second).'],
    read: ({ load }, generation) => whole(Math.round(310_000 * load) * (generation === 'to48' ? 1 : 1e6)),
  },
  ratio('GR_ENGINE_ACTIVE', 'GR_ENGINE_UTIL_RATIO', 'the graphics engine is active', ({ load }) => 0.98 * load),
  ratio('PIPE_TENSOR_ACTIVE', 'TENSOR_UTIL_RATIO', 'the tensor (HMMA) pipe is active', ({ load }) => 0.61 * load),
  ratio('DRAM_ACTIVE', 'DRAM_UTIL_RATIO', 'the device memory interface is active', ({ load }) => 0.44 * load),
  traffic('PCIE_TX_BYTES', 'transmitted', ({ load }) => 4.1e9 * load),
  traffic('PCIE_RX_BYTES', 'received', ({ load }) => 9.7e9 * load),
]

/**
 * The text of dcgm-exporter: its default list, a line a metric and GPU, 8 GPUs a host. Of one seed both generations tell of
 * the same GPUs, in their own names and units. The names from 4.9 on that its notes do not give are those of DCGM 4.7.
 */
export class DcgmProfile implements Profile {
  readonly header = ''
  readonly path = '/metrics'
  readonly contentType = 'text/plain; version=0.0.4; charset=utf-8'
  readonly names = []
  readonly mostRowBytes = 1_024
  readonly rows: number
  readonly #generation: DcgmGeneration
  readonly #random: Random
  readonly #gpus: readonly Gpu[]
  readonly #labels: readonly string[]
  readonly #heads: readonly string[]
  #lastUs = 0

  constructor({ generation, gpus, seed }: DcgmOptions) {
    this.rows = METRICS.length * gpus
    this.#generation = generation
    this.#random = new Random(seed)
    this.#gpus = Array.from({ length: gpus }, (_, index) => ({
      ...{ index, load: 0, used: 0, xid: 0 },
      energyMj: this.#random.below(1e12),
      replays: this.#random.below(3),
    }))
    this.#labels = this.#gpus.map(({ index }) => labelsOf(index, generation, seed))
    this.#heads = METRICS.map((metric) => {
      const [name, type, help] = metric[generation]
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
    })
  }

  begin(atUs: number): void {
    const seconds = this.#lastUs === 0 ? 0 : (atUs - this.#lastUs) / 1e6
    this.#lastUs = atUs
    const random = this.#random
    for (const gpu of this.#gpus) {
      const isBusy = gpu.load > 0 ? random.next() > 0.02 : random.next() < 0.2
      gpu.load = isBusy ? Math.min(1, Math.max(0.05, (gpu.load || 0.8) + (random.next() - 0.5) / 5)) : 0
      gpu.used = isBusy ? 60_000 + random.below(80_000) : 4
      gpu.energyMj += Math.round((76 + 610 * gpu.load) * seconds * 1e3)
      if (random.next() < 1 / 500) gpu.replays++
      if (random.next() < 1 / 5_000) gpu.xid = 31
    }
  }

  writeRow(row: number, { bytes }: Target, at: number): number {
    const metric = Math.floor(row / this.#gpus.length)
    const gpu = this.#gpus[row % this.#gpus.length]!
    const generation = this.#generation
    const end = gpu.index === 0 ? at + bytes.write(this.#heads[metric]!, at, 'latin1') : at
    const value = METRICS[metric]!.read(gpu, generation)
    if (value === undefined) return end
    const [name] = METRICS[metric]![generation]
    return end + bytes.write(`${name}${this.#labels[gpu.index]} ${value}\n`, end, 'latin1')
  }
}

function labelsOf(index: number, generation: DcgmGeneration, seed: number): string {
  const random = new Random(seed + index)
  const hex = (digits: number): string =>
    random
      .below(16 ** digits)
      .toString(16)
      .padStart(digits, '0')
  const gpu = index % GPUS_PER_HOST
  const host = `gpu-${Math.floor(index / GPUS_PER_HOST) + 1}`
  const labels: ReadonlyArray<readonly [string, string]> = [
    ['gpu', `${gpu}`],
    ['UUID', `GPU-${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(6)}${hex(6)}`],
    ['pci_bus_id', `00000000:${(0x1b + 0x11 * gpu).toString(16).toUpperCase().padStart(2, '0')}:00.0`],
    ['device', `nvidia${gpu}`],
    ['modelName', 'NVIDIA H200'],
    [generation === 'to48' ? 'Hostname' : 'hostname', host],
    [generation === 'to48' ? 'DCGM_FI_DRIVER_VERSION' : 'DCGM_FI_SYSTEM_DRIVER_VERSION', '570.124.06'],
    ['container', 'train'],
    ['namespace', 'research'],
    ['pod', `train-${index}-${hex(5)}`],
  ]
  return `{${labels.map(([key, value]) => `${key}="${value}"`).join(',')}}`
}

function clock(to48: string, from49: string, of: string, mhz: (gpu: Gpu) => number): Metric {
  return {
    to48: [`${DEV}${to48}`, 'gauge', `${of} clock frequency (in MHz).`],
    from49: [`${DEV}${from49}`, 'gauge', `${of} clock frequency (in hertz).`],
    read: (gpu, generation) => whole(mhz(gpu) * (generation === 'to48' ? 1 : 1e6)),
  }
}

function temperature(to48: string, from49: string, of: string, celsius: (gpu: Gpu) => number): Metric {
  return {
    to48: [`${DEV}${to48}`, 'gauge', `${of} temperature (in C).`],
    from49: [`${DEV}${from49}`, 'gauge', `${of} temperature (in celsius).`],
    read: (gpu) => whole(celsius(gpu)),
  }
}

function percentage(to48: string, of: string, percent: (gpu: Gpu) => number, from49 = to48): Metric {
  return {
    to48: [`${DEV}${to48}`, 'gauge', `${of} utilization (in %).`],
    from49: [`${DEV}${from49}_RATIO`, 'gauge', `${of} utilization ratio (0.0-1.0).`],
    read: (gpu, generation) => {
      const value = Math.round(percent(gpu))
      return generation === 'to48' ? whole(value) : decimals(value / 100)
    },
  }
}

function memory(name: string, of: string, mib: (gpu: Gpu) => number): Metric {
  return {
    to48: [`${DEV}${name}`, 'gauge', `Framebuffer memory ${of} (in MiB).`],
    from49: [`${DEV}${name}_BYTES`, 'gauge', `Framebuffer memory ${of} (in bytes).`],
    read: (gpu, generation) => whole(mib(gpu) * (generation === 'to48' ? 1 : 2 ** 20)),
  }
}

function remapped(to48: string, from49: string, which: string, type: string): Metric {
  const help = `Number of remapped rows ${which}.`
  return { to48: [`${DEV}${to48}`, type, help], from49: [`${DEV}${from49}`, type, help], read: () => '0' }
}

function ratio(to48: string, from49: string, of: string, share: (gpu: Gpu) => number): Metric {
  const help = `Ratio of time ${of}.`
  return {
    to48: [`${PROF}${to48}`, 'gauge', help],
    from49: [`${PROF}${from49}`, 'gauge', help],
    read: (gpu) => decimals(share(gpu)),
  }
}

/** Named alike in both generations: a rate. */
function traffic(name: string, of: string, bytesPerSecond: (gpu: Gpu) => number): Metric {
  const help = `The rate of data ${of} over the PCIe bus, with protocol headers and payload (in bytes per second).`
  const same = [`${PROF}${name}`, 'gauge', help] as const
  return { to48: same, from49: same, read: (gpu) => whole(bytesPerSecond(gpu)) }
}
