import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { Redis } from 'ioredis'
import { connectorFor, type Reading } from './reading-connector.ts'
import type { RedisPlace } from './url.ts'

/** Where Redis is and how to get in. */
export interface RedisOptions {
  /** `redis://[user[:password]@]host[:port][/database]`, or `rediss://` for TLS. */
  readonly url: string
  /** Wins over the one in the URL. */
  readonly password?: string | undefined
  /** TLS options for `rediss://`: own certificates, for instance. */
  readonly tls?: TlsOptions | undefined
  /** How often a silent connection is sent a PING, and how long the answer may take. */
  readonly pingIntervalMs?: number | undefined
  /** How long the messages of a subscriber may gather in the socket after a read, ms; 0: not at all. */
  readonly gatherMs?: number | undefined
}

/** The longest wait between two attempts to connect. */
export const MAX_BACKOFF_MS = 2000
const CONNECT_TIMEOUT_MS = 5000

/** The client of one connection. It connects again by itself, and everything else is left to its owner. */
export function createClient(redis: RedisOptions, place: RedisPlace, reading: Reading | undefined): Redis {
  const password = redis.password ?? place.password
  return new Redis({
    host: place.host,
    port: place.port,
    db: place.database,
    ...(place.username === '' ? {} : { username: place.username }),
    ...(password === '' ? {} : { password }),
    ...(place.secure ? { tls: redis.tls ?? {} } : {}),
    ...(reading === undefined ? {} : { Connector: connectorFor(reading) }),
    // No `connectionName`: ioredis says "ready" when its CLIENT SETNAME has failed, also when it failed because the
    // connection had ended, and then never connects again.
    disableClientInfo: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: 500,
    keepAlive: 10_000,
    // The PING of set-up is the check: ioredis' own wants INFO, which a careful operator does not grant.
    enableReadyCheck: false,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    // Without it a command that was on its way when the connection ended would stay pending for ever.
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => jittered(Math.min(MAX_BACKOFF_MS, 50 * 2 ** Math.min(attempt, 10))),
  })
}

/** Between half of it and all of it, so that many processes do not come at the same moment. */
export function jittered(ms: number): number {
  return ms * (0.5 + Math.random() / 2)
}
