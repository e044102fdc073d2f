import { expect, it } from 'vitest'
import { timeText } from './time-text.ts'

it.each([
  [0, '1970-01-01T00:00:00Z'],
  [1_758_796_200_000_000, '2025-09-25T10:30:00Z'],
  [1_758_796_200_500_000, '2025-09-25T10:30:00.5Z'],
  [1_758_796_200_000_001, '2025-09-25T10:30:00.000001Z'],
  [-1, '1969-12-31T23:59:59.999999Z'],
])('writes %d µs as %s', (us, text) => {
  expect(timeText(us)).toBe(text)
})
