import type { Broker } from './broker.ts'
import { MemoryBroker } from './memory/broker.ts'
import type { PubSubBroker, PubSubOptions } from './pubsub/broker.ts'
import type { StreamsBroker, StreamsOptions } from './streams/broker.ts'

export type BrokerOptions =
  | ({ readonly kind: 'pubsub' } & PubSubOptions)
  | ({ readonly kind: 'streams' } & StreamsOptions)
  | ({ readonly kind: 'memory' } & ConstructorParameters<typeof MemoryBroker>[0])

/**
 * A broker that is connected, or has tried once: then it goes on trying by itself, and `health` says what is wrong.
 *
 * @param begun is given the broker at once: it may be closed while it still tries, and then this rejects
 * @throws TypeError when the URL is none
 */
export async function openBroker(options: BrokerOptions, begun: (broker: Broker) => void = () => {}): Promise<Broker> {
  if (options.kind === 'memory') {
    const broker = new MemoryBroker(options)
    begun(broker)
    return broker
  }
  const broker = await redisBroker(options)
  begun(broker)
  await broker.whenTried()
  return broker
}

/** Loaded when asked for: its client is of no use to `sentinel up` without Redis. */
async function redisBroker(options: Exclude<BrokerOptions, { kind: 'memory' }>): Promise<PubSubBroker | StreamsBroker> {
  if (options.kind === 'pubsub') return new (await import('./pubsub/broker.ts')).PubSubBroker(options)
  return new (await import('./streams/broker.ts')).StreamsBroker(options)
}
