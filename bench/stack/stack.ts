import type { Logger } from 'pino'
import type { CountStored, LoadBroker } from '../load/load.ts'

/** Which program consumes: the product, the plain way to write it, or a subscriber that does nothing with what comes. */
export type PipelineKind = 'ours' | 'baseline' | 'bare'
export type StoreKind = 'influx' | 'victoria'

export interface StackOptions {
  /** Docker Compose, processes of this machine, or `auto`: Compose where an engine answers and can do what is asked. */
  readonly kind: 'auto' | 'compose' | 'local'
  readonly pipeline: PipelineKind
  readonly broker: LoadBroker['kind']
  /** VictoriaMetrics runs as a local process only. */
  readonly store: StoreKind
  /** More than one share the streams of one group, and run as local processes only. */
  readonly serverCount: number
  /** Variables of the servers, beside those that the stack gives them. */
  readonly serverEnv: Readonly<Record<string, string>>
  /** Wraps the command line of a server, for a profiler that starts it itself; local processes only. */
  readonly serverCommand?: (command: readonly string[]) => readonly string[]
  /** 0, or none given, takes a free one. With several servers each takes a free one. */
  readonly ports?: { readonly redis?: number; readonly store?: number; readonly admin?: number }
  /** Of the user. The programs get PATH and HOME of it and no setting; Docker gets all. */
  readonly env: Readonly<NodeJS.ProcessEnv>
  /** Exists. What each program says goes there, as `<name>.log`. */
  readonly logFolder: string
  /** Told how long what took at the end. */
  readonly logger: Logger
  /** Told in words what is being started. */
  readonly onProgress?: (what: string) => void
}

/** Redis, a store, and servers between them, with nothing in any of them, on 127.0.0.1. */
export interface Stack {
  readonly kind: 'local' | 'compose'
  readonly redisUrl: string
  readonly storeUrl: string
  /** As the settings of the servers have it: whoever publishes gives the same. */
  readonly broker: LoadBroker
  /** The admin listener of each server, `http://127.0.0.1:6060`. */
  readonly servers: readonly string[]
  readonly countStored: CountStored
  /** Of the servers that are not ours: `{ redis: '7.0.15', influxdb: '1.6.7' }`. */
  readonly versions: Readonly<Record<string, string>>
  /** How it differs from what one gets without settings, in words for the report. */
  readonly notes: readonly string[]
  /** Aborts, with an Error that says why, when a part of it ends by itself. */
  readonly broken: AbortSignal
  /** Ends the servers, then the store, then Redis, and removes all that they kept. A second call gets the promise of the first. */
  close(): Promise<void>
}
