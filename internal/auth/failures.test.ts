import { expect, it } from 'vitest'
import { Failures } from './failures.ts'

let nowMs = 0
const clock = { nowMs: () => nowMs }

it('answers ten failures of an address at once, and each further one later than the one before', () => {
  const failures = new Failures(clock)
  const delays = Array.from({ length: 20 }, () => {
    const { delayMs } = failures.count('192.0.2.1')
    failures.answered('192.0.2.1')
    return delayMs
  })
  expect(delays.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 0))
  expect(delays.slice(10)).toEqual([50, 100, 200, 400, 800, 1600, 2000, 2000, 2000, 2000])
  expect(failures.count('192.0.2.2').delayMs).toBe(0)
})

it('lets eight of an address wait, and refuses more until one is answered', () => {
  const failures = new Failures(clock)
  const outcomes = Array.from({ length: 20 }, () => failures.count('192.0.2.1'))
  expect(outcomes.filter(({ delayMs }) => delayMs > 0)).toHaveLength(8)
  expect(outcomes.slice(18)).toEqual([
    { delayMs: 0, isRefused: true },
    { delayMs: 0, isRefused: true },
  ])
  failures.answered('192.0.2.1')
  expect(failures.count('192.0.2.1')).toEqual({ delayMs: 2000, isRefused: false })
})

it('forgets an address that was quiet for a minute', () => {
  const failures = new Failures(clock)
  for (let n = 0; n < 15; n++) failures.count('192.0.2.1')
  nowMs += 60_000
  expect(failures.count('192.0.2.1').delayMs).toBeGreaterThan(0)
  nowMs += 60_001
  expect(failures.count('192.0.2.1').delayMs).toBe(0)
})

it('keeps 10,000 addresses, and forgets the one that was quiet longest', () => {
  const failures = new Failures(clock)
  for (let n = 0; n < 11; n++) for (const address of ['quiet', 'busy']) failures.count(address)
  for (let n = 0; n < 10_000; n++) {
    failures.count(`10.0.${n >> 8}.${n & 255}`)
    if (n % 1000 === 0) failures.count('busy')
  }
  expect(failures.count('quiet')).toEqual({ delayMs: 0, isRefused: false })
  expect(failures.count('busy')).not.toEqual({ delayMs: 0, isRefused: false })
})
