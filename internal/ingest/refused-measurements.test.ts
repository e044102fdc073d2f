import { expect, it } from 'vitest'
import { RefusedMeasurements } from './refused-measurements.ts'

it('knows a measurement for five minutes after the last refusal', () => {
  const refused = new RefusedMeasurements()
  refused.note('cpu', 0)
  refused.note('mem', 100e6)
  refused.note('cpu', 200e6)
  expect(refused.at(400e6)).toEqual(['mem', 'cpu'])
  expect(refused.at(450e6)).toEqual(['cpu'])
  expect(refused.at(501e6)).toEqual([])
})

it('is bounded: the oldest make room', () => {
  const refused = new RefusedMeasurements()
  for (let n = 0; n < 1000; n++) refused.note(`m${n}`, n)
  expect(refused.at(1000)).toEqual(Array.from({ length: 100 }, (_, n) => `m${n + 900}`))
})
