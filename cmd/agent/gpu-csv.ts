import { setTimeout as sleep } from 'node:timers/promises'
import type { Settings } from '../../internal/config/settings.ts'
import { gpuResults } from '../../internal/gpu/readings.ts'
import { hashBytes } from '../../internal/sample/hash.ts'
import { Positions } from '../../internal/source/gpu-csv/positions.ts'
import { GpuCsvSource } from '../../internal/source/gpu-csv/source.ts'
import { makeFolder } from '../../internal/spool/make-folder.ts'
import { dataFolder } from '../parts/data-folder.ts'
import type { Context } from '../program/context.ts'
import type { GpuParts } from './gpu-parts.ts'
import type { SourceLetters } from './source-letters.ts'

/** How often it is asked whether the broker has what was sent. */
const SETTLED_POLL_MS = 10

/** Reads files of readings. @returns what writes down how far they are read, for when the publisher has stopped */
export async function openGpuCsv(
  context: Context,
  parts: GpuParts,
  letters: SourceLetters,
): Promise<() => Promise<void>> {
  const { settings, clock, logger, throttle, releaser, summary } = context
  const { publisher, ledger, readings, onRefused } = parts
  const { csv: paths, csvMode: mode, csvTime, csvPace } = settings.gpu
  const folder = dataFolder(settings, 'gpu')
  // A folder that cannot be written to is said when positions are saved.
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
      await letters.written()
    },
    dropped: () => ledger.dropped,
    onRefused: (refusal, row, file) => {
      const text = row()
      onRefused(refusal, text, file, mode === 'loop' ? keyOf(`${file}\n${text}`) : undefined)
    },
  })
  addMetrics(context, source, parts)
  summary.push(() => ({
    gpu_rows: readings.counts.read,
    ...Object.fromEntries(gpuResults(readings.counts).map(([result, rows]) => [`gpu_rows_${result}`, rows])),
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
  return async () => {
    await letters.written()
    await source.close()
  }
}

/** A file that is played again and again has the same bad rows each time. */
function keyOf(text: string): number {
  const bytes = Buffer.from(text)
  return hashBytes(bytes, 0, bytes.length, 0)
}

/** Rows a second; 0: as many as are taken. */
function rateOf({ gpu }: Settings): number {
  const { csvRowsPerSecond, csvDelayMs } = gpu
  if (csvDelayMs === 0) return csvRowsPerSecond
  const rate = 1000 / csvDelayMs
  return csvRowsPerSecond === 0 ? rate : Math.min(rate, csvRowsPerSecond)
}

function addMetrics({ metrics }: Context, source: GpuCsvSource, { readings }: GpuParts): void {
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
