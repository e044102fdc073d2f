import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isoTime } from './iso-time.ts'

test('a time is written as Date writes it', () => {
  const ofFourDigits = fc.date({ noInvalidDate: true, min: new Date('0000-01-01'), max: new Date('9999-12-31') })
  fc.assert(
    fc.property(ofFourDigits, (date) => {
      expect(isoTime(date)).toBe(date.toISOString())
    }),
  )
  const newYear = new Date(Date.UTC(2026, 0, 1))
  expect(isoTime(newYear)).toBe('2026-01-01T00:00:00.000Z')
})
