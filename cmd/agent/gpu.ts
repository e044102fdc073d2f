import { setTimeout as sleep } from 'node:timers/promises'
import type { Broker } from '../../internal/broker/broker.ts'
import type { Settings } from '../../internal/config/settings.ts'
import { GpuReadings, gpuResults } from '../../internal/gpu/readings.ts'
import type { Refusal } from '../../internal/sample/border.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { Positions } from '../../internal/source/gpu-csv/positions.ts'
import { GpuCsvSource } from '../../internal/source/gpu-csv/source.ts'
import { makeFolder } from '../../internal/spool/make-folder.ts'
import { dataFolder } from '../parts/data-folder.ts'
import { openPublisher } from '../parts/publisher.ts'
import type { Context } from '../program/context.ts'

/** How much of a refused row the log shows. */
const SHOWN_CHARACTERS = 300
/** How often it is asked whether the broker has what was sent. */
const SETTLED_POLL_MS = 10

/** Runs files of readings of GPUs → samples → broker, over a publisher of its own. */
export async function openGpuCsv(context: Context, broker: Broker): Promise<void> {
  const { settings, clock, logger, throttle, releaser, summary } = context
  const { csv: paths, csvMode: mode, csvTime, csvPace, tagLabels } = settings.gpu
  if (paths.length === 0) return
  const readings = new GpuReadings({
    ...{ table: new SeriesTable(), host: settings.agent.host, tagLabels },
    onUnknownUnit: (metric, help) =>
      logger.warn({ metric, help }, 'nothing says the unit of a metric of GPUs: it is kept as it came'),
  })
  // What is undone last: how far files are read is known when the publisher has said what became of all rows.
  let close = async (): Promise<void> => {}
  releaser.push('positions of gpu-csv', () => close())
  const { publisher, ledger } = await openPublisher(context, broker, 'gpu')
  const folder = dataFolder(settings, 'gpu')
  await makeFolder(folder).catch(() => {})
  const source = new GpuCsvSource({
    ...{ paths, mode, readings, clock, logger, throttle },
    isNow: csvTime === 'now',
    isRecordedPace: csvPace === 'recorded',
    rowsPerSecond: rateOf(settings),
    positions: new Positions(folder),
    emit: (sample) => publisher.add(sample),
    send: async (signal) => {
      publisher.flush()
      await publisher.room(signal)
    },
    settled: async (signal) => {
      while (publisher.held > 0 && !signal.aborted) await sleep(SETTLED_POLL_MS)
    },
    dropped: () => ledger.dropped,
    onRefused: ({ reason, detail }: Refusal, row, file) => {
      const shown = row().slice(0, SHOWN_CHARACTERS)
      throttle.warn(`gpu-csv ${reason}`, { reason, detail, file, row: shown }, 'a row of GPU readings is not taken')
    },
  })
  close = () => source.close()
  addMetrics(context, source, readings)
  summary.push(() => ({
    gpu_rows: readings.counts.read,
    ...Object.fromEntries(gpuResults(readings.counts).map(([result, rows]) => [`gpu_rows_${result}`, rows])),
    gpu_produced: ledger.produced,
    gpu_taken_over: ledger.takenOver,
    gpu_sent: ledger.sent,
    gpu_dropped: ledger.dropped,
    gpu_held: ledger.held,
  }))
  const stop = new AbortController()
  const running = source
    .run(stop.signal)
    .catch((err: unknown) => logger.error({ err }, 'files of GPU readings are not read any more'))
  releaser.push('gpu-csv', async () => {
    stop.abort()
    await running
  })
  logger.info({ paths, mode, time: csvTime, pace: csvPace }, 'files of GPU readings are read')
}

/** Rows a second; 0: as many as are taken. */
function rateOf({ gpu }: Settings): number {
  const { csvRowsPerSecond, csvDelayMs } = gpu
  if (csvDelayMs === 0) return csvRowsPerSecond
  const rate = 1000 / csvDelayMs
  return csvRowsPerSecond === 0 ? rate : Math.min(rate, csvRowsPerSecond)
}

function addMetrics({ metrics }: Context, source: GpuCsvSource, readings: GpuReadings): void {
  metrics.counter({
    name: 'sentinel_gpu_csv_rows_total',
    help: 'Rows of files of GPU readings, by what became of them.',
    label: 'result',
    read: () => gpuResults(readings.counts),
  })
  metrics.counter({
    name: 'sentinel_gpu_csv_unknown_units_total',
    help: 'Readings whose unit nothing says, which are kept as they came.',
    read: () => readings.counts.unknownUnits,
  })
  metrics.gauge({
    name: 'sentinel_gpu_csv_files',
    help: 'Files of GPU readings that are open.',
    read: () => source.files,
  })
  metrics.gauge({
    name: 'sentinel_gpu_csv_unread_bytes',
    help: 'Size of what the files had that was not read yet, when they were looked at last.',
    read: () => source.unreadBytes,
  })
}
