import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { Redis } from 'ioredis'
import type { Logger } from 'pino'
import { checkTransition, type Transitions } from '../../lifecycle/transition.ts'
import { type Deferred, deferred } from '../../time/deferred.ts'
import { BrokerError, type BrokerHealth, type BrokerStats } from '../broker.ts'
import { describeProblem, isRefusal, isReply } from './problem.ts'
import { connectorFor, type NewReplyReader } from './reading-connector.ts'
import { parseRedisUrl } from './url.ts'

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
}

export interface ConnectionOptions {
  readonly redis: RedisOptions
  /** Redis lists the connection as `sentinel:<purpose>` (CLIENT LIST). */
  readonly purpose: string
  readonly logger: Logger
  /** Where reconnects are counted. */
  readonly stats: BrokerStats
  /** Runs on each new connection before it counts as up. After a failure it runs again later. */
  readonly setUp?: (client: Redis) => Promise<unknown>
  /** Makes a reader that sees the bytes of each new connection before the client does. */
  readonly newReader?: NewReplyReader
}

type Mode = 'connecting' | 'up' | 'closed'

const TRANSITIONS: Transitions<Mode> = {
  connecting: ['up', 'closed'],
  up: ['connecting', 'closed'],
  closed: [],
}

const MAX_BACKOFF_MS = 2000
const CONNECT_TIMEOUT_MS = 5000
/** A connection that no longer answers is found after two of these at most, and must be replaced within 10 s. */
const DEFAULT_PING_INTERVAL_MS = 4000

/**
 * One connection to Redis that heals itself: after a failover, a restart or a network fault it connects again. Commands
 * are sent only while it is `up`: none is queued while it is away, and none is sent twice without the caller's
 * knowledge.
 *
 * | from           | to         | when                                                                             |
 * | -------------- | ---------- | -------------------------------------------------------------------------------- |
 * | connecting     | up         | Redis has answered a PING, and `setUp` has run                                   |
 * | up             | connecting | the connection ended, or nothing came back for two ping intervals, or `renew`    |
 * | connecting, up | closed     | `close`                                                                          |
 */
export class RedisConnection {
  readonly client: Redis
  readonly #name: string
  readonly #address: string
  readonly #logger: Logger
  readonly #stats: BrokerStats
  readonly #setUp: ConnectionOptions['setUp']
  readonly #heartbeat: NodeJS.Timeout
  #mode: Mode = 'connecting'
  #wasUp = false
  #problem: string
  readonly #tried: Deferred<void> = deferred()
  #cameUp: Deferred<void> = deferred()
  #retry: NodeJS.Timeout | undefined
  #corked = false
  #pinged: { stream: Redis['stream']; bytesRead: number } | undefined

