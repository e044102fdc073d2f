import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cellAt, cornerOf, layoutCells, widthOf } from './layout.ts'

const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0)

describe('the cells of a map', () => {
  it.each([
    ['50 switches', [50], 900, 560, 91],
    ['5,000 switches', [5_000], 900, 560, 8],
    ['100 switches of 48 ports', Array(100).fill(48), 900, 560, 7],
    ['a phone', [50], 326, 300, 39],
  ])('%s are as large as they can be', (_, groups, width, height, cell) => {
    const layout = layoutCells(groups, width, height)
    expect(layout.cell).toBe(cell)
    expect(layout.height).toBeLessThanOrEqual(height)
  })

  it('make the map higher where 4 pixels are too large', () => {
    const layout = layoutCells([100_000], 900, 560)
    expect(layout.cell).toBe(4)
    expect(layout.height).toBeGreaterThan(560)
  })

  it('lie within the width, apart from one another, and are found at each of their points', () => {
    const groups = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 30 })
    fc.assert(
      fc.property(
        groups,
        fc.integer({ min: 40, max: 1_000 }),
        fc.integer({ min: 40, max: 800 }),
        fc.constantFrom(0, 16),
        (counts, width, height, line) => {
          const layout = layoutCells(counts, width, height, line)
          for (const block of layout.blocks) expect(block.y).toBeGreaterThanOrEqual(line)
          for (let index = 0; index < sum(counts); index++) {
            const { x, y } = cornerOf(layout, index)
            expect(x + layout.cell).toBeLessThanOrEqual(Math.max(width, layout.cell))
            expect(y + layout.cell).toBeLessThanOrEqual(layout.height)
            expect(cellAt(layout, x, y)).toBe(index)
            expect(cellAt(layout, x + layout.cell - 1, y + layout.cell - 1)).toBe(index)
          }
        },
      ),
      { numRuns: 50 },
    )
  })

  it.each([
    [8, 4],
    [40, 8],
    [50, 10],
    [7, 3],
    [1, 1],
  ])('%d of a group stand in %d columns', (count, columns) => {
    const layout = layoutCells([count, count], 900, 560)
    expect(layout.blocks.map((block) => block.columns)).toEqual([columns, columns])
    expect(widthOf(layout, layout.blocks[0]!)).toBe(columns * (layout.cell + layout.gap) - layout.gap)
  })

  it('have nothing before the first and behind the last', () => {
    const layout = layoutCells([3], 100, 100)
    expect(cellAt(layout, -1, 0)).toBe(-1)
    expect(cellAt(layout, 0, layout.height + 50)).toBe(-1)
    expect(layoutCells([], 100, 100)).toMatchObject({ blocks: [], height: 0 })
  })
})
