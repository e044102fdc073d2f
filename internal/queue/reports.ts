import type { Logger } from 'pino'
import type { ConnectedConsumers, GatewayReport } from '../broker/queue-state.ts'
import type { RedisConnection } from '../broker/redis/connection.ts'
import { forgetReport, saveReport } from '../broker/streams/gateway-reports.ts'
import type { Consumer } from './consumer.ts'
import { GATEWAYS_KEY } from './names.ts'
import type { Topics } from './topics.ts'

export interface ReportsOptions {
  readonly connection: RedisConnection
  /** Of the gateway. */
  readonly name: string
  readonly topics: Topics
  readonly maxBytes: () => number
  readonly connected: () => Iterable<{ readonly topic: string; readonly group: string; readonly consumer: Consumer }>
  readonly logger: Logger
}

/** Tells Redis what a gateway alone knows: what its disk has, and who is connected. So whoever looks at the queue sees all of it. */
export class Reports {
  readonly #options: ReportsOptions

  constructor(options: ReportsOptions) {
    this.#options = options
  }

  /** Never fails. */
  async say(): Promise<void> {
    const { connection, name } = this.#options
    await this.#send(`EVAL ${GATEWAYS_KEY}`, () =>
      connection.send(`EVAL ${GATEWAYS_KEY}`, (client) => saveReport(client, name, this.#report())),
    )
  }

  /** The gateway ends. What it leaves on disk stays known: only the next process with the same folder can feed it back. Never fails. */
  async leave(): Promise<void> {
    const { connection, name, topics } = this.#options
    if (topics.overflow.messages > 0) return this.say()
    await this.#send(`HDEL ${GATEWAYS_KEY}`, () =>
      connection.send(`HDEL ${GATEWAYS_KEY}`, (client) => forgetReport(client, name)),
    )
  }

  async #send(command: string, send: () => Promise<void>): Promise<void> {
    if (!this.#options.connection.up) return
    try {
      await send()
    } catch (err) {
      this.#options.logger.debug({ err, command }, 'how this gateway stands could not be told')
    }
  }

  #report(): GatewayReport {
    const { topics, maxBytes, connected } = this.#options
    const consumers = new Map<string, ConnectedConsumers>()
    for (const { topic, group, consumer } of connected()) {
      const { partition = null } = consumer
      const key = `${topic} ${group} ${partition}`
      consumers.set(key, { topic, group, partition, count: (consumers.get(key)?.count ?? 0) + 1 })
    }
    const onDisk = topics.open
      .filter(({ overflow }) => overflow.messages > 0)
      .map(({ topic, partition, overflow: { messages, bytes } }) => ({ topic, partition, messages, bytes }))
    const { overflow, problem } = topics
    return { bytes: overflow.bytes, maxBytes: maxBytes(), problem, onDisk, consumers: [...consumers.values()] }
  }
}
