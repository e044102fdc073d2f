import { expect, it } from 'vitest'
import { counted } from '../support/counted.ts'
import * as guard from './collect.ts'

it('takes the benchmarks that count their work, by their groups and names', () => {
  const run = counted(1, 'turn', () => 1)
  guard.describe('outer', () => {
    guard.describe('inner', () => guard.bench('a', run))
    guard.bench('b', run)
    guard.bench('for comparison', () => {})
  })
  expect(guard.cases).toEqual([
    { name: 'outer > inner > a', run },
    { name: 'outer > b', run },
  ])
})
