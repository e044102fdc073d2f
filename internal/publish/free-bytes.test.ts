import { expect, it } from 'vitest'
import { freeBytes } from './free-bytes.ts'

it.each([
  ['large, and alone in its memory', () => Buffer.allocUnsafeSlow(100_000), 0],
  ['a part of a larger one', () => Buffer.allocUnsafeSlow(100_001).subarray(1), 100_000],
  ['small', () => Buffer.allocUnsafeSlow(1_000), 1_000],
  ['of a pool', () => Buffer.from('abc'), 3],
])('of a Buffer that is %s there is this left', (_, make, left) => {
  const bytes = make()
  freeBytes(bytes)
  expect(bytes).toHaveLength(left)
})
