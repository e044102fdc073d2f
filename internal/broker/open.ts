import type { Broker } from './broker.ts'
import { MemoryBroker } from './memory.ts'
import { PubSubBroker, type PubSubOptions } from './pubsub.ts'
import { StreamsBroker, type StreamsOptions } from './streams.ts'

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
  const broker = options.kind === 'pubsub' ? new PubSubBroker(options) : new StreamsBroker(options)
  begun(broker)
  await broker.whenTried()
  return broker
}
