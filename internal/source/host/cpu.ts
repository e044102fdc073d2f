import type { SampleSink } from '../../sample/sample.ts'
import { readText } from './kernel-files.ts'
import { type FieldList, LEAST_SPAN_MS, type Measurement, type Surroundings } from './measurement.ts'
import { Rows } from './rows.ts'

/**
 * Ticks of the kernel's 100 Hz clock since boot, in the order of /proc/stat: user, nice, system, idle, iowait, irq,
 * softirq, steal, guest, guest_nice (proc(5)). `user` contains `guest`, and `nice` contains `guest_nice`.
 */
export type CpuTimes = readonly number[]

const COLUMNS = 10

/** Telegraf's `cpu` with `report_active`; each is a percentage of the time between two readings. */
const CPU_FIELDS: FieldList = [
  ['usage_user', 'float'],
  ['usage_system', 'float'],
  ['usage_idle', 'float'],
  ['usage_nice', 'float'],
  ['usage_iowait', 'float'],
  ['usage_irq', 'float'],
  ['usage_softirq', 'float'],
  ['usage_steal', 'float'],
  ['usage_guest', 'float'],
  ['usage_guest_nice', 'float'],
  ['usage_active', 'float'],
]

/** The times of `cpu-total` and of each core that is online. Columns that an old kernel lacks are 0. */
export function parseCpuTimes(stat: string): Map<string, CpuTimes> {
  const times = new Map<string, CpuTimes>()
  let start = 0
  // The cpu lines come first; the `intr` line after them can have tens of thousands of columns.
  while (stat.startsWith('cpu', start)) {
    const end = stat.indexOf('\n', start)
    const [name, ...columns] = stat.slice(start, end === -1 ? undefined : end).split(/ +/)
    const row = columns.slice(0, COLUMNS).map(Number)
    while (row.length < COLUMNS) row.push(0)
    times.set(name === 'cpu' ? 'cpu-total' : name!, row)
    if (end === -1) break
    start = end + 1
  }
  if (times.size === 0) throw new Error('no cpu line in /proc/stat')
  return times
}

/**
 * How a core spent the time between two readings, in the order of `CPU_FIELDS`; `undefined` when no time has passed. A
 * column that went backwards counts as 0. The kernel documents it for iowait, and all columns do it when a core comes
 * back online.
 */
export function cpuUsage(before: CpuTimes, now: CpuTimes): number[] | undefined {
  const [user, nice, system, idle, iowait, irq, softirq, steal, guest, guestNice] = now.map((ticks, i) =>
    Math.max(0, ticks - before[i]!),
  ) as [number, number, number, number, number, number, number, number, number, number]
  const total = user + nice + system + idle + iowait + irq + softirq + steal
  if (total === 0) return undefined
  const percent = (ticks: number) => (100 * Math.max(0, ticks)) / total
  return [
    percent(user - guest),
    percent(system),
    percent(idle),
    percent(nice - guestNice),
    percent(iowait),
    percent(irq),
    percent(softirq),
    percent(steal),
    percent(guest),
    percent(guestNice),
    percent(total - idle),
  ]
}

/** CPU percentages. A core that was not there at the last reading gives its first sample at the next. */
export class Cpu implements Measurement {
  readonly name = 'cpu'
  readonly #rows: Rows
  readonly #monotonicMs: () => number
  readonly #read: () => Map<string, CpuTimes>
  #before = new Map<string, CpuTimes>()
  /** Before this, the first reading is too young to be compared with (LEAST_SPAN_MS). */
  #notBeforeMs = 0

  constructor(surroundings: Surroundings, read: () => Map<string, CpuTimes>) {
    this.#rows = new Rows(this.name, CPU_FIELDS, surroundings)
    this.#monotonicMs = surroundings.monotonicMs
    this.#read = read
  }

  static linux(surroundings: Surroundings): Cpu {
    return new Cpu(surroundings, () => parseCpuTimes(readText(`${surroundings.roots.proc}/stat`)))
  }

  prime(): void {
    this.#before = this.#read()
    this.#notBeforeMs = this.#monotonicMs() + LEAST_SPAN_MS
  }

  collect(atUs: number, emit: SampleSink): void {
    if (this.#monotonicMs() < this.#notBeforeMs) return
    const now = this.#read()
    for (const [cpu, times] of now) {
      const before = this.#before.get(cpu)
      const usage = before === undefined ? undefined : cpuUsage(before, times)
      if (usage !== undefined) this.#rows.emit(atUs, [['cpu', cpu]], usage, emit)
    }
    this.#before = now
  }
}
