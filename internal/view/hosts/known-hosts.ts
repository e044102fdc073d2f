import type { KnownHost, StoreReader } from '../../store/store.ts'
import { KnownOfStore, type KnownOfStoreOptions, type OfStore } from '../known-of-store.ts'

export interface KnownHostsOptions extends Omit<KnownOfStoreOptions<KnownHost>, 'ask' | 'what'> {
  readonly reader: StoreReader
}

/** How far back the store is asked, µs. */
const WINDOW_US = 7 * 86_400e6

/** The hosts that the store knows. */
export type HostsOfStore = OfStore<KnownHost>

/** The store's hosts of the last seven days, by name. */
export class KnownHosts extends KnownOfStore<KnownHost> {
  constructor({ reader, ...options }: KnownHostsOptions) {
    super({
      ...{ ...options, what: 'the hosts' },
      ask: async (nowUs, signal) => {
        const hosts = await reader.hosts(nowUs - WINDOW_US, signal)
        return new Map(hosts.map((known) => [known.host, known]))
      },
    })
  }
}
