import type { SampleSink } from '../../sample/sample.ts'
import type { Slot, Tag } from '../../sample/value.ts'
import { counter, readText, readTextIfThere } from './kernel-files.ts'
import { type FieldList, LEAST_SPAN_MS, type Measurement, type Surroundings } from './measurement.ts'
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
  ['iops_in_progress', 'int'],
  ['io_time', 'int'],
  ['weighted_io_time', 'int'],
  ['io_await', 'float'],
  ['io_svctm', 'float'],
  ['io_util', 'float'],
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

/**
 * `io_await`, `io_svctm` (ms a request) and `io_util` (% of the time in which the device was busy) between two
 * readings. No values when a counter went backwards: some kernels wrap it at 2^32 ms, and a device that is plugged in
 * again starts at 0.
 */
export function diskRates(before: DiskCounters, now: DiskCounters, elapsedMs: number): Slot[] {
  const delta = (i: number) => Number(now[i]!) - Number(before[i]!)
  const [reads, readTime, writes, writeTime, ioTime] = [delta(0), delta(3), delta(4), delta(7), delta(9)]
  if (Math.min(reads, readTime, writes, writeTime, ioTime) < 0) return [undefined, undefined, undefined]
  const requests = reads + writes
  return [
    requests > 0 ? (readTime + writeTime) / requests : undefined,
    requests > 0 ? ioTime / requests : undefined,
    elapsedMs > 0 ? (100 * ioTime) / elapsedMs : undefined,
  ]
}

export class DiskIo implements Measurement {
  readonly name = 'diskio'
  readonly #roots: Surroundings['roots']
  readonly #rows: Rows
  readonly #monotonicMs: () => number
  #before = new Map<string, DiskCounters>()
  #readAtMs = 0
  /** Before this, the first reading is too young to be compared with (LEAST_SPAN_MS). */
  #notBeforeMs = 0
  /** The tags of each device, read once: they do not change while the device is there. */
  #tags = new Map<string, readonly Tag[]>()

  constructor(surroundings: Surroundings) {
    this.#roots = surroundings.roots
    this.#rows = new Rows(this.name, DISKIO_FIELDS, surroundings)
    this.#monotonicMs = surroundings.monotonicMs
  }

  prime(): void {
    this.#before = this.#read()
    this.#readAtMs = this.#monotonicMs()
    this.#notBeforeMs = this.#readAtMs + LEAST_SPAN_MS
  }

  collect(atUs: number, emit: SampleSink): void {
    const now = this.#read()
    const readAtMs = this.#monotonicMs()
    const isTooSoon = readAtMs < this.#notBeforeMs
    const tags = new Map<string, readonly Tag[]>()
    for (const [device, counters] of now) {
      const before = this.#before.get(device)
      const rates =
        before === undefined || isTooSoon
          ? [undefined, undefined, undefined]
          : diskRates(before, counters, readAtMs - this.#readAtMs)
      tags.set(device, this.#tags.get(device) ?? this.#readTags(device))
      this.#rows.emit(atUs, tags.get(device)!, [...counters, ...rates], emit)
    }
    this.#tags = tags
    if (isTooSoon) return
    this.#before = now
    this.#readAtMs = readAtMs
  }

  #read(): Map<string, DiskCounters> {
    return parseDiskstats(readText(`${this.#roots.proc}/diskstats`))
  }

  #readTags(device: string): Tag[] {
    const { sys } = this.#roots
    const tags: Tag[] = [['name', device]]
    // The kernel writes the slash of a name such as cciss/c0d0 as an exclamation mark in /sys.
    const wwid = readTextIfThere(`${sys}/block/${device.replaceAll('/', '!')}/wwid`)?.trim()
    if (wwid !== undefined && wwid !== '') tags.push(['wwid', wwid])
    if (isStackedDisk(sys, device)) tags.push(STACKED)
    return tags
  }
}
