import type { Broker } from '../../internal/broker/broker.ts'
import { MessageDecoder } from '../../internal/codec/detect.ts'
import type { Settings } from '../../internal/config/settings.ts'
import { conflictText, Identities } from '../../internal/ingest/identities.ts'
import { Checkpoints } from '../../internal/ingest/loss/checkpoints.ts'
import type { LossTracker } from '../../internal/ingest/loss/loss.ts'
import { type Latencies, Pipeline, type PipelineLimits } from '../../internal/ingest/pipeline.ts'
import { LiveAnnouncer } from '../../internal/live/announcer.ts'
import { LatencyRecorder } from '../../internal/observe/latency.ts'
import { LatencyLog } from '../../internal/observe/latency-log.ts'
import { OwnMetrics } from '../../internal/observe/own-metrics.ts'
import { runId } from '../../internal/publish/run-id.ts'
import { ServerLedger } from '../../internal/sample/ledger.ts'
import type { StoreWriter } from '../../internal/store/store.ts'
import { Ticker } from '../../internal/time/ticker.ts'
import { instanceOf } from '../parts/data-folder.ts'
import type { Context } from '../program/context.ts'
import { Behind } from './behind.ts'
import { createLossTracker, lossKnown, lossUnknown, settledBy } from './loss.ts'
import { addServerMetrics, ledgerCounts, ownServerMetrics, type ServerParts } from './metrics.ts'
import { openSeries, tellFull } from './series.ts'
import { openStorage } from './storage.ts'

const OWN_FIGURES_INTERVAL_MS = 1000

/**
 * Opens a server: broker → pipeline → store, and changed series to the live feed. It stops in the order of the flow:
 * intake, batches, live feed. The store and the broker belong to the caller and close after it.
 */
