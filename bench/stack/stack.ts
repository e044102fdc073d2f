import type { Logger } from 'pino'
import type { CountStored, LoadBroker } from '../load/load.ts'

/**
 * Which program consumes: the product, the plain pipeline (bench/baseline), or a subscriber that ignores its messages.
 */
export type PipelineKind = 'ours' | 'baseline' | 'bare'
/** The name of a server's Node.js among the versions. In a container it is another than that of the load. */
export const SERVER_NODE = 'Node.js of the server'
export type StoreKind = 'influx' | 'victoria'

export interface StackOptions {
  /** Docker Compose, processes of this machine, or `auto`: Compose if an engine answers and can run the stack. */
  readonly kind: 'auto' | 'compose' | 'local'
  readonly pipeline: PipelineKind
  readonly broker: LoadBroker['kind']
  /** VictoriaMetrics runs as a local process only. */
  readonly store: StoreKind
  /** Several servers share the streams of one group, and run as local processes only. */
  readonly serverCount: number
  /** Environment variables of the servers, besides those that the stack sets. */
  readonly serverEnv: Readonly<Record<string, string>>
  /** Wraps the command line of a server, for a profiler that starts it. Local processes only. */
  readonly serverCommand?: (command: readonly string[]) => readonly string[]
  /** 0 or undefined takes a free port. Several servers each take a free port. */
  readonly ports?: { readonly redis?: number; readonly store?: number; readonly admin?: number }
  /** The user's environment. The programs get only PATH and HOME of it; Docker gets all of it. */
  readonly env: Readonly<NodeJS.ProcessEnv>
  /** An existing folder. The output of each program goes there, as `<name>.log`. */
  readonly logFolder: string
  /** Logs at the end which step took long. */
  readonly logger: Logger
  /** Called with what is being started, in words. */
  readonly onProgress?: (what: string) => void
}

/** Redis, a store, and servers between them: all empty, on 127.0.0.1. */
export interface Stack {
  readonly kind: 'local' | 'compose'
  readonly redisUrl: string
  readonly storeUrl: string
  /** The same as in the servers' settings. Publishers must use it too. */
  readonly broker: LoadBroker
  /** The admin listener of each server, `http://127.0.0.1:6060`. */
  readonly servers: readonly string[]
  readonly countStored: CountStored
  /** As each says itself: `{ redis: '7.0.15', influxdb: '1.6.7', 'Node.js of the server': '24.22.3' }`. */
  readonly versions: Readonly<Record<string, string>>
  /** How it differs from the default settings, in words for the report. */
  readonly notes: readonly string[]
  /** Aborts, with an Error that says why, when a part of it ends by itself. */
  readonly broken: AbortSignal
  /**
   * Ends the servers, then the store, then Redis, and removes their data. A second call returns the promise of the
   * first.
   */
  close(): Promise<void>
}
