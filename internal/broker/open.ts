import type { Broker } from './broker.ts'
import { MemoryBroker } from './memory/broker.ts'
import type { PubSubBroker, PubSubOptions } from './pubsub/broker.ts'
import type { StreamsBroker, StreamsOptions } from './streams/broker.ts'

export type BrokerOptions =
  | ({ readonly kind: 'pubsub' } & PubSubOptions)
  | ({ readonly kind: 'streams' } & StreamsOptions)
  | ({ readonly kind: 'memory' } & ConstructorParameters<typeof MemoryBroker>[0])

/**
 * Opens a broker that is connected, or has tried once. In the second case it goes on trying by itself, and `health`
 * says what is wrong.
 *
 * @param begun gets the broker before it is connected, and may close it while it still tries: then this rejects
 * @throws TypeError when the URL is not a Redis URL
 * @throws BrokerError `refused` when a server answers that cannot be the broker: a node of a cluster, a Redis Sentinel
 */
export async function openBroker(options: BrokerOptions, begun: (broker: Broker) => void = () => {}): Promise<Broker> {
  if (options.kind === 'memory') {
    const broker = new MemoryBroker(options)
    begun(broker)
    return broker
  }
  const broker = await redisBroker(options)
  begun(broker)
  try {
    await broker.whenTried()
  } catch (error) {
    await broker.close()
    throw error
  }
  return broker
}

/**
 * Loads an engine when it is needed: the Redis client costs 70 ms and 22 MiB, and `sentinel up` without Redis does not
 * use it.
 */
async function redisBroker(options: Exclude<BrokerOptions, { kind: 'memory' }>): Promise<PubSubBroker | StreamsBroker> {
  if (options.kind === 'pubsub') return new (await import('./pubsub/broker.ts')).PubSubBroker(options)
  return new (await import('./streams/broker.ts')).StreamsBroker(options)
}
