import type { IntakeRoutesOptions } from '../../internal/api/routes/intake/intake.ts'
import type { Broker } from '../../internal/broker/broker.ts'
import { frameCodec } from '../../internal/codec/frame.ts'
import type { Settings } from '../../internal/config/settings.ts'
import { formatDuration } from '../../internal/config/units.ts'
import { Desk, type DeskRetention, OUTCOMES } from '../../internal/intake/desk.ts'
import { Intake } from '../../internal/intake/intake.ts'
import { KnownRetention } from '../../internal/intake/known-retention.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import type { KnowsRetention } from '../../internal/store/store.ts'
import { type Keeps, openPublisher } from '../parts/publisher.ts'
import type { Context } from '../program/context.ts'

/** What was answered is never given up: the intake itself refuses what has no room. */
const EVERYTHING: Keeps = {
  key: 'intake.maxHeldBytes',
  bounds: ({ intake }) => ({ maxBytes: intake.maxHeldBytes, maxAgeMs: Infinity }),
  isDurable: true,
}

/**
 * Opens the intake of the API: a publisher of its own, with a folder of its own for what the broker does not take.
 *
 * @returns undefined where the settings want none
 */
export async function openIntake(
  context: Context,
  broker: Broker,
  store: Partial<KnowsRetention>,
): Promise<IntakeRoutesOptions | undefined> {
  const { settings, onReload } = context
  if (!settings.intake.enabled) return undefined
  onReload([
    ...(['intake.maxBodyBytes', 'intake.maxPackedBytes', 'intake.maxReadingBytes'] as const),
    ...([
      'intake.maxLines',
      'intake.maxLineBytes',
      'intake.requestsPerMinute',
      'intake.requestsPerMinutePerKey',
      'intake.maxHeldBytes',
    ] as const),
  ])
  const limits = (): Settings['intake'] => context.settings.intake
  const opened = broker.kind === 'pubsub' ? undefined : await openDesk(context, broker, store)
  addIntakeMetrics(context, opened)
  return { desk: opened?.desk, limits }
}

interface OpenDesk {
  readonly desk: Desk
  readonly intake: Intake
  readonly table: SeriesTable
}

async function openDesk(context: Context, broker: Broker, store: Partial<KnowsRetention>): Promise<OpenDesk> {
  const { settings, clock, summary } = context
  const limits = (): Settings['intake'] => context.settings.intake
  const { publisher, ledger } = await openPublisher(context, broker, 'intake', EVERYTHING)
  summary.push(() => ({
    intake_produced: ledger.produced,
    intake_taken_over: ledger.takenOver,
    intake_sent: ledger.sent,
    intake_dropped: ledger.dropped,
    intake_held: ledger.held,
  }))
  const table = new SeriesTable({ maxSeries: settings.intake.maxSeries })
  const intake = new Intake({
    ...{ publisher, encoder: frameCodec.encoder(), maxHeldBytes: () => limits().maxHeldBytes },
  })
  const retentionMs = retentionOf(context, store)
  const retention = (): DeskRetention | undefined => {
    const ms = retentionMs()
    return ms === undefined ? undefined : { ms, words: formatDuration(ms) }
  }
  return { desk: new Desk({ intake, table, clock, limits, retention }), intake, table }
}

/** How long the store keeps samples, ms, as far as it is known at each call. */
function retentionOf(
  { settings, onReload, logger, releaser }: Context,
  store: Partial<KnowsRetention>,
): () => number | undefined {
  if (settings.store.kind === 'duckdb') return () => settings.duckdb.retentionMs
  const known = new KnownRetention({
    ask: async (signal) => store.retentionMs?.(signal),
    onChange: (ms) => {
      const words = ms === undefined ? 'unknown' : ms === Infinity ? 'for ever' : formatDuration(ms)
      logger.info({ keeps: words }, 'the store keeps samples: the intake refuses what is older')
    },
    onProblem: (problem) =>
      logger.warn(
        { problem },
        'the store does not say how long it keeps samples: the intake refuses none for their age',
      ),
  })
  onReload(['influx'], () => known.restart())
  releaser.push('retention of the store', () => known.close())
  return () => known.ms
}

function addIntakeMetrics({ metrics }: Context, opened: OpenDesk | undefined): void {
  metrics.counter({
    name: 'sentinel_intake_requests_total',
    help: 'Requests with samples, by what became of them.',
    label: 'outcome',
    read: () => OUTCOMES.map((outcome) => [outcome, opened?.desk.requests.get(outcome) ?? 0] as const),
  })
  metrics.counter({
    name: 'sentinel_intake_samples_total',
    help: 'Samples of requests that were durable when they were answered.',
    read: () => opened?.desk.samples ?? 0,
  })
  metrics.counter({
    name: 'sentinel_intake_refused_samples_total',
    help: 'Lines, rows and samples that were not taken, as the sender was told.',
    read: () => opened?.desk.refused ?? 0,
  })
  metrics.gauge({
    name: 'sentinel_intake_held_bytes',
    help: 'Bytes of taken samples that wait for the broker.',
    read: () => opened?.intake.heldBytes ?? 0,
  })
  metrics.gauge({
    name: 'sentinel_intake_series',
    help: 'Series that were written to of late.',
    read: () => opened?.table.size ?? 0,
  })
}
