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

  it('holds no memory of the snapshot that it was made of', async () => {
    const [ids, same] = [textsOf(['sw1', 'SW2']), textsOf(['sw1', 'SW2'])]
    const index = await RowIndex.of([ids], new Slices())
    ids.bytes.fill(0)
    ids.starts.fill(0)
    expect(['SW1', 'sw2', ''].map((id) => index.find(id))).toEqual([0, 1, -1])
    expect(index.isOf([same])).toBe(true)
  })

  it('finds each of 20,000 ids, also between targets without any', async () => {
    const ids = Array.from({ length: 20_000 }, (_, n) => `b83fd2a0${(n >> 5).toString(16).padStart(8, '0')}_${n & 31}`)
    const index = await indexOf([], ids.slice(0, 7000), [], ids.slice(7000), [])
    expect(ids.findIndex((id, row) => index.find(id) !== row)).toBe(-1)
    expect(index.find('b83fd2a000000000_32')).toBe(-1)
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
