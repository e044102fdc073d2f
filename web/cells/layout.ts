/** Where the cells of a map are, CSS pixels. Cells are squares in rows; those of one group are one block. */
export interface Layout {
  /** The side of a cell. */
  readonly cell: number
  /** The distance of two cells, from edge to edge. */
  readonly gap: number
  /** The height of the line with the name of a group, above its block; 0 where groups have none. */
  readonly line: number
  readonly blocks: readonly Block[]
  readonly height: number
}

/** The cells of one group, row by row. */
export interface Block {
  /** The number of its first cell. */
  readonly first: number
  readonly count: number
  readonly columns: number
  readonly x: number
  /** The top of its first cell. */
  readonly y: number
}

const LARGEST = 96
const SMALLEST = 4
/** Between the blocks of two groups, so that they are seen apart. */
const BLOCK_GAP = 8
/** A group whose cells are so many in all is a full rectangle only where that is no wider than this, against a square. */
const WIDEST = 1.5

/**
 * Places groups of cells, in their order, from left to right and line by line: the largest cells with which all fit into
 * the height. 4 px is the least that a pointer can meet; where even these do not fit, the map is higher.
 *
 * @param groups the number of cells of each group; one group fills the whole width
 * @param line the height of the line with the name of a group
 */
export function layoutCells(groups: readonly number[], width: number, height: number, line = 0): Layout {
  let [low, high] = [SMALLEST, LARGEST]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (placed(groups, width, middle, line).height <= height) low = middle
    else high = middle - 1
  }
  return placed(groups, width, low, line)
}

function placed(groups: readonly number[], width: number, cell: number, line: number): Layout {
  const gap = cell >= 8 ? 2 : 1
  const step = cell + gap
  const most = Math.max(1, Math.floor((width + gap) / step))
  const blocks: Block[] = []
  let [first, x, y, lineHeight] = [0, 0, 0, 0]
  for (const count of groups) {
    const columns = Math.min(most, groups.length === 1 ? most : columnsOf(count))
    const [blockWidth, blockHeight] = [columns * step - gap, line + Math.ceil(count / columns) * step - gap]
    if (x > 0 && x + blockWidth > width) {
      x = 0
      y += lineHeight + BLOCK_GAP
      lineHeight = 0
    }
    blocks.push({ first, count, columns, x, y: y + line })
    first += count
    x += blockWidth + BLOCK_GAP
    lineHeight = Math.max(lineHeight, blockHeight)
  }
  return { cell, gap, line, blocks, height: y + lineHeight }
}

/** The columns of a block: about a square, and a full rectangle where there is one: eight cells are 4 × 2. */
function columnsOf(count: number): number {
  const square = Math.ceil(Math.sqrt(count))
  for (let columns = square; columns <= WIDEST * square; columns++) if (count % columns === 0) return columns
  return square
}

/** The upper left corner of a cell. */
export function cornerOf({ blocks, cell, gap }: Layout, index: number): { readonly x: number; readonly y: number } {
  const block = blocks[blockOf(blocks, index)]
  if (block === undefined) return { x: 0, y: 0 }
  const place = index - block.first
  const step = cell + gap
  return { x: block.x + (place % block.columns) * step, y: block.y + Math.floor(place / block.columns) * step }
}

/** The width of a block. */
export function widthOf({ cell, gap }: Layout, { columns }: Block): number {
  return columns * (cell + gap) - gap
}

/** The cell at a point, or −1 between cells. */
export function cellAt({ blocks, cell, gap }: Layout, x: number, y: number): number {
  const step = cell + gap
  for (const block of blocks) {
    const [column, row] = [Math.floor((x - block.x) / step), Math.floor((y - block.y) / step)]
    if (column < 0 || column >= block.columns || row < 0) continue
    const place = row * block.columns + column
    if (place < block.count) return block.first + place
  }
  return -1
}

/** The block that a cell is in: the last that begins at or before it. */
export function blockOf(blocks: readonly Block[], index: number): number {
  let [low, high] = [0, blocks.length - 1]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (blocks[middle]!.first <= index) low = middle
    else high = middle - 1
  }
  return low
}
