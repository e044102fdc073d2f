import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Texts } from '../../fabric/texts.ts'
import { TextsBuilder } from '../../fabric/texts.ts'
import { naturally } from './naturally.ts'
import { RowIndex } from './row-index.ts'
import { Slices } from './slices.ts'

function textsOf(ids: readonly string[]): Texts {
  const builder = new TextsBuilder()
  for (const id of ids) builder.add(id)
  return builder.build()
}

const indexOf = (...targets: string[][]): Promise<RowIndex> => RowIndex.of(targets.map(textsOf), new Slices())

describe('RowIndex', () => {
  it('finds ids in any case, and those that differ only in case apart', async () => {
    const index = await indexOf(['SW-00', 'sw-01', 'Up', 'UP', 'ab12_1'])
    const rows = ['SW-00', 'sw-00', 'Sw-01', 'Up', 'UP', '0xAB12_1', '0Xab12_1', 'sw-02', '0xsw-02', ''].map((id) =>
      index.find(id),
    )
    expect(rows).toEqual([0, 0, 1, 2, 3, 4, 4, -1, -1, -1])
  })

  it('knows which rows several targets give', async () => {
    const index = await indexOf(['a', 'b', 'C'], ['d', 'b'], ['c', 'C', 'b'])
    expect(index.find('b')).toBe(1)
    expect([...index.sameAs]).toEqual([
      [1, [1, 4, 7]],
      [2, [2, 6]],
    ])
    expect([...index.order]).toEqual([2, 0, 1, 5, 3])
    expect(
      index.isOf(
        [
          ['a', 'b', 'C'],
          ['d', 'b'],
          ['c', 'C', 'b'],
        ].map(textsOf),
      ),
    ).toBe(true)
    expect(
      index.isOf(
        [
          ['a', 'b', 'C'],
          ['d', 'b'],
          ['c', 'C', 'x'],
        ].map(textsOf),
      ),
    ).toBe(false)
    expect(index.isOf([['a', 'b', 'C']].map(textsOf))).toBe(false)
  })

  it('sorts any ids naturally, each once', async () => {
    const id = fc.string({ unit: fc.constantFrom('0', '1', '2', 'a', 'b', '_'), maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(id), { maxLength: 3 }), async (targets) => {
        const index = await indexOf(...targets)
        const all = targets.flat()
        const inOrder = Array.from(index.order, (row) => all[row]!)
        expect(inOrder).toEqual([...new Set(all)].sort(naturally))
        for (const one of all) expect(all[index.find(one)]).toBe(one)
      }),
    )
  })
})
