import type { CsvScanner } from '../format/csv/scanner.ts'
import { cleanText, MAX_TAG_VALUE_BYTES } from '../sample/border.ts'
import { sortedTags, writeNames } from '../sample/series-names.ts'
import type { Tag } from '../sample/value.ts'
import type { PortCells, TableColumns } from './columns.ts'
import { identityOf } from './port-identity.ts'

/** What `find` returns for a row that says of nobody what it has. */
export const NOBODY = -1

/** Of a cell that tells more, so much is kept; one that says who has no more. */
const MAX_CELL_BYTES = MAX_TAG_VALUE_BYTES
const FIRST_ROWS = 1024
const LENGTH_BYTES = 2
/** Of a row: where its cells, its id and its names begin, and where the last two end. */
const [CELLS, ID, ID_END, NAMES, NAMES_END, PLACES] = [0, 1, 2, 3, 4, 5]

export interface KnownRowsOptions {
  readonly columns: TableColumns
  /** The tag `fabric` of all series, where there are several. */
  readonly fabric: string | undefined
}

/**
 * The rows that a target has given, each with its id and the names of its series: made once, and found again by the bytes
 * of the cells that say who. A target gives its rows mostly in the order of the time before, so the row that followed
 * then is compared first; `SeriesFinder` does the same. It takes 250 bytes a row, in four arrays.
 *
 * A port has the tag `switch` from the first description of its node on. When the node gets another description later,
 * its series stay what they are.
 */
export class KnownRows {
  /** Cells, ids and names of all rows. */
  bytes = Buffer.allocUnsafe(64 * 1024)
  size = 0
  readonly #columns: TableColumns
  readonly #fabric: readonly Tag[]
  readonly #compared: readonly number[]
  readonly #byId = new Map<string, number>()
  /** The first description of each node. */
  readonly #descriptions = new Map<string, string>()
  readonly #switches: Array<string | undefined> = []
  #places = new Uint32Array(FIRST_ROWS * PLACES)
  #followers = new Int32Array(FIRST_ROWS).fill(NOBODY)
  #end = 0
  #last = 0
  /** Rows that came for the first time, or with another text that tells of them, since this was last emptied. */
  changed: number[] = []

  constructor({ columns, fabric }: KnownRowsOptions) {
    this.#columns = columns
    this.#fabric = fabric === undefined ? [] : [['fabric', fabric]]
    const { id, port, aggregated, portType, description, info } = columns
    const cells = [
      id,
      ...placesOf(port),
      ...placesOf(aggregated),
      portType,
      description,
      ...info.map(({ cell }) => cell),
    ]
    this.#compared = [...new Set(cells)].filter((cell) => cell >= 0)
  }

  /** Bytes in use, of rows that are gone and of texts that changed too. */
  get bytesUsed(): number {
    return this.#end
  }

  idAt(row: number): number {
    return this.#places[row * PLACES + ID]!
  }

  idEnd(row: number): number {
    return this.#places[row * PLACES + ID_END]!
  }

  /** Names of the series of a row, as series-names.ts writes them. */
  namesAt(row: number): number {
    return this.#places[row * PLACES + NAMES]!
  }

  namesEnd(row: number): number {
    return this.#places[row * PLACES + NAMES_END]!
  }

  /** The present description of the node of a port. */
  switchOf(row: number): string | undefined {
    return this.#switches[row]
  }

  /** The row that the scanner is at: its number, or NOBODY. */
  find(scanner: CsvScanner): number {
    const guess = this.#followers[this.#last]!
    const row = guess >= 0 && this.#hasCells(guess, scanner) ? guess : this.#search(scanner)
    if (row < 0) return NOBODY
    this.#followers[this.#last] = row
    this.#last = row
    return row
  }

  /** A text that tells of a row, by its column: where it begins in `bytes`, and where it ends. */
  infoOf(row: number, cell: number): { readonly start: number; readonly end: number } {
    let at = this.#places[row * PLACES + CELLS]!
    for (const other of this.#compared) {
      const start = at + LENGTH_BYTES
      const end = start + this.bytes.readUInt16LE(at)
      if (other === cell) return { start, end }
      at = end
    }
    return { start: 0, end: 0 }
  }

