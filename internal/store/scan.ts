import { type RowsQuery, StoreError, type StoredRow, type StoreReader } from './store.ts'

/** Rows of one answer, some MB. */
const MOST_ROWS = 5_000
const FIRST_WIDTH_US = 1e6
const WIDEST_US = 400 * 86_400e6

export type ScanQuery = Omit<RowsQuery, 'first' | 'limit'>

/**
 * All samples of a range, the oldest first, some at a time: between two answers the store answers others. `ask` bounds each question.
 *
 * @throws StoreError
 */
export async function* scanRows(
  reader: StoreReader,
  query: ScanQuery,
  ask: <T>(question: (signal: AbortSignal) => Promise<T>) => Promise<T>,
): AsyncGenerator<StoredRow[], void> {
  let widthUs = FIRST_WIDTH_US
  for (let startUs = query.startUs; startUs < query.endUs; ) {
    const endUs = Math.min(query.endUs, startUs + widthUs)
    const window: RowsQuery = { ...query, startUs, endUs, first: 'oldest', limit: MOST_ROWS + 1 }
    const rows = await ask((signal) => reader.rows(window, signal)).catch((error: unknown) => {
      const isTooMuch = error instanceof StoreError && error.kind === 'too_much' && widthUs > 1
      if (isTooMuch) return undefined
      throw error
    })
    if (rows === undefined) {
      widthUs = Math.max(1, Math.floor(widthUs / 4))
      continue
    }
    const last = rows.at(-1)
    if (last !== undefined && rows.length > MOST_ROWS) {
      const whole = rows.filter(({ at }) => at < last.at)
      if (whole.length === 0) throw new StoreError('too_much', `over ${MOST_ROWS} samples of one µs`)
      yield whole
      widthUs = Math.max(1, last.at - startUs)
      startUs = last.at
    } else {
      if (rows.length > 0) yield rows
      startUs = endUs
      if (rows.length < MOST_ROWS / 4) widthUs = Math.min(WIDEST_US, widthUs * 4)
    }
  }
}
