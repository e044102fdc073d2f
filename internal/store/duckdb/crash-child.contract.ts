import { pino } from 'pino'
import { isRefusal } from '../../sample/border.ts'
import { type Series, SeriesTable } from '../../sample/series.ts'
import { openDuckDb } from './open.ts'

/** Samples of a batch in each of the two measurements. The second measurement is on the next day. */
export const PER_TABLE = 400
export const CRASH_DAY_US = Date.UTC(2026, 0, 10) * 1000
export const NEXT_DAY_US = CRASH_DAY_US + 86_400_000_000

/**
 * Opens the store at `path` and writes batches numbered from `first`. Prints the number of each batch after its ack.
 */
export async function writeUntilKilled(path: string, first: number): Promise<never> {
  const store = await openDuckDb({
    ...{ path, retentionMs: 7 * 86_400_000, clock: { now: () => NEXT_DAY_US } },
    logger: pino({ enabled: false }),
    // So that the kill comes while rows are set apart, sorted, or put in their place.
    sorting: { minRows: 1, minCells: 1, sliceCells: 1_000, everyMs: 1 },
  })
  const table = new SeriesTable()
  const today = seriesOf(table, 'today')
  const tomorrow = seriesOf(table, 'tomorrow')
  const { signal } = new AbortController()
  for (let n = first; ; n++) {
    // A new column every few batches, so transactions also alter tables.
    for (const series of [today, tomorrow]) series.field(`extra${Math.floor(n / 5)}`, 'int')
    const batch = store.writer.openBatch()
    for (let i = 0; i < PER_TABLE; i++) {
      const values = new Array<number>(today.fieldNames.length).fill(n)
      const at = n * PER_TABLE + i
      if (batch.add({ series: today, values, at: CRASH_DAY_US + at, tie: 0 }) !== undefined)
        throw new Error('not taken')
      if (batch.add({ series: tomorrow, values, at: NEXT_DAY_US + at, tie: 0 }) !== undefined)
        throw new Error('not taken')
    }
    const { next } = await store.writer.write(batch, signal)
    if (next !== 'ack') throw new Error(next)
    batch.release()
    process.stdout.write(`${n}\n`)
  }
}

function seriesOf(table: SeriesTable, measurement: string): Series {
  const series = table.intern(measurement, [['host', 'a']], 0)
  if (isRefusal(series)) throw new Error(series.detail)
  series.field('batch', 'int')
  return series
}
