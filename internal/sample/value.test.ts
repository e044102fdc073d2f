import { describe, expect, it } from 'vitest'
import { type FieldKind, fitsKind, integerFitsKind, type Slot } from './value.ts'

const KINDS: readonly FieldKind[] = ['float', 'int', 'uint', 'bool', 'string']
const BEYOND_INT64 = 2n ** 63n
const BEYOND_UINT64 = 2n ** 64n

describe('fitsKind', () => {
  it.each<[Slot, FieldKind[]]>([
    [undefined, []],
    [Number.NaN, []],
    [Infinity, []],
    [-Infinity, []],
    [0, ['float', 'int', 'uint']],
    [-0, ['float', 'int', 'uint']],
    [1.5, ['float']],
    [-1, ['float', 'int']],
    [2 ** 63, ['float', 'uint']],
    [-(2 ** 63), ['float', 'int']],
    [-(2 ** 63) - 2048, ['float']],
    [2 ** 64, ['float']],
    [0n, ['int', 'uint']],
    [-1n, ['int']],
    [BEYOND_INT64 - 1n, ['int', 'uint']],
    [BEYOND_INT64, ['uint']],
    [-BEYOND_INT64, ['int']],
    [-BEYOND_INT64 - 1n, []],
    [BEYOND_UINT64 - 1n, ['uint']],
    [BEYOND_UINT64, []],
    [true, ['bool']],
    ['', ['string']],
    ['1', ['string']],
  ])('%s fits %j', (value, kinds) => {
    expect(KINDS.filter((kind) => fitsKind(value, kind))).toEqual(kinds)
  })
})

describe('integerFitsKind', () => {
  it.each<[number | bigint, FieldKind[]]>([
    [5, ['float', 'int', 'uint']],
    [-5, ['float', 'int']],
    [2n ** 53n + 1n, ['int', 'uint']],
    [2n ** 53n + 2n, ['float', 'int', 'uint']],
    [BEYOND_INT64, ['float', 'uint']],
  ])('%s keeps its value as %j', (value, kinds) => {
    expect(KINDS.filter((kind) => integerFitsKind(value, kind))).toEqual(kinds)
  })
})
