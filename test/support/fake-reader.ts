import type { HistorySeries, KnownHost, StoredRow, StoreReader } from '../../internal/store/store.ts'

/** A store that answers, or fails, as a test wants. It has nothing at first. */
export class FakeReader implements StoreReader {
  hosts: StoreReader['hosts'] = async (): Promise<KnownHost[]> => []
  hasHost: StoreReader['hasHost'] = async (host, signal) =>
    (await this.hosts(0, signal)).some((known) => known.host === host)
  history: StoreReader['history'] = async (): Promise<HistorySeries[]> => []
  rows: StoreReader['rows'] = async (): Promise<StoredRow[]> => []
  newest: StoreReader['newest'] = async (): Promise<StoredRow[]> => []
  fieldKinds: StoreReader['fieldKinds'] = async () => new Map()
  writeParquet: StoreReader['writeParquet'] = undefined
  async probe(): Promise<void> {}
  async close(): Promise<void> {}
}
