import type { Broker } from '../../internal/broker/broker.ts'
import { FrameRowEncoder } from '../../internal/codec/frame-rows.ts'
import type { ScrapeTarget } from '../../internal/config/scrape-targets.ts'
import type { SnapshotSink } from '../../internal/fabric/generation.ts'
import { GpuReadings } from '../../internal/gpu/readings.ts'
import { LatencyRecorder } from '../../internal/observe/latency.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { encodeGpu } from '../../internal/source/scrape/gpu-rows.ts'
import { ShownPorts } from '../../internal/source/scrape/shown-ports.ts'
import { ScrapeSource } from '../../internal/source/scrape/source.ts'
import { Ticker } from '../../internal/time/ticker.ts'
import { instanceOf } from '../parts/data-folder.ts'
import { openPublisher } from '../parts/publisher.ts'
import type { Context, OpenPublisher } from '../program/context.ts'
import { Repeats } from './repeats.ts'
import { addScrapeMetrics, type EndedScrapes, endScrape, type RunningScrape } from './scrape-metrics.ts'
import { type OpenScrapeTarget, openScrapeTargets } from './scrape-targets.ts'
import type { SourceLetters } from './source-letters.ts'
import { spread } from './spread.ts'
import { addTargets, removeTarget } from './target-metrics.ts'

const NEVER = new AbortController().signal

/**
 * Runs targets → samples → broker, each target once per interval of its own. The samples have a publisher of their own,
 * so that they never push those of the host out of its outbox.
 */
export class ScrapeSources {
  readonly #context: Context
  readonly #opened: OpenPublisher
  readonly #letters: SourceLetters
  /** Takes the ports that are shown; undefined where nobody can. */
  readonly #snapshots: SnapshotSink | undefined
  /** By the name of the target: a target of another interval goes on with what is shown of the one before. */
  readonly #ports = new Map<string, ShownPorts>()
  readonly #table = new SeriesTable()
  readonly #encoder = new FrameRowEncoder()
  readonly #durations = new LatencyRecorder()
  readonly #running = new Map<string, RunningScrape>()
  readonly #ended: EndedScrapes = { leftOut: new Map(), refused: new Map(), missed: 0 }
  /** Targets that are given up, and still send what they said. */
  readonly #leaving = new Set<Promise<void>>()

