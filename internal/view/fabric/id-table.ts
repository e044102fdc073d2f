const FREE = -1

/**
 * Finds rows by the text of their ids in lower case. The texts stay where they are: a Map of 100,000 strings would add 7 ms to each
 * full garbage collection, in which no request is answered.
 */
export class IdTable {
  readonly #idAt: (row: number) => string
  /** Rows, each at or after the place that the hash of its id gives. */
  readonly #rows: Int32Array
  readonly #mask: number
  /** So that nobody can choose ids that all have one place. */
  readonly #seed = (Math.random() * 2 ** 32) | 0

  /** @param most rows that are ever added. @param idAt gives the id of a row, in any case */
  constructor(most: number, idAt: (row: number) => string) {
    this.#idAt = idAt
    const places = 2 ** Math.ceil(Math.log2(2 * most + 2))
    this.#rows = new Int32Array(places).fill(FREE)
    this.#mask = places - 1
  }

  /** @param lower the id in lower case */
  get(lower: string): number | undefined {
    const row = this.#rows[this.#placeOf(lower)]!
    return row === FREE ? undefined : row
  }

  /** Adds the row of an id, unless it has one. @returns the one that it had */
  add(lower: string, row: number): number | undefined {
    const place = this.#placeOf(lower)
    const first = this.#rows[place]!
    if (first !== FREE) return first
    this.#rows[place] = row
    return undefined
  }

  /** Where the row of an id is, or would be. */
  #placeOf(lower: string): number {
    let place = hashOf(lower, this.#seed) & this.#mask
    for (;;) {
      const row = this.#rows[place]!
      if (row === FREE || this.#idAt(row).toLowerCase() === lower) return place
      place = (place + 1) & this.#mask
    }
  }
}

/** FNV-1a, with its upper bits folded into the lower ones. */
function hashOf(text: string, seed: number): number {
  let hash = seed
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash ^ (hash >>> 15)
}
