import type { Broker } from '../../internal/broker/broker.ts'
import { FrameRowEncoder } from '../../internal/codec/frame-rows.ts'
import { GpuReadings } from '../../internal/gpu/readings.ts'
import { LatencyRecorder } from '../../internal/observe/latency.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { encodeGpu } from '../../internal/source/scrape/gpu-rows.ts'
import { ScrapeSource } from '../../internal/source/scrape/source.ts'
import { Ticker } from '../../internal/time/ticker.ts'
import { openPublisher } from '../parts/publisher.ts'
import type { Context } from '../program/context.ts'
import { addScrapeMetrics } from './scrape-metrics.ts'
import { Repeats } from './repeats.ts'
import { openScrapeTargets } from './scrape-targets.ts'
import type { SourceLetters } from './source-letters.ts'
import { spread } from './spread.ts'

/**
 * Runs targets → samples → broker, each target once per interval of its own. The samples have a publisher of their own,
 * so that they never push those of the host out of its outbox.
 */
export async function openScrapeSources(context: Context, broker: Broker, letters: SourceLetters): Promise<void> {
  const { settings, clock, logger, throttle, releaser, summary } = context
  const targets = openScrapeTargets(settings)
  const { publisher, ledger } = await openPublisher(context, broker, 'scrape')
  const table = new SeriesTable()
  const encoder = new FrameRowEncoder()
  const durations = new LatencyRecorder()
  const { maxSeries, tagLabels } = settings.scrape
  const running = targets.map(({ target, tags, intervalMs }) => {
    const gpus = new GpuReadings({
      ...{ table, host: tags.host, tagLabels, nowUs: () => clock.now() },
      onUnknownUnit: (metric, help) =>
        logger.warn({ target: target.name, metric, help }, 'nothing says the unit of a metric: it is kept as it comes'),
    })
    const repeats = new Repeats()
    const source = new ScrapeSource({
      ...{ target, tags, maxSeries, clock, logger, gpus, encoder },
      onBad: ({ reason, detail, series, text }) => {
        if (!repeats.isNew(series, performance.now())) return
        const payload = text()
        const kind = payload.startsWith('[') ? 'message' : 'text'
        letters.keep({ kind, reason, detail, source: `scrape ${target.name}`, payload })
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
        durations.record(Math.round((performance.now() - startMs) * 1000))
      },
      onError: (err) =>
        throttle.error(`scrape ${target.name}`, { err, target: target.name }, 'a target could not be scraped'),
    })
    return { source, gpus, ticker }
  })
  addScrapeMetrics(context, running, durations)
  summary.push(() => ({
    scrape_produced: ledger.produced,
    scrape_taken_over: ledger.takenOver,
    scrape_sent: ledger.sent,
    scrape_dropped: ledger.dropped,
    scrape_held: ledger.held,
  }))
  for (const { ticker } of running) ticker.start()
  releaser.push('scrape', async (signal) => {
    for (const { source } of running) source.stop(signal)
    await Promise.all(running.map(({ ticker }) => ticker.stop()))
  })
  logger.info({ targets: targets.map(({ target }) => target.name) }, 'targets are scraped')
}
