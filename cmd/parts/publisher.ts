import { join } from 'node:path'
import type { Broker } from '../../internal/broker/broker.ts'
import { frameCodec } from '../../internal/codec/frame.ts'
import { LatencyRecorder } from '../../internal/observe/latency.ts'
import { Publisher } from '../../internal/publish/publisher.ts'
import { runId } from '../../internal/publish/run-id.ts'
import { type DropReason, PublisherLedger } from '../../internal/sample/ledger.ts'
import { openSegmentLog } from '../../internal/spool/segment-log.ts'
import type { Settings } from '../../internal/config/settings.ts'
import type { Context, OpenPublisher } from '../program/context.ts'
import { openDataFolder } from './data-folder.ts'

/** Disk space of an outbox log beyond the outbox itself: messages in flight, and files that are not removed yet. */
const LOG_MARGIN_BYTES = 32 * 2 ** 20

/** What a publisher keeps while the broker takes nothing. */
export interface Keeps {
  /** The key of its bounds in the settings. */
  readonly key: 'outbox' | 'intake.maxHeldBytes'
  readonly bounds: (settings: Settings) => { readonly maxBytes: number; readonly maxAgeMs: number }
  /** Whether what it was given is never given up: see `Publisher.sendDurably`. */
  readonly isDurable?: boolean
  /** Runs once it has stopped, while its data folder is still locked. */
  readonly afterStop?: () => Promise<void>
}

export const OUTBOX: Keeps = { key: 'outbox', bounds: ({ outbox }) => outbox }

/**
 * Starts a publisher of frames for a role, as a run of its own, with the samples that the run before left on disk. It
 * stops after everything that is opened later. A disk that cannot be written to neither stops the publisher nor makes
 * the process unready: a metric shows it.
 */
export async function openPublisher(
  context: Context,
  broker: Broker,
  role: string,
  { key, bounds, isDurable = false, afterStop }: Keeps = OUTBOX,
): Promise<OpenPublisher> {
  const { settings, onReload, clock, logger, throttle, releaser } = context
  const folder = await openDataFolder(context, role)
  if (afterStop !== undefined) releaser.push(`what ${role} remembers`, afterStop)
  const log = await openSegmentLog({
    folder: join(folder, 'outbox'),
    maxBytes: bounds(settings).maxBytes + LOG_MARGIN_BYTES,
    logger,
  })
  const ledger = new PublisherLedger()
  const publishLatency = new LatencyRecorder()
  const publisher = new Publisher({
    broker,
    codec: frameCodec,
    runId: runId(settings.agent.host, role),
    clock,
    logger,
    throttle,
    ledger,
    outboxMaxBytes: bounds(settings).maxBytes,
    outboxMaxAgeMs: bounds(settings).maxAgeMs,
    log,
    isDurable,
    onSent: (publishUs) => publishLatency.record(publishUs),
  })
  onReload([key], (changed) => {
    log.maxBytes = bounds(changed).maxBytes + LOG_MARGIN_BYTES
    if (!isDurable) publisher.setOutboxBounds(bounds(changed))
  })
  context.droppedAtStop.push(() => ledger.droppedBy.get('stopped') ?? 0)
  releaser.push(`${role} publisher`, (signal) => publisher.stop(signal))
  await publisher.start()
  const opened: OpenPublisher = { role, publisher, ledger, publishLatency }
  if (context.publishers.push(opened) === 1) addPublisherMetrics(context)
  return opened
}

/** Metrics of all publishers of the process together: a server must have received what they sent. */
function addPublisherMetrics({ metrics, publishers }: Context): void {
  const total = (figure: (publisher: OpenPublisher) => number) => (): number =>
    publishers.reduce((sum, publisher) => sum + figure(publisher), 0)
  metrics.counter({
    name: 'sentinel_produced_samples_total',
    help: 'Samples that this process made to publish.',
    read: total(({ ledger }) => ledger.produced),
  })
  metrics.counter({
    name: 'sentinel_outbox_taken_over_samples_total',
    help: 'Samples that an earlier process left on disk, found at the start.',
    read: total(({ ledger }) => ledger.takenOver),
  })
  metrics.counter({
    name: 'sentinel_sent_samples_total',
    help: 'Samples that the broker took while a server listened.',
    read: total(({ ledger }) => ledger.sent),
  })
  metrics.counter({
    name: 'sentinel_unsent_samples_total',
    help: 'Samples dropped before they were sent, by reason.',
    label: 'reason',
    read: () => unsentByReason(publishers),
  })
  metrics.gauge({
    name: 'sentinel_outbox_samples',
    help: 'Samples in the outbox or in flight.',
    read: total(({ publisher }) => publisher.held),
  })
  metrics.gauge({
    name: 'sentinel_outbox_bytes',
    help: 'Size of the outbox.',
    read: total(({ publisher }) => publisher.outboxBytes),
  })
  metrics.gauge({
    name: 'sentinel_outbox_on_disk',
    help: '1 while the outbox survives a restart, 0 while its disk cannot be written to.',
    read: () => (publishers.every(({ publisher }) => publisher.problem === '') ? 1 : 0),
  })
  metrics.latency({
    name: 'sentinel_publish_duration_seconds',
    help: 'From the encoding of a message to the answer of the broker.',
    label: 'role',
    read: () => publishers.map(({ role, publishLatency }) => [role, publishLatency]),
  })
}

function unsentByReason(publishers: readonly OpenPublisher[]): Map<DropReason, number> {
  const total = new Map<DropReason, number>()
  for (const { ledger } of publishers) {
    for (const [reason, samples] of ledger.droppedBy) total.set(reason, (total.get(reason) ?? 0) + samples)
  }
  return total
}
