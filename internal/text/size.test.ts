import fc from 'fast-check'
import { expect, it } from 'vitest'
import { figureText } from './figure.ts'
import { byteRateFigure, sizeFigure, sizeText } from './size.ts'

it.each([
  [0, '0 B', '0 B'],
  [1023, '1023 B', '1023 B'],
  [1024, '1.00 KiB', '1 KiB'],
  [1536, '1.50 KiB', '1.5 KiB'],
  [64 * 2 ** 20, '64.0 MiB', '64 MiB'],
  [6.1 * 2 ** 30, '6.10 GiB', '6.1 GiB'],
  [15.6 * 2 ** 30, '15.6 GiB', '15.6 GiB'],
  [300 * 2 ** 40, '300 TiB', '300 TiB'],
])('%d bytes are %s, and in a sentence %s', (bytes, figure, text) => {
  expect(figureText(sizeFigure(bytes))).toBe(figure)
  expect(sizeText(bytes)).toBe(text)
})

it.each([
  [0, '0 B/s'],
  [999, '999 B/s'],
  [999.6, '1.00 kB/s'],
  [412_000, '412 kB/s'],
  [3_100_000, '3.10 MB/s'],
  [999_499_999, '999 MB/s'],
  [999_500_000, '1.00 GB/s'],
])('%d bytes a second are %s', (bytesPerSecond, text) => {
  expect(figureText(byteRateFigure(bytesPerSecond))).toBe(text)
})

it('never needs more than four characters, so that nothing on the page moves', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e20, noNaN: true }), (bytes) => {
      expect(byteRateFigure(bytes).text.length).toBeLessThanOrEqual(4)
      expect(sizeFigure(bytes).text.length).toBeLessThanOrEqual(4)
    }),
  )
})
