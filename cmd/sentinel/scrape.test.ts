import { expect, test } from 'vitest'
import { parseScrape } from './scrape.ts'

test('sums a metric over all label values, or gives it by the first label', () => {
  const scrape = parseScrape(
    [
      '# HELP sentinel_dropped_samples_total Good samples given up, by the reason.',
      '# TYPE sentinel_dropped_samples_total counter',
      'sentinel_dropped_samples_total{reason="stopped"} 3',
      'sentinel_dropped_samples_total{reason="queue_full"} 4',
      'sentinel_held_samples 5',
      'sentinel_latency_seconds_bucket{stage="e2e",le="0.001"} 6',
      'sentinel_latency_seconds_bucket{stage="e2e",le="+Inf"} 1.5e3',
      'process_open_fds 7',
      '',
    ].join('\n'),
  )
  expect(scrape.sum('dropped_samples_total')).toBe(7)
  expect([...scrape.by('dropped_samples_total')]).toEqual([
    ['stopped', 3],
    ['queue_full', 4],
  ])
  expect(scrape.sum('held_samples')).toBe(5)
  expect(scrape.sum('latency_seconds_bucket')).toBe(1506)
  expect([scrape.has('held_samples'), scrape.has('open_fds'), scrape.sum('spool_ready', 1)]).toEqual([true, false, 1])
})
