import { expect, test } from 'vitest'
import { memoryOfThisProcess, seriesThatFit } from './series.ts'

const MIB = 2 ** 20

test.each([
  ['a large machine', 1_000_000, 16_384, 4144, 1_000_000],
  ['a container of 512 MiB, and its heap of a half', 1_000_000, 512, 256, 447_392],
  ['a small heap', 1_000_000, 16_384, 128, 268_435],
  ['a small setting', 5000, 512, 256, 5000],
])('the series that fit into %s', (_, maxSeries, totalMib, heapMib, want) => {
  expect(seriesThatFit(maxSeries, { totalBytes: totalMib * MIB, heapLimitBytes: heapMib * MIB })).toBe(want)
})

test('the memory of this process is known', () => {
  const { totalBytes, heapLimitBytes } = memoryOfThisProcess()
  expect(totalBytes).toBeGreaterThan(64 * MIB)
  expect(totalBytes).toBeLessThan(Infinity)
  expect(heapLimitBytes).toBeGreaterThan(32 * MIB)
})
