import type { SampleSink } from '../../sample/sample.ts'
import { counter, readText, readTextIfThere } from './kernel-files.ts'
import type { FieldList, Measurement, Surroundings } from './measurement.ts'
import { parseMeminfo } from './mem.ts'
import { Rows } from './rows.ts'

/** Bytes; `in` and `out` are counters since boot. */
export const SWAP_FIELDS: FieldList = [
  ['total', 'int'],
  ['used', 'int'],
  ['free', 'int'],
  ['used_percent', 'float'],
  ['in', 'int'],
  ['out', 'int'],
]

/**
 * Telegraf counts a page as 4 KiB on every machine. With the true size, dashboards made for Telegraf would be wrong.
 */
const PAGE_BYTES = 4096

/** What was swapped in and out since boot, bytes. */
export function parseSwapped(vmstat: string): { in: number | bigint; out: number | bigint } {
  const bytes = (name: string) => {
    const pages = new RegExp(`^${name} (\\d+)$`, 'm').exec(vmstat)?.[1]
    if (pages === undefined) throw new Error(`no ${name} in /proc/vmstat`)
    return counter(pages, PAGE_BYTES)
  }
  return { in: bytes('pswpin'), out: bytes('pswpout') }
}

/** In the order of `SWAP_FIELDS`. */
export function swapValues(total: number, free: number): number[] {
  const used = Math.max(0, total - free)
  return [total, used, free, total === 0 ? 0 : (100 * used) / total]
}

export class Swap implements Measurement {
  readonly name = 'swap'
  readonly #surroundings: Surroundings
  readonly #rows: Rows

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings
    this.#rows = new Rows(this.name, SWAP_FIELDS, surroundings)
  }

  collect(atUs: number, emit: SampleSink): void {
    const { proc } = this.#surroundings.roots
    const sizes = parseMeminfo(readText(`${proc}/meminfo`))
    const values = swapValues(sizes.get('SwapTotal') ?? 0, sizes.get('SwapFree') ?? 0)
    const swapped = this.#swapped(`${proc}/vmstat`)
    this.#rows.emit(atUs, [], [...values, swapped?.in, swapped?.out], emit)
  }

  #swapped(path: string) {
    const vmstat = readTextIfThere(path)
    if (vmstat !== undefined) return parseSwapped(vmstat)
    this.#surroundings.unavailable.set('swap.in, swap.out', `${path} cannot be read`)
    return undefined
  }
}
