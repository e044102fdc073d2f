import type { Broker } from '../../internal/broker/broker.ts'
import type { MessageDecoder } from '../../internal/codec/detect.ts'
import type { DeadLetters } from '../../internal/dead-letters/dead-letters.ts'
import { gpuResults } from '../../internal/gpu/readings.ts'
import type { Identities } from '../../internal/ingest/identities.ts'
import type { LossTracker } from '../../internal/ingest/loss/loss.ts'
import type { Latencies, Pipeline } from '../../internal/ingest/pipeline.ts'
import type { LiveAnnouncer } from '../../internal/live/announcer.ts'
import type { LedgerCounts } from '../../internal/observe/debug-metrics.ts'
import type { LatencyRecorder } from '../../internal/observe/latency.ts'
import type { Metrics } from '../../internal/observe/metrics.ts'
import { type OwnMetric, processMetrics } from '../../internal/observe/own-metrics.ts'
import { SteadyRate } from '../../internal/observe/steady-rate.ts'
import type { ServerLedger } from '../../internal/sample/ledger.ts'
import type { SeriesTable } from '../../internal/sample/series.ts'
import type { Behind } from './behind.ts'
import { lossKnown, lossUnknown } from './loss.ts'

/** The parts of a server that its metrics are read from. */
export interface ServerParts {
  readonly decoder: MessageDecoder
  readonly ledger: ServerLedger
  readonly loss: LossTracker
  readonly identities: Identities
  readonly latencies: Latencies
  readonly pipeline: Pipeline
  readonly deadLetters: DeadLetters
  readonly table: SeriesTable
  readonly announcer: LiveAnnouncer
  readonly broker: Broker
  readonly behind: Behind
  readonly storeKind: string
}

/** The server's own sample, once a second. */
export function ownServerMetrics(parts: ServerParts): Record<string, OwnMetric> {
  const { ledger, loss, latencies, pipeline, deadLetters, broker, behind, storeKind } = parts
  const rate = new SteadyRate()
  return {
    broker: ['string', () => broker.kind],
    store: ['string', () => storeKind],
    store_ready: ['bool', () => pipeline.breaker.problem === ''],
    store_away_seconds: ['float', () => pipeline.breaker.awayForMs / 1000],
    behind: ['bool', () => behind.problem !== ''],
    messages: ['int', () => ledger.messages],
    received: ['int', () => ledger.received],
    taken_over: ['int', () => ledger.takenOver],
    written: ['int', () => ledger.written],
    rejected: ['int', () => ledger.rejected],
    dropped: ['int', () => ledger.dropped],
    held: ['int', () => pipeline.held],
    spooled: ['int', () => pipeline.heldOnDisk],
    dead_letters: ['int', () => deadLetters.kept],
    lost: ['int', () => loss.lostSamples],
    lost_at_most: ['int', () => loss.lostSamplesAtMost],
    lost_known: ['bool', () => lossKnown(loss, broker)],
    duplicates: ['int', () => loss.duplicateMessages],
    samples_per_second: ['float', () => rate.read(ledger.received, performance.now())],
    ...percentiles('internal', latencies.internal),
    ...percentiles('e2e', latencies.e2e),
    ...percentiles('durable', latencies.durable),
    ...processMetrics(),
  }
}

/**
 * For the load generator. 50 requests a second cost 0.5 % of a core, nearly all of it HTTP in Node.js; this and its
 * JSON take 0.6 µs.
 */
export function ledgerCounts({ ledger, loss, pipeline, broker }: ServerParts): LedgerCounts {
  const { messages, received, own, ownDropped, takenOver, written, rejected, dropped } = ledger
  const { held, heldOnDisk: spooled } = pipeline
  const { lostSamples: lost, duplicateMessages: duplicates } = loss
  const ended = { written, rejected, dropped, held, spooled, lost, duplicates, trimmed: broker.stats.trimmedUnread }
  return { messages, received, own, ownDropped, takenOver, ...ended }
}

/** p50 and p99 of the last seconds; without a value when there was no message. */
function percentiles(name: string, recorder: LatencyRecorder): Record<string, OwnMetric> {
  const whereAny = (us: number): number | undefined => (recorder.recent().count > 0 ? us : undefined)
  return {
    [`${name}_p50_us`]: ['float', () => whereAny(recorder.recent().p50Us)],
    [`${name}_p99_us`]: ['float', () => whereAny(recorder.recent().p99Us)],
  }
}

