import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, bench, describe } from 'vitest'
import { isRefusal } from '../../sample/border.ts'
import type { Sample } from '../../sample/sample.ts'
import { type Series, SeriesTable } from '../../sample/series.ts'
import type { Batch } from '../store.ts'
import { openDuckDb } from './open.ts'

const ROWS = 50_000
const DAY_US = Date.UTC(2026, 0, 10) * 1000

const folder = mkdtempSync(join(tmpdir(), 'sentinel-bench-'))
const store = await openDuckDb({
  path: join(folder, 'telemetry.duckdb'),
  retentionMs: 7 * 86_400_000,
  clock: { now: () => DAY_US },
  logger: pino({ enabled: false }),
})
afterAll(async () => {
  await store.close()
  rmSync(folder, { recursive: true })
})

const table = new SeriesTable()
const hosts = Array.from({ length: 100 }, (_, n) => seriesOf(`web-${n}`))
const sample: Sample = { series: hosts[0]!, values: [0, 0], at: DAY_US, tie: 0 }
const { signal } = new AbortController()

function seriesOf(host: string): Series {
  const series = table.intern('system_stats', [['host', host]], 0)
  if (isRefusal(series)) throw new Error(series.detail)
  series.field('cpu', 'float')
  series.field('mem', 'float')
  return series
}

/** The next 50,000 samples, 1 ms apart, of 100 hosts in turn. */
function fill(batch: Batch): void {
  for (let n = 0; n < ROWS; n++) {
    sample.series = hosts[n % hosts.length]!
    sample.values[0] = ((n * 37) % 10_000) / 100
    sample.values[1] = ((n * 11) % 10_000) / 100
    sample.at += 1000
    if (batch.add(sample) !== undefined) throw new Error('a sample was not taken')
  }
}

describe(`${ROWS} samples with two floats`, () => {
  bench('added', () => {
    const batch = store.writer.openBatch()
    fill(batch)
    batch.release()
  })
  bench('added and written', async () => {
    const batch = store.writer.openBatch()
    fill(batch)
    const { next } = await store.writer.write(batch, signal)
    if (next !== 'ack') throw new Error(next)
    batch.release()
  })
})

describe('history of what was written, by minute', () => {
  const range = { startUs: DAY_US, endUs: DAY_US + 86_400e6, everyUs: 60e6 }
  const query = { ...range, measurement: 'system_stats', fields: ['cpu'], tags: { host: 'web-7' } }
  bench('mean of one host', async () => {
    await store.reader.history({ ...query, aggregate: 'mean' }, signal)
  })
  bench('p99 of one host', async () => {
    await store.reader.history({ ...query, aggregate: 'p99' }, signal)
  })
  bench('mean of all 100', async () => {
    await store.reader.history({ ...query, tags: {}, aggregate: 'mean' }, signal)
  })
})
