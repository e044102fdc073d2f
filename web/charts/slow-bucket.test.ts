import { describe, expect, it } from 'vitest'
import { MAX_BUCKETS } from '../../internal/api/routes/history-params.ts'
import { metricPanel } from './metric-panel.ts'
import { PanelData } from './panel-data.ts'
import { slowBucket } from './slow-bucket.ts'

const HOUR_MS = 3_600_000
const RANGES_MS = [300_000, HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS, 7 * 24 * HOUR_MS]

describe('the rate of a counter that rises evenly', () => {
  const cases = [1_000, 10_000, 15_000, 20_000, 60_000].flatMap((everyMs) =>
    RANGES_MS.slice(0, 3).map((rangeMs) => [everyMs, rangeMs] as const),
  )
  it.each(cases)('is even in its history, where it comes every %d ms in a range of %d ms', (everyMs, rangeMs) => {
    // The source is asked as often as that, or every 10 s and has nothing new sometimes.
    for (const intervalMs of [everyMs, Math.min(everyMs, 10_000)]) {
      const bucketMs = slowBucket(rangeMs, intervalMs)
      const lastOf = new Map<number, number>()
      for (let atMs = 1_380; atMs < rangeMs; atMs += everyMs)
        lastOf.set(Math.floor(atMs / bucketMs) * bucketMs, 5 * atMs)
      const data = new PanelData(metricPanel('switch', 'errors', 'rate'))
      const samples = Array.from(lastOf, ([atMs, errors]) => ({
        ...{ measurement: 'switch', tags: {}, fields: { errors }, at: atMs * 1000 },
      }))
      data.load(samples, { bucketMs, rows: rangeMs / bucketMs + 32, untilMs: rangeMs, follows: false })
      const rates = data.table.cells('errors').filter((cell) => cell !== undefined)
      expect(rates.length).toBeGreaterThan(3)
      for (const rate of rates) expect(Math.abs(rate! - 5_000)).toBeLessThanOrEqual(500)
    }
  })
})

it.each(RANGES_MS)('a range of %d ms has no more buckets than the API gives', (rangeMs) => {
  for (const intervalMs of [0, 250, 10_000, 600_000])
    expect(rangeMs / slowBucket(rangeMs, intervalMs)).toBeLessThan(MAX_BUCKETS - 4)
})
