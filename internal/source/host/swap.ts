import type { SampleSink } from '../../sample/sample.ts'
import { counter, readText, readTextIfThere } from './kernel-files.ts'
import { type FieldList, type Measurement, PERCENT, percentOf, type Surroundings } from './measurement.ts'
import { parseMeminfo } from './mem.ts'
import { Rows } from './rows.ts'

/** Bytes; `in` and `out` are counters since boot. */
export const SWAP_FIELDS: FieldList = [
  ['total', 'int'],
  ['used', 'int', { max: 'total' }],
  ['free', 'int', { max: 'total' }],
  ['used_percent', 'float', PERCENT],
  ['in', 'int'],
  ['out', 'int'],
]

/**
 * Telegraf counts a page as 4 KiB on every machine. With the true size, dashboards made for Telegraf would be wrong.
 */
const PAGE_BYTES = 4096

/** What was swapped in and out since boot, bytes; NaN where the line is missing or is no number. */
export function parseSwapped(vmstat: string): { in: number | bigint; out: number | bigint } {
  const bytes = (name: string) => counter(new RegExp(`^${name} (.*)$`, 'm').exec(vmstat)?.[1], PAGE_BYTES)
  return { in: bytes('pswpin'), out: bytes('pswpout') }
}

/** In the order of `SWAP_FIELDS`. A machine without swap has used 0 bytes, but no percentage of them. */
export function swapValues(total: number, free: number): (number | undefined)[] {
  const used = total - free
  return [total, used, free, percentOf(used, total)]
}

const IN_AND_OUT = 'swap.in, swap.out'

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
    const { leftOut, unavailable } = this.#surroundings
    const vmstat = readTextIfThere(path)
    if (vmstat === undefined) {
      unavailable.set(IN_AND_OUT, `${path} cannot be read`)
      leftOut.note('unreadable', IN_AND_OUT, `${path} cannot be read`)
      return undefined
    }
    unavailable.delete(IN_AND_OUT)
    return parseSwapped(vmstat)
  }
}
