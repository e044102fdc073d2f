import type { Texts } from '../../fabric/texts.ts'
import { naturally } from './naturally.ts'
import type { Slices } from './slices.ts'

/**
 * Finds rows by their ids, and knows their natural order. The rows of all targets are numbered one after the other.
 * It is kept from one generation to the next while the ids stay: to make one for 100,000 rows takes a tenth of a second.
 */
export class RowIndex {
  readonly #targets: readonly Texts[]
  /** By id in lower case. */
  readonly #rows: ReadonlyMap<string, number>
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

  /** @param targets the ids of each target */
  static async of(targets: readonly Texts[], slices: Slices): Promise<RowIndex> {
    const found = new FoundRows()
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
    return (
      targets.length === this.#targets.length &&
      targets.every((ids, i) => ids === this.#targets[i] || ids.equals(this.#targets[i]!))
    )
  }

  /** The row of an id, in any case, with or without the `0x` of a GUID; −1 where there is none. */
  find(id: string): number {
    return this.#find(id) ?? (id.startsWith('0x') || id.startsWith('0X') ? (this.#find(id.slice(2)) ?? -1) : -1)
  }

  #find(id: string): number | undefined {
    return (
      (this.#exact.size > 0 ? this.#exact.get(id) : undefined) ?? this.#rows.get(id) ?? this.#rows.get(id.toLowerCase())
    )
  }
}

class FoundRows {
  readonly rows = new Map<string, number>()
  readonly exact = new Map<string, number>()
  readonly sameAs = new Map<number, number[]>()
  /** The ids behind `rows`, where they have capitals. */
  readonly #written = new Map<number, string>()

  /** @returns whether the id is a new one */
  add(id: string, row: number): boolean {
    const lower = id.toLowerCase()
    const first = this.rows.get(lower)
    if (first === undefined) {
      this.rows.set(lower, row)
      if (lower !== id) this.#written.set(row, id)
      return true
    }
    const writtenFirst = this.#written.get(first) ?? lower
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
