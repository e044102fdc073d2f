import type { Broker } from '../../internal/broker/broker.ts'
import { DEFAULT_FABRIC } from '../../internal/fabric/generation.ts'
import { FabricSource } from '../../internal/source/fabric/source.ts'
import { namedFabrics } from './named-fabrics.ts'
import { Ticker } from '../../internal/time/ticker.ts'
import { instanceOf } from '../parts/data-folder.ts'
import { openPublisher } from '../parts/publisher.ts'
import type { Context } from '../program/context.ts'
import type { Collect } from '../program/small-heap.ts'
import { addFabricMetrics, CycleLatencies } from './fabric-metrics.ts'
import { Repeats } from './repeats.ts'
import type { SourceLetters } from './source-letters.ts'
import { spread } from './spread.ts'

/** So much may lie outside of V8's heap, unused, before it is freed. */
const GARBAGE_BYTES = 4 * 2 ** 20
/** The most that a frame of a table has, in general. */
const FRAME_BYTES = 2 ** 20

/**
 * Runs targets → snapshots and samples → broker, once per interval, for each fabric. The samples have a publisher of
 * their own: two cycles of 100,000 ports fill an outbox of 64 MiB, and would push those of the host out of it.
 *
 * @param more targets with the name of their fabric, `east=http://…`, beside those of the settings
 * @param collect for a process that does nothing else: frees what a large cycle leaves
 */
export async function openFabricSources(
  context: Context,
  broker: Broker,
  letters: () => Promise<SourceLetters>,
  { more = [], collect = () => {} }: { readonly more?: readonly string[]; readonly collect?: Collect },
): Promise<void> {
  const { settings, clock, logger, throttle, releaser, summary } = context
  const { intervalMs, named } = settings.fabric
  /** V8 sees a small heap, and what lies outside of it late: the pieces of an answer, and frames that Redis has taken. */
  let [garbageBytes, cycleBytes] = [0, 0]
  const discard = (bytes: number): void => {
    garbageBytes += bytes
    cycleBytes += bytes
    if (garbageBytes < GARBAGE_BYTES) return
    garbageBytes = 0
    collect('minor')
  }
  const fabrics = namedFabrics({ ...settings.fabric, named: [...named, ...more] }, discard)
  if (fabrics.size === 0) return
  const { keep } = await letters()
  const { publisher, ledger } = await openPublisher(context, broker, 'fabric')
  const latencies = new CycleLatencies()
  const running = [...fabrics].map(([fabric, list]) => {
    const repeats = new Repeats()
    const source = new FabricSource({
      ...{ fabric, targets: list, intervalMs, snapshots: broker.snapshots, clock, logger, throttle },
      onCycle: latencies.record,
      onBadRow: (target, { reason, row, text }) => {
        // Its figures change from cycle to cycle, and its place seldom.
        if (!repeats.isNew(`${target} ${reason} ${row}`, performance.now())) return
        const from = fabric === DEFAULT_FABRIC ? target : `${fabric}: ${target}`
        keep({ kind: 'text', reason, detail: `row ${row}`, source: `fabric ${from}`, payload: text })
      },
      isTagged: fabric !== DEFAULT_FABRIC,
      publisher: `agent/${instanceOf(settings, 'agent')}`,
      send: async (encoder, signal) => {
        publisher.send(encoder)
        await publisher.room(signal)
        discard(FRAME_BYTES)
      },
    })
    const ticker = new Ticker({
      intervalMs,
      clock: spread(clock, intervalMs),
      onTick: async () => {
        cycleBytes = 0
        await source.cycle()
        // What the rows took on the heap.
        if (cycleBytes >= GARBAGE_BYTES) collect('major')
      },
      onError: (err) => throttle.error(`fabric ${fabric}`, { err, fabric }, 'the cycle of a fabric failed'),
    })
    return { fabric, source, ticker }
  })
  addFabricMetrics(context, running, latencies)
  summary.push(() => ({
    fabric_produced: ledger.produced,
    fabric_taken_over: ledger.takenOver,
    fabric_sent: ledger.sent,
    fabric_dropped: ledger.dropped,
    fabric_held: ledger.held,
  }))
  for (const { fabric, source, ticker } of running) {
    ticker.start()
    releaser.push(`fabric ${fabric}`, async (signal) => {
      source.stop(signal)
      await ticker.stop()
    })
    const names = source.targets.map(({ target }) => target.name)
    logger.info({ fabric, targets: names, intervalMs }, 'fabric is asked')
  }
}
