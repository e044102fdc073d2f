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
 * @throws TypeError when the URL is none
 */
export async function openBroker(options: BrokerOptions): Promise<Broker> {
  if (options.kind === 'memory') return new MemoryBroker(options)
  const broker = options.kind === 'pubsub' ? new PubSubBroker(options) : new StreamsBroker(options)
  await broker.whenTried()
  return broker
}