export function addServerMetrics(metrics: Metrics, parts: ServerParts): void {
  const { decoder, ledger, loss, identities, latencies, table, announcer, broker } = parts
  metrics.counter({
    name: 'sentinel_received_messages_total',
    help: 'Messages received, however many samples each carried.',
    read: () => ledger.messages,
  })
  metrics.counter({
    name: 'sentinel_received_samples_total',
    help: 'Samples received. A message that cannot be read counts as the samples that it claims to carry, at least one.',
    read: () => ledger.received,
  })
  metrics.counter({
    name: 'sentinel_taken_over_samples_total',
    help: 'Samples found in the spool at the start: an earlier process received them.',
    read: () => ledger.takenOver,
  })
  metrics.counter({
    name: 'sentinel_own_samples_total',
    help: 'The part of the received samples that the server made itself: its own metrics.',
    read: () => ledger.own,
  })
  metrics.counter({
    name: 'sentinel_written_samples_total',
    help: 'Samples that the store has acknowledged.',
    read: () => ledger.written,
  })
  metrics.counter({
    name: 'sentinel_rejected_samples_total',
    help: 'Samples that can never be stored, by the reason.',
    label: 'reason',
    read: () => ledger.rejectedBy,
  })
  metrics.gauge({
    name: 'sentinel_refused_measurements',
    help: '1 for each measurement of which the store has taken no sample in the last five minutes, though some came.',
    label: 'measurement',
    read: () => parts.pipeline.refusedMeasurements.map((measurement) => [measurement, 1] as const),
  })
  metrics.counter({
    name: 'sentinel_dropped_samples_total',
    help: 'Good samples dropped, by the reason.',
    label: 'reason',
    read: () => ledger.droppedBy,
  })
  metrics.counter({
    name: 'sentinel_lost_samples_total',
    help: 'Samples that never arrived, by the numbers in the messages. Messages without numbers are not counted.',
    label: 'certainty',
    read: () => [
      ['exact', loss.lostSamples],
      ['at_most', loss.lostSamplesAtMost],
    ],
  })
  metrics.counter({
    name: 'sentinel_lost_messages_total',
    help: 'Messages that never arrived.',
    label: 'certainty',
    read: () => [
      ['exact', loss.lostMessages],
      ['at_most', loss.lostMessagesAtMost],
    ],
  })
  metrics.counter({
    name: 'sentinel_withdrawn_samples_total',
    help: 'Samples that never arrived because their publishers dropped them, and count them as dropped.',
    read: () => loss.withdrawnSamples,
  })
  metrics.gauge({
    name: 'sentinel_missing_samples',
    help: 'Samples that have not arrived, and that their run may still send.',
    read: () => loss.missingSamples,
  })
  metrics.counter({
    name: 'sentinel_duplicate_messages_total',
    help: 'Messages that arrived before. Writing them again changed nothing.',
    read: () => loss.duplicateMessages,
  })
  metrics.counter({
    name: 'sentinel_duplicate_samples_total',
    help: 'Samples in the messages that arrived before.',
    read: () => loss.duplicateSamples,
  })
  metrics.counter({
    name: 'sentinel_unnumbered_messages_total',
    help: 'Messages without a sequence number, whose loss cannot be known.',
    read: () => loss.unnumberedMessages,
  })
  metrics.counter({
    name: 'sentinel_doubted_messages_total',
    help: 'Messages whose numbers were not believed: they leap too far, or contradict themselves.',
    read: () => loss.doubtedMessages,
  })
  metrics.counter({
    name: 'sentinel_restarted_runs_total',
    help: 'Runs that began anew under the same name.',
    read: () => loss.restartedRuns,
  })
  metrics.gauge({
    name: 'sentinel_loss_unknown',
    help: 'Why the loss is unknown, and not what sentinel_lost_samples_total says: messages or runs, by the reason.',
    label: 'reason',
    read: () => lossUnknown(loss, broker),
  })
  metrics.gauge({
    name: 'sentinel_host_conflicts',
    help: 'Hosts that two sources send as, with the run ids of the two.',
    label: 'runs',
    read: () =>
      identities.conflicts(Date.now() * 1000).map(({ host, runs }) => [`${host}: ${runs.join(' and ')}`, 1] as const),
  })
  metrics.counter({
    name: 'sentinel_cleaned_values_total',
    help: 'Values left out of samples that were taken: NaN, infinities, strings that are too long.',
    read: () => decoder.cleaned,
  })
  metrics.counter({
    name: 'sentinel_gpu_message_rows_total',
    help: 'Readings of GPUs that came in lists of rows, by what became of them.',
    label: 'result',
    read: () => gpuResults(decoder.gpuCounts),
  })
  addHoldingMetrics(metrics, parts)
  metrics.gauge({ name: 'sentinel_series', help: 'Series in the table.', read: () => table.size })
  metrics.counter({
    name: 'sentinel_evicted_series_total',
    help: 'Series given up because nothing of them came any more.',
    read: () => table.evicted,
  })
  metrics.counter({
    name: 'sentinel_series_without_room_total',
    help: 'Times that the table of series was full: the samples were stored, but are not shown live.',
    read: () => table.refused,
  })
  metrics.counter({
    name: 'sentinel_live_messages_total',
    help: 'Messages published to the live feed.',
    read: () => announcer.stats.messages,
  })
  metrics.counter({
    name: 'sentinel_live_old_samples_total',
    help: 'Samples that are not shown live, because they were old when they arrived.',
    read: () => announcer.stats.old,
  })
  metrics.latency({
    name: 'sentinel_latency_seconds',
    help: 'internal: received to batched; e2e: due to batched; durable: due to acknowledged by the store.',
    label: 'stage',
    read: () => Object.entries(latencies) as Array<[string, LatencyRecorder]>,
  })
  metrics.counter({
    name: 'sentinel_negative_latencies_total',
    help: 'Latencies below 0, counted as 0: the clocks of two hosts disagree.',
    label: 'stage',
    read: () =>
      (Object.entries(latencies) as Array<[string, LatencyRecorder]>).map(([stage, r]) => [stage, r.negative]),
  })
}

