import type { SampleSink } from '../../sample/sample.ts'
import type { Slot } from '../../sample/value.ts'
import { decimal, readText } from './kernel-files.ts'
import {
  type FieldList,
  LEAST_SPAN_MS,
  type Measurement,
  PERCENT,
  percentOf,
  type Surroundings,
} from './measurement.ts'
import { Rows } from './rows.ts'

/**
 * Ticks of the kernel's 100 Hz clock since boot, in the order of /proc/stat: user, nice, system, idle, iowait, irq,
 * softirq, steal, guest, guest_nice (proc(5)). `user` contains `guest`, and `nice` contains `guest_nice`.
 */
export type CpuTimes = readonly number[]

const COLUMNS = 10

/** Telegraf's `cpu` with `report_active`; each is a percentage of the time between two readings. */
const CPU_FIELDS: FieldList = [
  ['usage_user', 'float', PERCENT],
  ['usage_system', 'float', PERCENT],
  ['usage_idle', 'float', PERCENT],
  ['usage_nice', 'float', PERCENT],
  ['usage_iowait', 'float', PERCENT],
  ['usage_irq', 'float', PERCENT],
  ['usage_softirq', 'float', PERCENT],
  ['usage_steal', 'float', PERCENT],
  ['usage_guest', 'float', PERCENT],
  ['usage_guest_nice', 'float', PERCENT],
  ['usage_active', 'float', PERCENT],
]

/**
 * The times of `cpu-total` and of each core that is online. Columns that an old kernel lacks are 0; one that is no
 * number is NaN, and so is the usage of its core.
 */
export function parseCpuTimes(stat: string): Map<string, CpuTimes> {
  const times = new Map<string, CpuTimes>()
  let start = 0
  // The cpu lines come first; the `intr` line after them can have tens of thousands of columns.
  while (stat.startsWith('cpu', start)) {
    const end = stat.indexOf('\n', start)
    const [name, ...columns] = stat.slice(start, end === -1 ? undefined : end).split(/ +/)
    const row = columns.slice(0, COLUMNS).map(decimal)
    while (row.length < COLUMNS) row.push(0)
    times.set(name === 'cpu' ? 'cpu-total' : name!, row)
    if (end === -1) break
    start = end + 1
  }
  if (times.size === 0) throw new Error('no cpu line in /proc/stat')
  return times
}

/** What two readings can tell instead of a usage. */
const IMPOSSIBLE = {
  went_back: 'has a counter that went back',
  jumped: 'counted more time than has passed',
} as const

/**
 * The most time that is believed, in parts of what has passed: the kernel books some time late, and hypervisors count
 * stolen time twice.
 */
const MOST_PARTS = 2
/** The kernel books whole hundredths of a second. */
const ROUNDING_MS = 200

/**
 * How a core spent the time between two readings, in the order of `CPU_FIELDS`; `undefined` when no time has passed.
 *
 * Idle time that the kernel first booked as iowait may later be booked as idle, or the other way round (proc(5), "iowait
 * … may decrease"). Their sum is right. Any other counter that goes back has lost its meaning (a core that was
 * unplugged, a machine that was moved to another hypervisor). The usage of that tick cannot be known: with 150 ticks of
 * idle time gone, a core at 3 % would be shown at 100 %.
 *
 * @param maxMs the most time, over all cores of the row, that can have passed; what was counted beyond is no time
 */
export function cpuUsage(
  before: CpuTimes,
  now: CpuTimes,
  maxMs = Number.POSITIVE_INFINITY,
  tickMs = 10,
): readonly Slot[] | keyof typeof IMPOSSIBLE | undefined {
  const [user, nice, system, counted, waited, irq, softirq, steal, inUser, inNice] = now.map(
    (ticks, i) => ticks - before[i]!,
  ) as [number, number, number, number, number, number, number, number, number, number]
  const unused = counted + waited
  const busy = user + nice + system + irq + softirq + steal
  if (Math.min(user, nice, system, unused, irq, softirq, steal, inUser, inNice) < 0) return 'went_back'
  const total = busy + unused
  if (total === 0) return undefined
  if (total * tickMs > maxMs * MOST_PARTS + ROUNDING_MS) return 'jumped'
  const iowait = Math.min(Math.max(0, waited), unused)
  // Guests are booked apart from the time that contains them, so they may be a tick ahead.
  const guest = Math.min(inUser, user)
  const guestNice = Math.min(inNice, nice)
  return [
    ...[user - guest, system, unused - iowait, nice - guestNice, iowait, irq, softirq, steal, guest, guestNice],
    busy + iowait,
  ].map((ticks) => percentOf(ticks, total))
}

export interface CpuOptions {
  readonly read: () => Map<string, CpuTimes>
  /** How long one unit of the times is. */
  readonly tickMs: number
}

/** CPU percentages. A core that was not there at the last reading gives its first sample at the next. */
export class Cpu implements Measurement {
  readonly name = 'cpu'
  readonly #rows: Rows
  readonly #surroundings: Surroundings
  readonly #options: CpuOptions
  #before = new Map<string, CpuTimes>()
  /** When the reading in `#before` began. */
  #readAtMs = 0
  /** Before this, the first reading is too young to be compared with (LEAST_SPAN_MS). */
  #notBeforeMs = 0

  constructor(surroundings: Surroundings, options: CpuOptions) {
    this.#rows = new Rows(this.name, CPU_FIELDS, surroundings)
    this.#surroundings = surroundings
    this.#options = options
  }

  static linux(surroundings: Surroundings): Cpu {
    return new Cpu(surroundings, {
      read: () => parseCpuTimes(readText(`${surroundings.roots.proc}/stat`)),
      tickMs: 10,
    })
  }

  prime(): void {
    this.#readAtMs = this.#surroundings.monotonicMs()
    this.#before = this.#options.read()
    this.#notBeforeMs = this.#surroundings.monotonicMs() + LEAST_SPAN_MS
  }

  collect(atUs: number, emit: SampleSink): void {
    const { monotonicMs, leftOut } = this.#surroundings
    const readAtMs = monotonicMs()
    if (readAtMs < this.#notBeforeMs) return
    const now = this.#options.read()
    const elapsedMs = monotonicMs() - this.#readAtMs
    // A core that was unplugged since still has its time in the total.
    const cores = Math.max(now.size, this.#before.size) - 1
    for (const [cpu, times] of now) {
      const before = this.#before.get(cpu)
      if (before === undefined) continue
      const maxMs = elapsedMs * (cpu === 'cpu-total' ? cores || Number.POSITIVE_INFINITY : 1)
      const usage = cpuUsage(before, times, maxMs, this.#options.tickMs)
      if (typeof usage === 'string')
        leftOut.note(usage, this.name, `${cpu} ${IMPOSSIBLE[usage]}: no usage for this tick`)
      else if (usage !== undefined) this.#rows.emit(atUs, [['cpu', cpu]], usage, emit)
    }
    this.#before = now
    this.#readAtMs = readAtMs
  }
}
