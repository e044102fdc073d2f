import type { StoreReader, StoreWriter } from '../../internal/store/store.ts'
import type { Context } from '../program/context.ts'

/**
 * Writer and reader of the configured store, for a process that has both. Loads only this store, because DuckDB is
 * large.
 */
export async function connectStore(context: Context): Promise<{ writer: StoreWriter; reader: StoreReader }> {
  if (context.settings.store.kind === 'influx') {
    const { connectInfluxReader, connectInfluxWriter } = await import('./influx.ts')
    return { writer: connectInfluxWriter(context), reader: connectInfluxReader(context) }
  }
  const { openDuckDb } = await import('../../internal/store/duckdb/open.ts')
  const { clock, logger, settings, releaser } = context
  const { path, retentionMs, memoryLimitBytes } = settings.duckdb
  const memoryLimitMb = Math.floor(memoryLimitBytes / 1024 ** 2)
  // Without this, everybody who may enter the folder can read DuckDB's write-ahead log, which is the history of this
  // machine.
  process.umask(0o077)
  const store = await openDuckDb({ path, retentionMs, memoryLimitMb, clock, logger })
  releaser.push('store', () => store.close())
  return store
}
