import type { SampleSink } from '../../sample/sample.ts'
import { readText } from './kernel-files.ts'
import type { FieldList, Measurement, Surroundings } from './measurement.ts'
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
  ['total', 'int'],
  ['available', 'int'],
  ['used', 'int'],
  ['used_percent', 'float'],
  ['available_percent', 'float'],
]

const LINUX_FIELDS: FieldList = [...MEM_FIELDS, ['cached', 'int'], ...LINES.map(([field]) => [field, 'int'] as const)]

/** Name → bytes. The counts of huge pages have no unit, and stay counts. */
export function parseMeminfo(meminfo: string): Map<string, number> {
  const sizes = new Map<string, number>()
  for (const line of meminfo.split('\n')) {
    const colon = line.indexOf(':')
    if (colon === -1) continue
    const size = Number.parseInt(line.slice(colon + 1), 10)
    if (Number.isNaN(size)) continue
    sizes.set(line.slice(0, colon), line.endsWith(' kB') ? size * 1024 : size)
  }
  return sizes
}

/**
 * In the order of `MEM_FIELDS`. `used` is what is not available, as in Telegraf since 1.36 and in `free` since procps
 * 4.
 */
export function memValues(total: number, available: number): number[] {
  const used = Math.max(0, total - available)
  return [total, available, used, (100 * used) / total, (100 * available) / total]
}

export function linuxMemValues(sizes: ReadonlyMap<string, number>): number[] {
  const size = (name: string) => sizes.get(name) ?? 0
  const total = size('MemTotal')
  if (total === 0) throw new Error('no MemTotal in /proc/meminfo')
  const cached = size('Cached') + size('SReclaimable')
  // Kernels before 3.14 do not say what is available. The usual estimate is free plus cached.
  const available = sizes.get('MemAvailable') ?? size('MemFree') + cached
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