  constructor(context: Context, opened: OpenPublisher, letters: SourceLetters, snapshots: SnapshotSink | undefined) {
    this.#context = context
    this.#snapshots = snapshots
    this.#opened = opened
    this.#letters = letters
    addScrapeMetrics(context, this.#running, this.#ended, this.#durations)
  }

  /** Scrapes these targets from now on, and no others. Those that stay as they were go on undisturbed. */
  follow(targets: readonly ScrapeTarget[]): void {
    const { settings, logger } = this.#context
    const wanted = new Map(
      openScrapeTargets({ ...settings, scrape: { ...settings.scrape, targets } }).map(
        (open) => [open.key, open] as const,
      ),
    )
    const given = [...this.#running.keys()].filter((key) => !wanted.has(key))
    const stay = new Set([...wanted.values()].map(({ target }) => target.name))
    for (const key of given) this.#giveUp(key, stay)
    let isChanged = given.length > 0
    for (const [key, open] of wanted) {
      if (this.#running.has(key)) open.target.close()
      else {
        this.#begin(key, open)
        isChanged = true
      }
    }
    const names = [...this.#running.values()].map(({ source }) => source.target.name)
    if (isChanged) logger.info({ targets: names }, names.length > 0 ? 'targets are scraped' : 'no targets are scraped any more') // biome-ignore format: one line
  }

  async stop(signal: AbortSignal): Promise<void> {
    for (const { source } of this.#running.values()) source.stop(signal)
    await Promise.all([...this.#leaving, ...[...this.#running.values()].map(({ ticker }) => ticker.stop())])
  }

  #begin(key: string, { target, tags, intervalMs }: OpenScrapeTarget): void {
    const { settings, clock, logger, throttle } = this.#context
    const { publisher } = this.#opened
    const encoder = this.#encoder
    const { maxSeries, tagLabels } = settings.scrape
    const gpus = new GpuReadings({
      ...{ table: this.#table, host: tags.host, tagLabels, nowUs: () => clock.now() },
      onUnknownUnit: (metric, help) =>
        logger.warn({ target: target.name, metric, help }, 'nothing says the unit of a metric: it is kept as it comes'),
    })
    const repeats = new Repeats()
    const source = new ScrapeSource({
      ...{ target, tags, maxSeries, clock, logger, gpus, encoder, ports: this.#portsOf(target.name) },
      onBad: ({ reason, detail, series, text }) => {
        if (!repeats.isNew(series, performance.now())) return
        const payload = text()
        const kind = payload.startsWith('[') ? 'message' : 'text'
        this.#letters.keep({ kind, reason, detail, source: `scrape ${target.name}`, payload })
      },
      send: async (full, signal) => {
        publisher.send(full)
        await publisher.room(signal)
      },
      sendGpus: () => {
        gpus.flush((sample) => {
          if (encodeGpu(sample, encoder)) return
          publisher.send(encoder)
          encodeGpu(sample, encoder)
        })
        publisher.send(encoder)
      },
    })
    const ticker = new Ticker({
      intervalMs,
      clock: spread(clock, intervalMs),
      onTick: async () => {
        const startMs = performance.now()
        await source.scrape()
        this.#durations.record(Math.round((performance.now() - startMs) * 1000))
      },
      onError: (err) =>
        throttle.error(`scrape ${target.name}`, { err, target: target.name }, 'a target could not be scraped'),
    })
    this.#running.set(key, { source, gpus, ticker })
    addTargets(this.#context, [[target.name, source]])
    ticker.start()
  }

  /** What is shown of a target. */
  #portsOf(target: string): ShownPorts | undefined {
    const { settings, clock, throttle } = this.#context
    const snapshots = this.#snapshots
    if (snapshots === undefined) return undefined
    const publisher = `agent/${instanceOf(settings, 'agent')}/scrape/${target}`
    const ports = this.#ports.get(target) ?? new ShownPorts({ target, publisher, snapshots, clock, throttle })
    this.#ports.set(target, ports)
    return ports
  }

  /** @param staying names of targets that are asked from now on */
  #giveUp(key: string, staying: ReadonlySet<string>): void {
    const scrape = this.#running.get(key)!
    const { name } = scrape.source.target
    const ports = staying.has(name) ? undefined : this.#ports.get(name)
    if (ports !== undefined) this.#ports.delete(name)
    this.#running.delete(key)
    removeTarget(this.#context, scrape.source)
    scrape.source.stop(NEVER)
    const left = scrape.ticker.stop().then(async () => {
      endScrape(this.#ended, scrape)
      await ports?.leave()
      this.#leaving.delete(left)
    })
    this.#leaving.add(left)
  }
}

export async function openScrapeSources(
  context: Context,
  broker: Broker,
  letters: SourceLetters,
): Promise<ScrapeSources> {
  const opened = await openPublisher(context, broker, 'scrape')
  // A gateway of the queue takes samples alone. `sentinel up` has none.
  const isGateway = context.settings.broker.useHttp && broker.kind !== 'memory'
  const snapshots = isGateway ? undefined : broker.snapshots
  const { ledger } = opened
  context.summary.push(() => ({
    scrape_produced: ledger.produced,
    scrape_taken_over: ledger.takenOver,
    scrape_sent: ledger.sent,
    scrape_dropped: ledger.dropped,
    scrape_held: ledger.held,
  }))
  const sources = new ScrapeSources(context, opened, letters, snapshots)
  context.releaser.push('scrape', (signal) => sources.stop(signal))
  return sources
}