/** What waits between the broker and the store, and the dead letters. */
function addHoldingMetrics(metrics: Metrics, { pipeline, deadLetters, behind }: ServerParts): void {
  const { queue, breaker, spool } = pipeline
  metrics.gauge({
    name: 'sentinel_behind',
    help: '1 while the server reads less than comes, or its store takes less: /ready says which.',
    read: () => (behind.problem === '' ? 0 : 1),
  })
  metrics.gauge({
    name: 'sentinel_queue_wait_seconds',
    help: 'How long the oldest batch in memory has waited for the store.',
    read: () => queue.waitsMs / 1000,
  })
  metrics.gauge({
    name: 'sentinel_held_samples',
    help: 'Samples received and not settled yet, in memory and on disk.',
    read: () => pipeline.held,
  })
  metrics.gauge({
    name: 'sentinel_queue_bytes',
    help: 'Size of the batches in memory that wait for the store.',
    read: () => queue.bytes,
  })
  metrics.counter({ name: 'sentinel_store_writes_total', help: 'Writes begun.', read: () => breaker.writes })
  metrics.counter({
    name: 'sentinel_store_retries_total',
    help: 'Writes that must be tried again.',
    read: () => breaker.retries,
  })
  metrics.gauge({
    name: 'sentinel_store_ready',
    help: '1 while the store takes batches, 0 while it is away.',
    read: () => (breaker.problem === '' ? 1 : 0),
  })
  metrics.gauge({
    name: 'sentinel_store_away_seconds',
    help: 'How long the store has been away; 0 while it is not.',
    read: () => breaker.awayForMs / 1000,
  })
  metrics.latency({
    name: 'sentinel_store_write_duration_seconds',
    help: 'How long the writes took that the store answered for good.',
    read: () => breaker.writeTime,
  })
  metrics.gauge({
    name: 'sentinel_batch_age_seconds',
    help: 'The age at which a batch is sealed now, while samples follow one another.',
    read: () => queue.batchAgeMs / 1000,
  })
  metrics.gauge({
    name: 'sentinel_spool_samples',
    help: 'The part of the held samples that is on disk.',
    read: () => pipeline.heldOnDisk,
  })
  metrics.gauge({ name: 'sentinel_spool_bytes', help: 'Size of the spool.', read: () => spool?.bytes ?? 0 })
  metrics.gauge({ name: 'sentinel_spool_batches', help: 'Batches in it.', read: () => spool?.records ?? 0 })
  metrics.gauge({
    name: 'sentinel_spool_ready',
    help: '1 while the disk of the spool can be used, 0 while it cannot.',
    read: () => (spool === undefined || spool.problem === '' ? 1 : 0),
  })
  metrics.counter({
    name: 'sentinel_replayed_samples_total',
    help: 'Samples of the spool that were written or rejected.',
    read: () => queue.replayedSamples,
  })
  metrics.counter({
    name: 'sentinel_dead_letters_total',
    help: 'Dead letters written since the start.',
    read: () => deadLetters.kept,
  })
  metrics.counter({
    name: 'sentinel_discarded_dead_letters_total',
    help: 'Dead letters that could not be kept, or were removed to make room.',
    read: () => deadLetters.discarded,
  })
  metrics.counter({
    name: 'sentinel_damaged_dead_letters_total',
    help: 'Dead letters of earlier processes that cannot be read any more.',
    read: () => deadLetters.damaged,
  })
  metrics.gauge({
    name: 'sentinel_dead_letters_bytes',
    help: 'Size of the dead letters on disk.',
    read: () => deadLetters.bytes,
  })
}
