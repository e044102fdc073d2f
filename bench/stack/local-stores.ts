import { join } from 'node:path'
import { askInflux, askVictoria } from './ask.ts'
import type { ServerProgram } from './find-programs.ts'
import { freePort } from './ports.ts'
import type { StoreKind } from './stack.ts'

/** The database of InfluxDB 1.x, the bucket of 2.x. */
export const DATABASE = 'telemetry'

/** The address and files of a local server. */
export interface Place {
  readonly folder: string
  readonly port: number
}

/** A store as a process of this machine. */
export interface LocalStore {
  readonly name: string
  readonly program: ServerProgram
  command(program: string, place: Place): readonly string[]
  variables(place: Place): Promise<Readonly<Record<string, string>>>
  /** @returns its version when it is up */
  ask(url: string, signal: AbortSignal): Promise<string>
  /** Creates the database, if the store needs that. */
  prepare(url: string, signal: AbortSignal): Promise<void>
  /** For the report. */
  readonly note: string
}

const influx: LocalStore = {
  name: 'influxdb',
  program: 'influxd',
  // Ignores the settings in /etc/influxdb of this machine.
  command: (program) => [program, 'run', '-config', '/dev/null'],
  variables: async ({ folder, port }) => ({
    INFLUXDB_HTTP_BIND_ADDRESS: `127.0.0.1:${port}`,
    INFLUXDB_META_DIR: join(folder, 'meta'),
    INFLUXDB_DATA_DIR: join(folder, 'data'),
    INFLUXDB_DATA_WAL_DIR: join(folder, 'wal'),
    INFLUXDB_REPORTING_DISABLED: 'true',
    INFLUXDB_HTTP_LOG_ENABLED: 'false',
    // The port for backups, which cannot be turned off.
    INFLUXDB_BIND_ADDRESS: `127.0.0.1:${await freePort()}`,
  }),
  ask: askInflux,
  // Our server creates it by itself. The baseline's client library does not.
  async prepare(url, signal) {
    const body = new URLSearchParams({ q: `CREATE DATABASE "${DATABASE}"` })
    const response = await fetch(`${url}/query`, { method: 'POST', body, signal })
    if (!response.ok) throw new Error(`InfluxDB does not make a database: ${await response.text()}`)
  },
  note: 'InfluxDB: as it comes (each write is synced to its log), without its log of requests and its reports to the makers',
}

const victoria: LocalStore = {
  name: 'victoria-metrics',
  program: 'victoria-metrics',
  command: (program, { folder, port }) => [
    program,
    `-storageDataPath=${join(folder, 'data')}`,
    `-httpListenAddr=127.0.0.1:${port}`,
  ],
  variables: async () => ({}),
  ask: askVictoria,
  prepare: async () => {},
  note: 'VictoriaMetrics: as it comes; it keeps whole milliseconds',
}

export const LOCAL_STORES: Readonly<Record<StoreKind, LocalStore>> = { influx, victoria }
