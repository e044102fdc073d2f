import { describe, expect, it } from 'vitest'
import type { Flame } from './data.ts'
import { byOrigin, costliest, layOut, search } from './flame-layout.ts'

const frames: Flame['frames'] = [
  { name: 'main', file: 'cmd/server/main.ts', line: 1, origin: 'own' },
  { name: 'parse', file: 'node_modules/redis-parser/lib/parser.js', line: 5, origin: 'package' },
  { name: 'decode', file: 'internal/codec/packed.ts', line: 9, origin: 'own' },
  { name: 'Garbage Collection', file: '', line: 0, origin: 'collector' },
]

/**
 * ```
 * main 10
 *   parse 6
 *     decode 4
 *   decode 3
 * Garbage Collection 2
 * ```
 */
const flame: Flame = {
  unit: 'bytes',
  frames,
  comments: [],
  nodes: { frame: [0, 1, 2, 2, 3], depth: [0, 1, 2, 1, 0], value: [10, 6, 4, 3, 2] },
}
const layout = layOut(flame)

it('lays siblings side by side, and callees below their caller', () => {
  expect(layout).toEqual({
    total: 12,
    start: [0, 0, 0, 6, 10],
    parent: [-1, 0, 1, 0, -1],
    own: [1, 2, 4, 3, 2],
    deepest: 2,
  })
})

it('adds up the own value of a function over all its calls', () => {
  expect(costliest(flame, layout).map(({ frame, own }) => [frame.name, own])).toEqual([
    ['decode', 7],
    ['parse', 2],
    ['Garbage Collection', 2],
    ['main', 1],
  ])
})

it('adds up values by the origin of the code', () => {
  expect([...byOrigin(flame, layout)]).toEqual([
    ['own', 8],
    ['package', 2],
    ['collector', 2],
  ])
})

describe('search', () => {
  it.each([
    ['a name', 'decode', [2], 7],
    ['a part of it, in any case', 'GARBAGE', [3], 2],
    ['a file', 'redis-parser', [1], 6],
    ['a caller and its callees, counted once', 'e', [0, 1, 2, 3], 12],
    ['nothing', 'missing', [], 0],
    ['no words', '  ', [], 0],
  ])('finds %s', (_, words, found, value) => {
    expect(search(flame, layout, words)).toEqual({ found: new Set(found), value })
  })
})
