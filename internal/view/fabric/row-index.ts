import type { Texts } from '../../fabric/texts.ts'
import { IdTable } from './id-table.ts'
import { naturally } from './naturally.ts'
import type { Slices } from './slices.ts'

/**
 * Finds rows by their ids, and knows their natural order. The rows of all targets are numbered one after the other.
 * It is kept from one generation to the next while the ids stay: to make one for 100,000 rows takes a tenth of a second.
 */
export class RowIndex {
  readonly #targets: readonly Texts[]
  readonly #rows: IdTable
  /** By id as it is, of ids that differ only in case. */
  readonly #exact: ReadonlyMap<string, number>
  /** Of a row whose id several targets give: all of them. */
  readonly sameAs: ReadonlyMap<number, readonly number[]>
  /** One row of each id, in natural order of the ids. */
  readonly order: Uint32Array

  private constructor(targets: readonly Texts[], found: FoundRows, order: Uint32Array) {
    this.#targets = targets
    this.#rows = found.rows
    this.#exact = found.exact
    this.sameAs = found.sameAs
    this.order = order
  }

  /** @param given the ids of each target */
  static async of(given: readonly Texts[], slices: Slices): Promise<RowIndex> {
    // A copy: the index stays for longer than the memory of its first generation, which is used again.
    const targets = given.map((texts) => texts.copy())
    const found = new FoundRows(targets)
    const ids: string[] = []
    const order: number[] = []
    for (const texts of targets) {
      for (let row = 0; row < texts.length; row++) {
        const id = texts.at(row)
        if (found.add(id, ids.length)) order.push(ids.length)
        ids.push(id)
        if (slices.isOver) await slices.pause()
      }
    }
    return new RowIndex(targets, found, await sorted(order, ids, slices))
  }

  /** Whether it is the index of these ids too. */
  isOf(targets: readonly Texts[]): boolean {
    return targets.length === this.#targets.length && targets.every((ids, i) => ids.equals(this.#targets[i]!))
  }

  /** The row of an id, in any case, with or without the `0x` of a GUID; −1 where there is none. */
  find(id: string): number {
    return this.#find(id) ?? (id.startsWith('0x') || id.startsWith('0X') ? (this.#find(id.slice(2)) ?? -1) : -1)
  }

  #find(id: string): number | undefined {
    return (this.#exact.size > 0 ? this.#exact.get(id) : undefined) ?? this.#rows.get(id.toLowerCase())
  }
}

class FoundRows {
  readonly rows: IdTable
  readonly exact = new Map<string, number>()
  readonly sameAs = new Map<number, number[]>()
  readonly #idAt: (row: number) => string

  constructor(targets: readonly Texts[]) {
    const ends: number[] = []
    let rows = 0
    for (const { length } of targets) {
      rows += length
      ends.push(rows)
    }
    this.#idAt = (row) => {
      const target = placeAfter(ends, row)
      return targets[target]!.at(row - (ends[target - 1] ?? 0))
    }
    this.rows = new IdTable(rows, this.#idAt)
  }

  /** @returns whether the id is a new one */
  add(id: string, row: number): boolean {
    const first = this.rows.add(id.toLowerCase(), row)
    if (first === undefined) return true
    const writtenFirst = this.#idAt(first)
    const same = writtenFirst === id ? first : this.exact.get(id)
    if (same !== undefined) {
      const rows = this.sameAs.get(same)
      if (rows === undefined) this.sameAs.set(same, [same, row])
      else rows.push(row)
      return false
    }
    this.exact.set(writtenFirst, first)
    this.exact.set(id, row)
    return true
  }
}

/** The place of the first of ascending numbers that is greater. */
function placeAfter(ascending: readonly number[], number: number): number {
  let from = 0
  let to = ascending.length - 1
  while (from < to) {
    const middle = (from + to) >>> 1
    if (ascending[middle]! > number) to = middle
    else from = middle + 1
  }
  return from
}

/** Most targets list their rows in order: then one pass is enough. */
async function sorted(rows: readonly number[], ids: readonly string[], slices: Slices): Promise<Uint32Array> {
  let from = Uint32Array.from(rows)
  let to = new Uint32Array(from.length)
  const inOrder = (a: number, b: number): boolean => naturally(ids[a]!, ids[b]!) <= 0
  let isSorted = true
  for (let i = 1; i < from.length && isSorted; i++) {
    isSorted = inOrder(from[i - 1]!, from[i]!)
    if (slices.isOver) await slices.pause()
  }
  if (isSorted) return from
  // Merges runs of twice the width each time: `sort` cannot pause.
  for (let width = 1; width < from.length; width *= 2) {
    for (let start = 0; start < from.length; start += 2 * width) {
      const middle = Math.min(start + width, from.length)
      const end = Math.min(start + 2 * width, from.length)
      let [left, right] = [start, middle]
      for (let at = start; at < end; at++) {
        const takesLeft = left < middle && (right >= end || inOrder(from[left]!, from[right]!))
        to[at] = takesLeft ? from[left++]! : from[right++]!
        if (slices.isOver) await slices.pause()
      }
    }
    ;[from, to] = [to, from]
  }
  return from
}
