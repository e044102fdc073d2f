import { Redis } from 'ioredis'
import type { RedisOptions } from '../../internal/broker/redis/connection.ts'
import { describeProblem } from '../../internal/broker/redis/problem.ts'
import { parseRedisUrl } from '../../internal/broker/redis/url.ts'
import type { LogThrottle } from '../../internal/observe/log-throttle.ts'

const CHANNEL = 'metrics'

export interface SubscriberOptions {
  readonly redis: RedisOptions
  readonly throttle: LogThrottle
  readonly onMessage: (payload: Buffer) => void
}

/** A subscriber to the channel of Pub/Sub, as ioredis gives it. It connects, and subscribes again, for as long as it takes. */
export class PlainSubscriber {
  readonly #client: Redis
  #problem: string

  constructor({ redis, throttle, onMessage }: SubscriberOptions) {
    const { host, port, database, username, password, secure, address } = parseRedisUrl(redis.url)
    this.#problem = `Redis at ${address}: not connected yet`
    this.#client = new Redis({
      ...{ host, port, db: database, username, password: redis.password ?? password },
      ...(secure ? { tls: {} } : {}),
      // Or else it would give up a subscription that waits for a server which is started a little later.
      maxRetriesPerRequest: null,
      // For so long a connection that is gone already keeps the process.
      disconnectTimeout: 500,
    })
    this.#client.on('error', (err) => {
      this.#problem = describeProblem(err, address)
      throttle.warn('redis', { err }, this.#problem)
    })
    this.#client.on('messageBuffer', (_channel: Buffer, payload: Buffer) => onMessage(payload))
  }

  /** What keeps it from hearing anything; '' when nothing does. */
  get problem(): string {
    return this.#client.status === 'ready' ? '' : this.#problem
  }

  /** Resolves when Redis has confirmed it. */
  async start(): Promise<void> {
    await this.#client.subscribe(CHANNEL)
  }

  /** Resolves when nothing more will come, all that Redis sent before having been handed over. */
  async stop(): Promise<void> {
    // Where the connection ends first, nothing more will come either.
    if (this.#client.status === 'ready') await this.#client.unsubscribe(CHANNEL).catch(() => {})
    this.#client.disconnect()
  }
}
