import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import { type Series, SeriesTable } from '../../internal/sample/series.ts'
import type { Context } from '../program/context.ts'

/**
 * What a series takes: in all, and in the heap of V8, which has a limit of its own. `node --expose-gc
 * scripts/series-memory.mjs 10000 3` prints 573 bytes for five fields and their texts.
 */
const SERIES_BYTES = 600
const SERIES_HEAP_BYTES = 250
/** The part of the memory that series may take. */
const SHARE = 1 / 2

/** What a process may use, bytes. */
export interface Memory {
  /** Of the machine, or of the container where that is less. */
  readonly totalBytes: number
  readonly heapLimitBytes: number
}

export function memoryOfThisProcess(): Memory {
  return {
    totalBytes: Math.min(totalmem(), process.constrainedMemory() || Infinity),
    heapLimitBytes: getHeapStatistics().heap_size_limit,
  }
}

/** How many series a table may have, so that it takes at most half of the memory. */
export function seriesThatFit(maxSeries: number, { totalBytes, heapLimitBytes }: Memory): number {
  const inAll = (totalBytes * SHARE) / SERIES_BYTES
  const inHeap = (heapLimitBytes * SHARE) / SERIES_HEAP_BYTES
  return Math.floor(Math.min(maxSeries, inAll, inHeap))
}

/** Opens the table of the series of a server. */
export function openSeries({ settings, logger }: Context, onEvict: (series: Series) => void): SeriesTable {
  const { maxSeries } = settings.ingest
  const memory = memoryOfThisProcess()
  const kept = seriesThatFit(maxSeries, memory)
  if (kept < maxSeries) {
    const mib = (bytes: number): number => Math.floor(bytes / 2 ** 20)
    logger.warn(
      { maxSeries, kept, memoryMib: mib(memory.totalBytes), heapLimitMib: mib(memory.heapLimitBytes) },
      'ingest.maxSeries is more than fits into half of the memory: fewer series are kept',
    )
  }
  return new SeriesTable({ maxSeries: kept, onEvict })
}

/** Says that the table is full, if it was so since the last call. */
export function tellFull({ throttle }: Context, table: SeriesTable): () => void {
  let told = 0
  return () => {
    if (table.refused === told) return
    told = table.refused
    const next = 'find a tag whose value always changes, or raise ingest.maxSeries'
    throttle.warn(
      'table of series full',
      { series: table.size, next },
      'the table of series is full: samples of further series are stored, but not shown live',
    )
  }
}
