import type { SampleSink } from '../../sample/sample.ts'
import type { Slot, Tag } from '../../sample/value.ts'
import { counter, readText, readTextIfThere } from './kernel-files.ts'
import { type FieldList, LEAST_SPAN_MS, type Measurement, PERCENT, type Surroundings } from './measurement.ts'
import { Rows } from './rows.ts'
import { isStackedDisk, STACKED } from './stacking.ts'

/**
 * Counters since boot, in requests, bytes and milliseconds. The last three fields cover the time between two readings.
 */
const DISKIO_FIELDS: FieldList = [
  ['reads', 'int'],
  ['merged_reads', 'int'],
  ['read_bytes', 'int'],
  ['read_time', 'int'],
  ['writes', 'int'],
  ['merged_writes', 'int'],
  ['write_bytes', 'int'],
  ['write_time', 'int'],
  // A kernel that counts one request too few says 4294967295.
  ['iops_in_progress', 'int', { max: 2 ** 31 - 1 }],
  ['io_time', 'int'],
  ['weighted_io_time', 'int'],
  ['io_await', 'float'],
  ['io_svctm', 'float'],
  ['io_util', 'float', PERCENT],
]

/**
 * A sector of /proc/diskstats is always 512 bytes, also if the device's own is larger
 * (Documentation/admin-guide/iostats.rst).
 */
const SECTOR_BYTES = 512

/** The counters of a device, in the order of `DISKIO_FIELDS`. */
export type DiskCounters = readonly (number | bigint)[]

/**
 * Whole devices and partitions by name, as in Telegraf. Loop devices and RAM disks are left out: a desktop has dozens
 * of loops, and the disk below counts their I/O again. Devices that were never used are left out too.
 */
export function parseDiskstats(diskstats: string): Map<string, DiskCounters> {
  const devices = new Map<string, DiskCounters>()
  for (const line of diskstats.split('\n')) {
    const columns = line.trim().split(/ +/)
    const name = columns[2]
    if (columns.length < 14 || name === undefined || /^(loop|ram)\d+$/.test(name)) continue
    const counters = columns.slice(3, 14).map((digits, i) => counter(digits, i === 2 || i === 6 ? SECTOR_BYTES : 1))
    if (counters.some((value) => value !== 0)) devices.set(name, counters)
  }
  return devices
}

/** The columns of `DiskCounters` that only grow: all but the requests in progress. */
const GROWING = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10]
/** The times, which wrap at 2^32 ms on some kernels. No disk is busy for 24 days between two readings. */
const TIMES = [3, 7, 9, 10]
const MAX_DELTA_MS = 2 ** 31

/**
 * `io_await`, `io_svctm` (ms a request) and `io_util` (% of the time in which the device was busy) between two
 * readings. A reason instead when a counter went backwards (a device that is plugged in again starts at 0, some kernels
 * wrap a time at 2^32 ms), or jumped by a time that cannot have passed.
 */
export function diskRates(
  before: DiskCounters,
  now: DiskCounters,
  elapsedMs: number,
): readonly Slot[] | keyof typeof IMPOSSIBLE {
  const delta = (i: number) => Number(now[i]!) - Number(before[i]!)
  if (GROWING.some((i) => delta(i) < 0)) return 'went_back'
  if (TIMES.some((i) => delta(i) >= MAX_DELTA_MS)) return 'jumped'
  const [requests, waitedMs, busyMs] = [delta(0) + delta(4), delta(3) + delta(7), delta(9)]
  return [
    requests > 0 ? waitedMs / requests : undefined,
    requests > 0 ? busyMs / requests : undefined,
    // A request that took longer than the interval is booked when it ends, with all of its time.
    elapsedMs > 0 ? Math.min(100, (100 * busyMs) / elapsedMs) : undefined,
  ]
}

const IMPOSSIBLE = {
  went_back: 'a counter went back',
  jumped: 'a time grew by more than can have passed',
} as const

const NO_RATES: readonly Slot[] = [undefined, undefined, undefined]

export class DiskIo implements Measurement {
  readonly name = 'diskio'
  readonly #surroundings: Surroundings
  readonly #rows: Rows
  #before = new Map<string, DiskCounters>()
  #readAtMs = 0
  /** Before this, the first reading is too young to be compared with (LEAST_SPAN_MS). */
  #notBeforeMs = 0
  /** The tags of each device, read once: they do not change while the device is there. */
  #tags = new Map<string, readonly Tag[]>()

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings
    this.#rows = new Rows(this.name, DISKIO_FIELDS, surroundings)
  }

  prime(): void {
    this.#before = this.#read()
    this.#readAtMs = this.#surroundings.monotonicMs()
    this.#notBeforeMs = this.#readAtMs + LEAST_SPAN_MS
  }

  collect(atUs: number, emit: SampleSink): void {
    const now = this.#read()
    const readAtMs = this.#surroundings.monotonicMs()
    const isTooSoon = readAtMs < this.#notBeforeMs
    const tags = new Map<string, readonly Tag[]>()
    for (const [device, counters] of now) {
      const rates = isTooSoon ? NO_RATES : this.#rates(device, counters, readAtMs - this.#readAtMs)
      tags.set(device, this.#tags.get(device) ?? this.#readTags(device))
      this.#rows.emit(atUs, tags.get(device)!, [...counters, ...rates], emit)
    }
    this.#tags = tags
    if (isTooSoon) return
    this.#before = now
    this.#readAtMs = readAtMs
  }

  #rates(device: string, counters: DiskCounters, elapsedMs: number): readonly Slot[] {
    const before = this.#before.get(device)
    const rates = before === undefined ? NO_RATES : diskRates(before, counters, elapsedMs)
    if (typeof rates !== 'string') return rates
    this.#surroundings.leftOut.note(rates, `diskio ${device}`, `${IMPOSSIBLE[rates]}: no rates for this tick`)
    return NO_RATES
  }

  #read(): Map<string, DiskCounters> {
    return parseDiskstats(readText(`${this.#surroundings.roots.proc}/diskstats`))
  }

  #readTags(device: string): Tag[] {
    const { sys } = this.#surroundings.roots
    const tags: Tag[] = [['name', device]]
    // The kernel writes the slash of a name such as cciss/c0d0 as an exclamation mark in /sys.
    const wwid = readTextIfThere(`${sys}/block/${device.replaceAll('/', '!')}/wwid`)?.trim()
    if (wwid !== undefined && wwid !== '') tags.push(['wwid', wwid])
    if (isStackedDisk(sys, device)) tags.push(STACKED)
    return tags
  }
}
