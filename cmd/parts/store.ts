import type { StoreReader, StoreWriter } from '../../internal/store/store.ts'
import type { Context } from '../program/context.ts'

/** Both ends of whichever store the settings name, for a process that has both. Only that is loaded: DuckDB is large. */
export async function connectStore(context: Context): Promise<{ writer: StoreWriter; reader: StoreReader }> {
  if (context.settings.store.kind === 'influx') {
    const { connectInfluxReader, connectInfluxWriter } = await import('./influx.ts')
    return { writer: connectInfluxWriter(context), reader: connectInfluxReader(context) }
  }
  const { openDuckDb } = await import('../../internal/store/duckdb/open.ts')
  const { clock, logger, settings, releaser } = context
  const { path, retentionMs, memoryLimitBytes } = settings.duckdb
  const memoryLimitMb = Math.floor(memoryLimitBytes / 1024 ** 2)
  // DuckDB makes its write-ahead log readable to all who may enter the folder; it is the history of this machine.
  process.umask(0o077)
  const store = await openDuckDb({ path, retentionMs, memoryLimitMb, clock, logger })
  releaser.push('store', () => store.close())
  return store
}
