import {
  type Broker,
  BrokerError,
  type LiveChannel,
  newStats,
  type Snapshots,
  type Subscription,
} from '../../internal/broker/broker.ts'
import type { Codec, MessageHeader } from '../../internal/codec/codec.ts'

/**
 * Samples are numbers; a message is JSON. A number below zero fits into no message, and a sample without a value is
 * left out.
 */
export function stubCodec(name: Codec['name'] = 'frame', maxSamples = 4): Codec {
  return {
    name,
    maxSamples,
    restamp: (message, { heldFrom, heldFirstSample, withdrawnMessages, withdrawnSamples }) => {
      const standing = { heldFrom, heldFirstSample, withdrawnMessages, withdrawnSamples }
      return Buffer.from(JSON.stringify({ ...JSON.parse(message.toString()), ...standing }))
    },
    decoder: () => {
      throw new Error('not here')
    },
    encoder: () => {
      let values: number[] = []
      return {
        get count() {
          return values.length
        },
        add({ values: [value] }) {
          if ((typeof value === 'number' && value < 0) || values.length === maxSamples) return false
          if (typeof value === 'number') values.push(value)
          return true
        },
        finish(header) {
          const payload = Buffer.from(JSON.stringify({ ...header, sampleCount: values.length, values }))
          values = []
          return payload
        },
      }
    },
  }
}

export interface StubMessage extends MessageHeader {
  values: number[]
}

export type Behaviour =
  | 'take'
  | 'no subscriber'
  | 'not_sent'
  | 'refused'
  | 'unknown: it arrived'
  | 'unknown: it did not'
  | 'hang'

/** A broker that behaves as the test sets it, and records what arrived. */
export class FaultyBroker implements Broker {
  readonly kind: Broker['kind']
  readonly stats = newStats()
  readonly live = {} as LiveChannel
  readonly snapshots = {} as Snapshots
  readonly arrived: StubMessage[] = []
  readonly unknown = new Set<number>()
  behaviour: Behaviour = 'take'
  attempts = 0
  #hanging: Array<() => void> = []

  constructor(kind: Broker['kind'] = 'pubsub') {
    this.kind = kind
  }

  async publish(_key: string, payload: Buffer): Promise<number> {
    this.attempts++
    const message = JSON.parse(payload.toString()) as StubMessage
    if (this.behaviour === 'hang') await new Promise<void>((resolve) => this.#hanging.push(resolve))
    switch (this.behaviour) {
      case 'hang':
      case 'take':
        this.arrived.push(message)
        return 1
      case 'no subscriber':
        return 0
      case 'unknown: it arrived':
        this.arrived.push(message)
        this.unknown.add(message.seq)
        throw new BrokerError('unknown', 'the connection broke')
      case 'unknown: it did not':
        throw new BrokerError('unknown', 'the connection broke')
      default:
        throw new BrokerError(this.behaviour, this.behaviour)
    }
  }

  become(behaviour: Behaviour): void {
    this.behaviour = behaviour
    if (behaviour !== 'hang') for (const release of this.#hanging.splice(0)) release()
  }

  subscribe(): Promise<Subscription> {
    throw new Error('not here')
  }

  health(): { connected: boolean; problem: string } {
    return { connected: true, problem: '' }
  }

  async close(): Promise<void> {}
}
