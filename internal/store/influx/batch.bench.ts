import { bench, describe } from 'vitest'
import { counted } from '../../../test/support/counted.ts'
import { isRefusal } from '../../sample/border.ts'
import type { Sample } from '../../sample/sample.ts'
import { SeriesTable } from '../../sample/series.ts'
import { BatchPool } from './batch.ts'

const LINES = 5000
const LIMITS = { maxSamples: LINES, maxBytes: 1 << 20, maxLineBytes: 1 << 20 }

function samples(value: (n: number) => number): Sample[] {
  const table = new SeriesTable()
  return Array.from({ length: LINES }, (_, n) => {
    const series = table.intern('system_stats', [['host', `web-${n % 100}`]], 0)
    if (isRefusal(series)) throw new Error(series.detail)
    series.field('cpu', 'float')
    series.field('mem', 'float')
    return { series, values: [value(n), value(n + 1)], at: 1_763_900_000_123_456 + n * 7, tie: 0 }
  })
}

describe('a batch of 5,000 samples of two floats, filled and released', () => {
  const pool = new BatchPool()
  const fill = (some: readonly Sample[]): number => {
    const batch = pool.open(LIMITS)
    for (const sample of some) batch.add(sample)
    const { samples } = batch
    batch.release()
    return samples
  }
  const short = samples((n) => ((n * 37) % 10_000) / 100)
  const random = samples((n) => Math.abs(Math.sin(n * 3)) * 100)
  bench(
    'two decimals',
    counted(LINES, 'sample', () => fill(short)),
  )
  bench(
    'full precision',
    counted(LINES, 'sample', () => fill(random)),
  )
})
