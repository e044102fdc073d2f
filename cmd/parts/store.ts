import type { KnowsRetention, StoreReader, StoreWriter } from '../../internal/store/store.ts'
import type { Context } from '../program/context.ts'

interface ConnectedStore {
  readonly writer: StoreWriter
  readonly reader: StoreReader & Partial<KnowsRetention>
  /** Why the embedded store drops no old samples, in words; '' while it does, and for InfluxDB, which has its own clock. */
  readonly retentionProblem: string
}

/**
 * Writer and reader of the configured store, for a process that has both. Loads only this store, because DuckDB is
 * large.
 */
export async function connectStore(context: Context): Promise<ConnectedStore> {
  if (context.settings.store.kind === 'influx') {
    const { connectInfluxReader, connectInfluxWriter } = await import('./influx.ts')
    const [writer, reader] = [await connectInfluxWriter(context), await connectInfluxReader(context)]
    return { writer, reader, retentionProblem: '' }
  }
  const { openDuckDb } = await import('../../internal/store/duckdb/open.ts')
  const { clock, logger, settings, releaser, metrics } = context
  const { path, retentionMs, memoryLimitBytes } = settings.duckdb
  const memoryLimitMb = Math.floor(memoryLimitBytes / 1024 ** 2)
  // Without this, everybody who may enter the folder can read DuckDB's write-ahead log, which is the history of this
  // machine.
  process.umask(0o077)
  const store = await openDuckDb({ path, retentionMs, memoryLimitMb, clock, logger })
  releaser.push('store', () => store.close())
  metrics.gauge({
    name: 'sentinel_store_retention_ready',
    help: '1 while days beyond the retention are dropped, 0 while the clock contradicts the history.',
    read: () => (store.retentionProblem === '' ? 1 : 0),
  })
  return store
}