export async function openServer(context: Context, broker: Broker, writer: StoreWriter): Promise<void> {
  const { deadLetters, spool, ...kept } = await openStorage(context, broker)
  const { settings, logger, clock, releaser, throttle } = context
  const { live, stats } = settings
  const table = openSeries(context, (series) => identities.forget(series))
  const ledger = new ServerLedger()
  const loss = createLossTracker(broker, throttle)
  const latencies: Latencies = {
    internal: new LatencyRecorder(),
    e2e: new LatencyRecorder(),
    durable: new LatencyRecorder(),
  }
  const announcer = new LiveAnnouncer({
    channel: broker.live,
    run: runId(settings.agent.host, 'server'),
    clock,
    intervalMs: live.intervalMs,
  })
  const latencyLog = new LatencyLog({ latencies, logger, everyMs: stats.intervalMs, everyMessages: stats.every })
  const decoder = new MessageDecoder(table)
  const checkpoints = kept.checkpoints && new Checkpoints({ store: kept.checkpoints, loss, throttle })
  const identities = new Identities({
    table,
    onConflict: (conflict) => throttle.warn(`conflict ${conflict.host}`, conflict, conflictText(conflict)),
  })
  const pipeline = new Pipeline({
    decoder,
    checkpoints,
    live: (sample, receivedAt) => announcer.record(sample, receivedAt),
    onMessage: () => latencyLog.message(),
    writer,
    ledger,
    loss,
    identities,
    latencies,
    clock,
    logger,
    throttle,
    ...limitsOf(settings),
    brokerKeepsUnacked: broker.kind === 'streams',
    spool,
    deadLetters,
  })
  const behind = new Behind({ broker, pipeline, logger })
  const parts: ServerParts = {
    decoder,
    ledger,
    loss,
    identities,
    latencies,
    pipeline,
    deadLetters,
    table,
    announcer,
    broker,
    behind,
    storeKind: settings.store.kind,
  }
  const own = new OwnMetrics({
    table,
    host: settings.agent.host,
    role: 'server',
    instance: instanceOf(settings, 'server'),
    metrics: ownServerMetrics(parts),
  })
  const tellOfFullTable = tellFull(context, table)
  const ownTicker = new Ticker({
    intervalMs: OWN_FIGURES_INTERVAL_MS,
    clock,
    onTick: async (atUs) => {
      behind.look()
      own.collect(atUs, (sample) => pipeline.take(sample))
      identities.collect(atUs, (sample) => pipeline.take(sample))
      tellOfFullTable()
    },
    onError: (err) => throttle.error('own metrics', { err }, 'the own metrics of this process could not be read'),
  })
  addServerMetrics(context.metrics, parts)
  context.pipelines.push({ ledger: () => ledgerCounts(parts), latency: latencies })
  context.readiness.push(
    () => pipeline.breaker.problem,
    () => behind.problem,
  )
  context.onReload(
    [
      'ingest.flushMinMs',
      'ingest.flushMaxMs',
      'ingest.durableTargetMs',
      'ingest.queueMaxBytes',
      'ingest.maxFutureMs',
      'ingest.maxAgeMs',
      'spool',
    ],
    (changed) => pipeline.reconfigure(limitsOf(changed)),
  )
  // The store is asked at once, because a corrected setting may end its outage.
  context.onReload(['influx'], () => pipeline.askStore())

  announcer.start()
  releaser.push('live feed', () => announcer.stop())
  latencyLog.start()
  context.onReload(['stats'], (changed) =>
    latencyLog.setPeriod({ everyMs: changed.stats.intervalMs, everyMessages: changed.stats.every }),
  )
  releaser.push('latency log', () => latencyLog.stop())
  if (checkpoints !== undefined) releaser.push('checkpoints', (signal) => checkpoints.stop(signal))
  releaser.push('batches', (signal) => pipeline.finish(signal))
  context.droppedAtStop.push(() => pipeline.droppedAtStop)
  context.summary.push(() => ({
    received: ledger.received,
    taken_over: ledger.takenOver,
    own: ledger.own,
    written: ledger.written,
    rejected: ledger.rejected,
    dropped: ledger.dropped,
    // On disk for the next start, or unacked in a broker that keeps them.
    held: ledger.held,
    spooled: pipeline.heldOnDisk,
    ...lossColumns(loss, broker),
    // Not part of `lost`: samples that may be lost between the kill of an earlier process and the first message.
    lost_at_most: loss.lostSamplesAtMost,
  }))
  await pipeline.start(async (handler, options) => {
    // Losses before the first message are known only from the checkpoints of the previous process.
    await checkpoints?.start()
    return broker.subscribe(handler, { ...options, positions: kept.positions, onSettled: settledBy(loss) })
  })
  releaser.push('intake', async () => {
    await ownTicker.stop()
    await pipeline.stopIntake()
  })
  ownTicker.start()
  logger.info({ broker: broker.kind, store: settings.store.kind }, 'server consumes')
}

function lossColumns(loss: LossTracker, broker: Broker): Record<string, number | string> {
  const { lostSamples } = loss
  if (lossKnown(loss, broker)) return { lost: lostSamples }
  const reasons = lossUnknown(loss, broker).flatMap(([reason, count]) => (count > 0 ? [`${count} ${reason}`] : []))
  return { lost: 'unknown', lost_at_least: lostSamples, lost_unknown: reasons.join(', ') }
}

/** The settings of a server that may change while it runs. */
function limitsOf({ ingest, spool }: Settings): PipelineLimits {
  const { flushMinMs, flushMaxMs, durableTargetMs, queueMaxBytes, maxAgeMs, maxFutureMs } = ingest
  const { maxBytes, whenFull, replayBytesPerSecond } = spool
  const timeWindow = { maxAgeUs: maxAgeMs * 1000, maxFutureUs: maxFutureMs * 1000 }
  const age = { flushMinMs, flushMaxMs, durableTargetMs }
  return { ...age, queueMaxBytes, replayBytesPerSecond, timeWindow, spool: { maxBytes, whenFull } }
}
