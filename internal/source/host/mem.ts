import type { SampleSink } from '../../sample/sample.ts'
import { decimal, readText } from './kernel-files.ts'
import { type FieldList, type Measurement, PERCENT, percentOf, type Surroundings } from './measurement.ts'
import { Rows } from './rows.ts'

/**
 * Telegraf's fields that are one line of /proc/meminfo each. A line that the kernel does not have is 0, as in Telegraf.
 */
const LINES = [
  ['active', 'Active'],
  ['buffered', 'Buffers'],
  ['commit_limit', 'CommitLimit'],
  ['committed_as', 'Committed_AS'],
  ['dirty', 'Dirty'],
  ['free', 'MemFree'],
  ['high_free', 'HighFree'],
  ['high_total', 'HighTotal'],
  ['huge_page_size', 'Hugepagesize'],
  ['huge_pages_free', 'HugePages_Free'],
  ['huge_pages_total', 'HugePages_Total'],
  ['inactive', 'Inactive'],
  ['low_free', 'LowFree'],
  ['low_total', 'LowTotal'],
  ['mapped', 'Mapped'],
  ['page_tables', 'PageTables'],
  ['shared', 'Shmem'],
  ['slab', 'Slab'],
  ['sreclaimable', 'SReclaimable'],
  ['sunreclaim', 'SUnreclaim'],
  ['swap_cached', 'SwapCached'],
  ['swap_free', 'SwapFree'],
  ['swap_total', 'SwapTotal'],
  ['vmalloc_chunk', 'VmallocChunk'],
  ['vmalloc_total', 'VmallocTotal'],
  ['vmalloc_used', 'VmallocUsed'],
  ['write_back', 'Writeback'],
  ['write_back_tmp', 'WritebackTmp'],
] as const

/** The fields that every platform has; bytes and percentages. */
export const MEM_FIELDS: FieldList = [
  ['total', 'int', { min: 1 }],
  ['available', 'int', { max: 'total' }],
  ['used', 'int', { max: 'total' }],
  ['used_percent', 'float', PERCENT],
  ['available_percent', 'float', PERCENT],
]

/** Parts of the memory, none of which can be larger than all of it. */
const PARTS: readonly string[] = ['active', 'buffered', 'dirty', 'free', 'inactive', 'mapped', 'page_tables', 'slab']

const LINUX_FIELDS: FieldList = [
  ...MEM_FIELDS,
  ['cached', 'int', { max: 'total' }],
  ...LINES.map(([field]) => [field, 'int', PARTS.includes(field) ? { max: 'total' } : {}] as const),
]

/**
 * Name → bytes. The counts of huge pages have no unit, and stay counts. A line that is not as the kernel writes it is
 * NaN: without its unit a size would be 1,024 times too small.
 */
export function parseMeminfo(meminfo: string): Map<string, number> {
  const sizes = new Map<string, number>()
  for (const line of meminfo.split('\n')) {
    const colon = line.indexOf(':')
    if (colon === -1) continue
    const name = line.slice(0, colon)
    const [digits = '', unit] = line
      .slice(colon + 1)
      .trim()
      .split(' ')
    sizes.set(
      name,
      unit === 'kB' ? decimal(digits) * 1024 : name.startsWith('HugePages_') ? decimal(digits) : Number.NaN,
    )
  }
  return sizes
}

/**
 * In the order of `MEM_FIELDS`. `used` is what is not available, as in Telegraf since 1.36 and in `free` since procps
 * 4.
 */
export function memValues(total: number, available: number): (number | undefined)[] {
  const used = total - available
  return [total, available, used, percentOf(used, total), percentOf(available, total)]
}

export function linuxMemValues(sizes: ReadonlyMap<string, number>): (number | undefined)[] {
  const size = (name: string) => sizes.get(name) ?? 0
  const total = sizes.get('MemTotal')
  if (total === undefined) throw new Error('no MemTotal in /proc/meminfo')
  const cached = size('Cached') + size('SReclaimable')
  // Kernels before 3.14 do not say what is available. The usual estimate is free plus cached.
  const available = sizes.get('MemAvailable') ?? (sizes.get('MemFree') ?? Number.NaN) + cached
  return [...memValues(total, available), cached, ...LINES.map(([, line]) => size(line))]
}

/** The memory of the whole machine, in a container too. container.ts says so when the container may use less. */
export class Mem implements Measurement {
  readonly name = 'mem'
  readonly #rows: Rows
  readonly #path: string

  constructor(surroundings: Surroundings) {
    this.#rows = new Rows(this.name, LINUX_FIELDS, surroundings)
    this.#path = `${surroundings.roots.proc}/meminfo`
  }

  collect(atUs: number, emit: SampleSink): void {
    this.#rows.emit(atUs, [], linuxMemValues(parseMeminfo(readText(this.#path))), emit)
  }
}