  constructor({ redis, purpose, logger, stats, setUp, newReader }: ConnectionOptions) {
    const target = parseRedisUrl(redis.url)
    const password = redis.password ?? target.password
    this.#name = `sentinel:${purpose}`
    this.#address = target.address
    this.#problem = `Redis at ${target.address}: not connected yet`
    this.#logger = logger
    this.#stats = stats
    this.#setUp = setUp
    this.client = new Redis({
      host: target.host,
      port: target.port,
      db: target.database,
      ...(target.username === '' ? {} : { username: target.username }),
      ...(password === '' ? {} : { password }),
      ...(target.secure ? { tls: redis.tls ?? {} } : {}),
      ...(newReader === undefined ? {} : { Connector: connectorFor(newReader) }),
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
    this.client.on('ready', () => this.#prepare())
    this.client.on('error', (error: Error) => this.#wentDown(error))
    this.client.on('close', () => this.#wentDown())
    this.#heartbeat = setInterval(() => this.#sendHeartbeat(), redis.pingIntervalMs ?? DEFAULT_PING_INTERVAL_MS).unref()
  }

  get up(): boolean {
    return this.#mode === 'up'
  }

  health(): BrokerHealth {
    return { connected: this.up, problem: this.up ? '' : this.#problem }
  }

  /** Resolves when it is up; rejects when it is closed first. */
  whenUp(): Promise<void> {
    return this.#cameUp.promise
  }

  /** Resolves when it is up, or a first attempt has failed: then `health` says why. Rejects when it is closed first. */
  whenTried(): Promise<void> {
    return this.#tried.promise
  }

  /**
   * Runs a command. The commands of one turn of the event loop leave in one write, which halves the cost of a PUBLISH
   * (measured: 4.2 µs of CPU instead of 8.7; ioredis' own pipelining takes 8.5, and waits for a round trip).
   *
   * @throws BrokerError
   */
  async send<T>(command: (client: Redis) => Promise<T>): Promise<T> {
    if (!this.up) throw new BrokerError('not_sent', this.#problem)
    this.#cork()
    try {
      return await command(this.client)
    } catch (error) {
      throw this.#brokerError(error)
    }
  }

  /** Replaces the connection by a new one, which is set up from the beginning. */
  renew(cause: unknown): void {
    this.client.stream?.destroy(cause instanceof Error ? cause : undefined)
  }

  async close(): Promise<void> {
    if (this.#mode === 'closed') return
    const { status } = this.client
    this.#become('closed')
    this.#problem = `Redis at ${this.#address}: closed`
    clearInterval(this.#heartbeat)
    clearTimeout(this.#retry)
    const closed = new BrokerError('not_sent', this.#problem)
    this.#tried.reject(closed)
    this.#cameUp.reject(closed)
    if (status === 'end') return
    const ended = new Promise<void>((resolve) => this.client.once('end', resolve))
    this.client.disconnect()
    if (status === 'ready') await ended
    // A client that never came up, or waits for its next attempt, may never emit `end`.
    else this.client.stream?.destroy()
  }

  #cork(): void {
    if (this.#corked) return
    this.#corked = true
    const { stream } = this.client
    stream.cork()
    process.nextTick(() => {
      this.#corked = false
      stream.uncork()
    })
  }

  async #prepare(): Promise<void> {
    const { stream } = this.client
    try {
      // The name helps people who read CLIENT LIST. Some operators forbid the command.
      await this.client.client('SETNAME', this.#name).catch(ignore)
      // A refused AUTH has ended the connection, and its error has been reported.
      if (!stream.writable) return
      await this.client.ping()
      await this.#setUp?.(this.client)
    } catch (error) {
      if (this.#mode === 'closed' || stream.destroyed) return
      this.#wentDown(error)
      // After a refusal (no permission, loading its data) the connection stays open: try again on it.
      this.#retry = setTimeout(() => this.#prepare(), jittered(MAX_BACKOFF_MS))
      return
    }
    if (this.#mode === 'closed' || stream !== this.client.stream || stream.destroyed) return
    this.#become('up')
    this.#problem = ''
    if (this.#wasUp) {
      this.#stats.reconnects++
      this.#logger.info({ connection: this.#name }, `Redis at ${this.#address}: connected again`)
    }
    this.#wasUp = true
    this.#tried.resolve()
    this.#cameUp.resolve()
  }

  /** The reason of an end comes first, and the bare end after it: the second call must not hide the reason. */
  #wentDown(error?: unknown): void {
    if (this.#mode === 'closed') return
    clearTimeout(this.#retry)
    const wasUp = this.#mode === 'up'
    if (wasUp) {
      this.#become('connecting')
      this.#cameUp = deferred()
    }
    this.#tried.resolve()
    if (error === undefined && !wasUp) return
    const problem = describeProblem(error, this.#address)
    if (problem === this.#problem) return
    this.#problem = problem
    this.#logger.warn({ connection: this.#name, err: error }, problem)
  }

  /** The only place that changes the mode. */
  #become(next: Mode): void {
    if (this.#mode === next) return
    if (checkTransition('a connection', TRANSITIONS, this.#mode, next)) this.#mode = next
  }

  #sendHeartbeat(): void {
    const { client } = this
    if (client.status !== 'ready' && client.status !== 'connect') {
      this.#pinged = undefined
      return
    }
    const { stream } = client
    const { bytesRead } = stream
    if (this.#pinged?.stream === stream && this.#pinged.bytesRead === bytesRead) {
      // After a long pause of this process the answer waits in the socket, because timers run before sockets: look
      // again.
      setImmediate(() => {
        if (stream.bytesRead === bytesRead) stream.destroy(new Error('no answer to PING'))
      })
      return
    }
    this.#pinged = { stream, bytesRead }
    client.ping().catch(ignore)
  }

  #brokerError(error: unknown): BrokerError {
    if (isReply(error)) {
      const kind = isRefusal(error) ? 'refused' : 'not_sent'
      return new BrokerError(kind, describeProblem(error, this.#address), { cause: error })
    }
    const neverWritten = error instanceof Error && error.message.startsWith("Stream isn't writeable")
    const kind = neverWritten ? 'not_sent' : 'unknown'
    return new BrokerError(kind, describeProblem(error, this.#address), { cause: error })
  }
}

function jittered(ms: number): number {
  return ms * (0.5 + Math.random() / 2)
}

function ignore(): void {}
