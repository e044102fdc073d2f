import { expect, it } from 'vitest'
import { heardIn } from './hey.ts'

const SUMMARY = `
Summary:
  Total:	3.2815 secs
  Slowest:	0.0381 secs
  Requests/sec:	15237.1843

Latency distribution:
  95% in 0.0061 secs
  99% in 0.0089 secs

Status code distribution:
  [200]	50000 responses
`

it('reads what hey found', () => {
  expect(heardIn(SUMMARY)).toEqual({ rate: 15237.1843, p99Ms: 8.9 })
  expect(heardIn(SUMMARY.replace('99%', '99%%')).p99Ms).toBeCloseTo(8.9)
})

it.each([
  ['an answer that was no 200', SUMMARY.replace('50000 responses', '49999 responses\n  [503]	1 responses')],
  ['nothing that it knows', 'no summary'],
])('refuses %s', (_what, text) => {
  expect(() => heardIn(text)).toThrow(/not an answer to measure/)
})
