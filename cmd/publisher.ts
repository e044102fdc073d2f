import type { Broker } from '../internal/broker/broker.ts'
import { frameCodec } from '../internal/codec/frame.ts'
import { LatencyRecorder } from '../internal/observe/latency.ts'
import { Publisher } from '../internal/publish/publisher.ts'
import { sourceId } from '../internal/publish/source-id.ts'
import { PublisherLedger } from '../internal/sample/ledger.ts'
import type { Context } from './context.ts'

export interface OpenPublisher {
  readonly publisher: Publisher
  readonly ledger: PublisherLedger
  /** From the making of a message to the broker's answer. */
  readonly publishLatency: LatencyRecorder
}

/** A publisher of frames under a source id of its own, started; it stops after whatever is opened from now on. */
export function openPublisher(context: Context, broker: Broker, role: string): OpenPublisher {
  const { settings, clock, logger, throttle, releaser } = context
  const ledger = new PublisherLedger()
  const publishLatency = new LatencyRecorder()
  const publisher = new Publisher({
    broker,
    codec: frameCodec,
    sourceId: sourceId(settings.agent.host, role),
    clock,
    logger,
    throttle,
    ledger,
    outboxMaxBytes: settings.outbox.maxBytes,
    outboxMaxAgeMs: settings.outbox.maxAgeMs,
    onSent: (publishUs) => publishLatency.record(publishUs),
  })
  publisher.start()
  releaser.push(`${role} publisher`, (signal) => publisher.stop(signal))
  return { publisher, ledger, publishLatency }
}