  /** The names of the series with the texts that tell of a row. */
  infoNames(row: number): Buffer {
    const id = this.bytes.toString('utf8', this.idAt(row), this.idEnd(row))
    return writeNames('fabric_info', sortedTags(this.#tagsOf(id)))
  }

  #hasCells(row: number, { bytes, starts, ends }: CsvScanner): boolean {
    const own = this.bytes
    let at = this.#places[row * PLACES + CELLS]!
    for (let i = 0; i < this.#compared.length; i++) {
      const cell = this.#compared[i]!
      const start = starts[cell]!
      const length = Math.min(ends[cell]! - start, MAX_CELL_BYTES)
      if (own[at]! + own[at + 1]! * 256 !== length) return false
      at += LENGTH_BYTES
      // From the end: GUIDs of one vendor begin alike, and so do the numbers of a port behind them.
      for (let j = length - 1; j >= 0; j--) if (own[at + j] !== bytes[start + j]) return false
      at += length
    }
    return true
  }

  #search(scanner: CsvScanner): number {
    const id = this.#idOf(scanner)
    if (id === undefined) return NOBODY
    const known = this.#byId.get(id)
    if (known !== undefined) {
      if (!this.#hasCells(known, scanner)) this.#change(known, id, scanner)
      return known
    }
    const row = this.size++
    if (this.size > this.#followers.length) this.#grow()
    this.#byId.set(id, row)
    const idBytes = Buffer.from(id)
    const idAt = this.#keep(idBytes)
    this.#places[row * PLACES + ID] = idAt
    this.#places[row * PLACES + ID_END] = idAt + idBytes.length
    this.#change(row, id, scanner)
    return row
  }

  /** Takes the cells of a row, and gives its series the tag `switch` where it can and has none. */
  #change(row: number, id: string, scanner: CsvScanner): void {
    this.#places[row * PLACES + CELLS] = this.#keepCells(scanner)
    this.changed.push(row)
    const { subject, description: cell } = this.#columns
    const description = usable(textOf(scanner, cell))
    const node = nodeOf(id)
    const before = this.#descriptions.get(node)
    if (before === undefined && description !== undefined) this.#descriptions.set(node, description)
    // One text for all ports of a node.
    this.#switches[row] = description === before ? before : description
    const tags = this.#tagsOf(id)
    if (subject === 'fabric_port') tags.push(['switch', this.#descriptions.get(node) ?? ''])
    const names = writeNames(subject, sortedTags(tags))
    if (names.equals(this.bytes.subarray(this.namesAt(row), this.namesEnd(row)))) return
    const at = this.#keep(names)
    this.#places[row * PLACES + NAMES] = at
    this.#places[row * PLACES + NAMES_END] = at + names.length
  }

  #tagsOf(id: string): Tag[] {
    if (this.#columns.subject === 'switch') return [...this.#fabric, ['switch', id]]
    const node = nodeOf(id)
    return [...this.#fabric, ['node_guid', node], ['port_num', id.slice(node.length + 1)]]
  }

  #idOf(scanner: CsvScanner): string | undefined {
    const { id, port, aggregated, portType } = this.#columns
    if (id >= 0) return usable(textOf(scanner, id))
    const of = (cell: number | undefined): string | undefined =>
      cell === undefined ? undefined : (usable(textOf(scanner, cell)) ?? '')
    const identity = identityOf({
      ...{
        node: of(port?.guid),
        port: of(port?.port),
        system: of(aggregated?.guid),
        aggregatedPort: of(aggregated?.port),
      },
      type: textOf(scanner, portType),
    })
    return identity && usable(`${identity.guid}_${identity.number}`)
  }

  #keepCells({ bytes, starts, ends }: CsvScanner): number {
    const first = this.#end
    for (const cell of this.#compared) {
      const start = starts[cell]!
      const length = Math.min(ends[cell]! - start, MAX_CELL_BYTES)
      const at = this.#room(LENGTH_BYTES + length)
      this.bytes.writeUInt16LE(length, at)
      bytes.copy(this.bytes, at + LENGTH_BYTES, start, start + length)
    }
    return first
  }

  #keep(bytes: Uint8Array): number {
    const at = this.#room(bytes.length)
    this.bytes.set(bytes, at)
    return at
  }

  #room(bytes: number): number {
    const at = this.#end
    this.#end += bytes
    if (this.#end > this.bytes.length) {
      const larger = Buffer.allocUnsafe(2 * this.#end)
      larger.set(this.bytes.subarray(0, at))
      this.bytes = larger
    }
    return at
  }

  #grow(): void {
    const followers = new Int32Array(2 * this.#followers.length).fill(NOBODY)
    followers.set(this.#followers)
    this.#followers = followers
    const places = new Uint32Array(2 * this.#places.length)
    places.set(this.#places)
    this.#places = places
  }
}

function placesOf(cells: PortCells | undefined): number[] {
  return cells === undefined ? [] : [cells.guid, cells.port]
}

function textOf({ bytes, starts, ends }: CsvScanner, cell: number): string {
  const isUsable = cell >= 0 && ends[cell]! - starts[cell]! <= MAX_CELL_BYTES
  return isUsable ? bytes.toString('utf8', starts[cell], ends[cell]).trim() : ''
}

/** The GUID in the id of a port. What is no GUID may have a `_` in it, and then the number of the port has none. */
export function nodeOf(id: string): string {
  return /^[\da-f]{16}(?=_)/.exec(id)?.[0] ?? id.slice(0, id.lastIndexOf('_'))
}

function usable(text: string): string | undefined {
  const clean = cleanText(text)
  return clean === '' || Buffer.byteLength(clean) > MAX_TAG_VALUE_BYTES ? undefined : clean
}
