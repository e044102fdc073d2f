import { expect, it } from 'vitest'
import { spanText, timeText } from './times.ts'

it('names the day of a window once', () => {
  const noon = new Date(2025, 10, 23, 12, 0, 5).getTime()
  expect(timeText(noon)).toBe('12:00:05')
  expect(spanText(noon, noon + 60_000)).toBe('23 Nov 12:00:05 – 12:01:05')
  expect(spanText(noon, noon + 86_400_000)).toBe('23 Nov 12:00:05 – 24 Nov 12:00:05')
})
