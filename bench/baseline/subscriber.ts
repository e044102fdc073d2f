import { Redis } from 'ioredis'
import type { RedisOptions } from '../../internal/broker/redis/client.ts'
import { describeProblem } from '../../internal/broker/redis/problem.ts'
import { parseRedisUrl } from '../../internal/broker/redis/url.ts'
import type { LogThrottle } from '../../internal/observe/log-throttle.ts'

const CHANNEL = 'metrics'

export interface SubscriberOptions {
  readonly redis: RedisOptions
  readonly throttle: LogThrottle
  readonly onMessage: (payload: Buffer) => void
}

/** Subscribes to the Pub/Sub channel with plain ioredis, which reconnects and subscribes again without limit. */
export class PlainSubscriber {
  readonly #client: Redis
  #problem: string

  constructor({ redis, throttle, onMessage }: SubscriberOptions) {
    const { host, port, database, username, password, secure, address } = parseRedisUrl(redis.url)
    this.#problem = `Redis at ${address}: not connected yet`
    this.#client = new Redis({
      ...{ host, port, db: database, username, password: redis.password ?? password },
      ...(secure ? { tls: {} } : {}),
      // Without it, ioredis would give up the subscription if Redis is started a little later.
      maxRetriesPerRequest: null,
      // A connection that is gone already keeps the process alive for this long.
      disconnectTimeout: 500,
    })
    this.#client.on('error', (err) => {
      this.#problem = describeProblem(err, address)
      throttle.warn('redis', { err }, this.#problem)
    })
    this.#client.on('messageBuffer', (_channel: Buffer, payload: Buffer) => onMessage(payload))
  }

  /** Why it receives nothing; '' when it is connected. */
  get problem(): string {
    return this.#client.status === 'ready' ? '' : this.#problem
  }

  /** Resolves when Redis has confirmed it. */
  async start(): Promise<void> {
    await this.#client.subscribe(CHANNEL)
  }

  /** Resolves when no more messages come, and all that Redis sent before are handed over. */
  async stop(): Promise<void> {
    // If the connection ends first, no more messages come either.
    if (this.#client.status === 'ready') await this.#client.unsubscribe(CHANNEL).catch(() => {})
    this.#client.disconnect()
  }
}
