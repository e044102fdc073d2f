import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDuration, formatSize, parseDuration, parseSize } from './units.ts'

test.each([
  ['250', 250],
  ['250ms', 250],
  ['10s', 10_000],
  ['10 s', 10_000],
  ['1.5h', 5_400_000],
  ['5M', 300_000],
  [' 7d ', 604_800_000],
  ['0', 0],
  ['', undefined],
  ['-1s', undefined],
  ['1w', undefined],
  ['s', undefined],
  ['1e3', undefined],
  ['1h30m', undefined],
])('%j is %d ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms)
})

test.each([
  ['4096', 4096],
  ['64MiB', 67_108_864],
  ['64mib', 67_108_864],
  ['1.5 KiB', 1536],
  ['1kB', 1000],
  ['2GB', 2e9],
  ['1B', 1],
  ['64M', undefined],
  ['lots', undefined],
])('%j is %d bytes', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes)
})

test('what is written in the shortest way reads back as the same number', () => {
  fc.assert(
    fc.property(fc.nat(), fc.constantFrom(1, 1000, 1024, 60_000, 86_400_000), (n, factor) => {
      expect(parseDuration(formatDuration(n * factor))).toBe(n * factor)
      expect(parseSize(formatSize(n * factor))).toBe(n * factor)
    }),
  )
  expect([formatDuration(10_000), formatDuration(1500), formatSize(64 * 1024 * 1024), formatSize(1000)]).toEqual([
    '10s',
    '1500ms',
    '64MiB',
    '1000B',
  ])
})
