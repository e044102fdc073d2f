import type { GpuReading } from '../../gpu/readings.ts'

/** What tells of a GPU, as `nvidia-smi --query-gpu` calls it, and as readings do. */
const LABELS: ReadonlyArray<readonly [column: string, label: string]> = [
  ['index', 'gpu'],
  ['uuid', 'uuid'],
  ['name', 'modelName'],
  ['pci.bus_id', 'pci_bus_id'],
  ['driver_version', 'driver_version'],
]

const FIGURES = [
  'pstate',
  'utilization.gpu',
  'utilization.memory',
  'utilization.encoder',
  'utilization.decoder',
  'memory.total',
  'memory.used',
  'memory.free',
  'memory.reserved',
  'temperature.gpu',
  'temperature.memory',
  'power.draw',
  'power.limit',
  'clocks.sm',
  'clocks.mem',
  'clocks.video',
  'clocks.max.sm',
  'clocks.max.mem',
  'fan.speed',
  'ecc.errors.corrected.volatile.total',
  'ecc.errors.uncorrected.volatile.total',
  'ecc.errors.corrected.aggregate.total',
  'ecc.errors.uncorrected.aggregate.total',
] as const

/** Between cells; names of models have none. */
const SEPARATOR = ', '
/** What an older program says of a column that it does not know. */
const UNKNOWN_COLUMN = /Field "([^"]+)" is not a valid field/

/** What is asked of `nvidia-smi`: all columns that it knows. */
export class Query {
  #figures: readonly string[] = FIGURES

  args(intervalMs: number): string[] {
    const columns = [...LABELS.map(([column]) => column), ...this.#figures]
    const seconds = Math.max(1, Math.round(intervalMs / 1000))
    return [`--query-gpu=${columns.join(',')}`, '--format=csv,noheader,nounits', '-l', `${seconds}`]
  }

  /** Leaves a column out that a line says is not known. @returns whether it does */
  leaveOut(line: string): boolean {
    const [, column] = UNKNOWN_COLUMN.exec(line) ?? []
    const before = this.#figures.length
    this.#figures = this.#figures.filter((figure) => figure !== column)
    return this.#figures.length < before
  }

  /** The readings of a line; undefined where it is none, but words of the program. */
  readingsOf(line: string, atUs: number): GpuReading[] | undefined {
    const cells = line.trim().split(SEPARATOR)
    if (cells.length !== LABELS.length + this.#figures.length) return undefined
    const labels = new Map(LABELS.map(([, label], i) => [label, cells[i]!]))
    return this.#figures.map((metric, i) => {
      const cell = cells[LABELS.length + i]!
      // Performance states are P0 to P15.
      return { metric, labels, atUs, value: metric === 'pstate' ? cell.replace(/^P(?=\d+$)/, '') : cell }
    })
  }
}
