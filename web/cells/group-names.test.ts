import { expect, it } from 'vitest'
import { shortNames } from './group-names.ts'

it.each([
  [['a', 'b'], 9, ['a', 'b']],
  [['node-001', 'node-002'], 4, ['…001', '…002']],
  [['node-001', 'node-002'], 6, ['…e-001', '…e-002']],
  [['node-1', 'node-12'], 3, ['…-1', '…12']],
  [['db', 'node-001'], 4, null],
  [['node-001'], 3, ['…01']],
  [['node-001', 'node-002'], 2, null],
  [[], 9, null],
])('%j in %d characters', (names, most, short) => expect(shortNames(names, most)).toEqual(short))
