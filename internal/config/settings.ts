import type { Role } from './role.ts'
import { isUsedBy, type Setting } from './setting.ts'
import { agent } from './settings/agent.ts'
import { api } from './settings/api.ts'
import { auth } from './settings/auth.ts'
import { broker, redis } from './settings/broker.ts'
import { data, deadLetters, outbox, spool } from './settings/disk.ts'
import { fabric } from './settings/fabric.ts'
import { generator } from './settings/generator.ts'
import { gpu } from './settings/gpu.ts'
import { ingest, live, stats } from './settings/ingest.ts'
import { intake } from './settings/intake.ts'
import { admin, log, stop } from './settings/program.ts'
import { queue } from './settings/queue.ts'
import { scrape } from './settings/scrape.ts'
import { duckdb, influx, store } from './settings/store.ts'

/**
 * Every setting of every role. A setting has the key `group.name`. The flag `--group-name`, the variable
 * `SENTINEL_GROUP_NAME`, the type `Settings`, the help and the README's table follow from it, so a new setting is one
 * entry in a file of `settings/`.
 */
export const SCHEMA = {
  log,
  admin,
  auth,
  redis,
  broker,
  store,
  influx,
  duckdb,
  agent,
  fabric,
  scrape,
  gpu,
  data,
  outbox,
  spool,
  deadLetters,
  ingest,
  stats,
  live,
  api,
  intake,
  generator,
  queue,
  stop,
} satisfies Record<string, Record<string, Setting<unknown>>>

type Schema = typeof SCHEMA
type ValueOf<S> = S extends Setting<infer T> ? T : never

/** All settings with their values: `settings.agent.intervalMs`. */
export type Settings = {
  readonly [Group in keyof Schema]: { readonly [Name in keyof Schema[Group]]: ValueOf<Schema[Group][Name]> }
}

/** `agent.intervalMs`, or `agent` for all of a group. */
export type SettingKey = { [Group in keyof Schema]: Group | `${Group}.${keyof Schema[Group] & string}` }[keyof Schema]

/** The headings of the help. */
export const GROUPS: Readonly<Record<keyof Schema, string>> = {
  log: 'Log',
  admin: 'Admin listener',
  auth: 'Who may ask',
  redis: 'Redis',
  broker: 'Broker',
  store: 'Store',
  influx: 'InfluxDB',
  duckdb: 'DuckDB',
  agent: 'Host metrics',
  fabric: 'Switch fabrics',
  scrape: "Metrics in Prometheus' text",
  gpu: 'Readings of GPUs',
  data: 'Data on disk',
  outbox: 'Outbox of the agent',
  spool: 'Spool of the server',
  deadLetters: 'Dead letters',
  ingest: 'Ingest',
  stats: 'Latency lines in the log',
  live: 'Live feed',
  api: 'API and page',
  intake: 'Intake of samples over HTTP',
  generator: 'Generator',
  queue: 'Queue',
  stop: 'Stop',
}

type KeyedSetting = readonly [key: string, setting: Setting<unknown>]

/** Every setting with its key, in the schema's order. */
export function allSettings(): readonly KeyedSetting[] {
  return Object.entries(SCHEMA).flatMap(([group, settings]) =>
    Object.entries<Setting<unknown>>(settings).map(([name, setting]) => [`${group}.${name}`, setting] as const),
  )
}

/** The settings that a role uses. */
export function settingsOf(role: Role): readonly KeyedSetting[] {
  return allSettings().filter(([, setting]) => isUsedBy(setting, role))
}
