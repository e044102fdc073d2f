import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { GpuCsvReader } from '../../gpu/csv-reader.ts'
import type { GpuReadings } from '../../gpu/readings.ts'
import type { LogThrottle } from '../../observe/log-throttle.ts'
import type { Refusal } from '../../sample/border.ts'
import type { SampleSink } from '../../sample/sample.ts'
import type { Clock } from '../../time/clock.ts'
import { OpenFiles } from './open-files.ts'
import { Pace } from './pace.ts'
import type { Positions } from './positions.ts'
import { CHUNK_BYTES, type FileCounts, type TailedFile } from './tailed-file.ts'

/** How files are read: to their end and then as they grow; to their end; again and again. */
export type CsvMode = 'follow' | 'once' | 'loop'

export interface GpuCsvOptions {
  /** Files, folders, and patterns with `*` and `?`. */
  readonly paths: readonly string[]
  readonly mode: CsvMode
  readonly isNow: boolean
  readonly isRecordedPace: boolean
  readonly rowsPerSecond: number
  readonly readings: GpuReadings
  readonly positions: Positions
  /** Takes a sample into the message that is being made. */
  readonly emit: SampleSink
  /** Sends that message, and resolves when there is room for more, or at the signal. */
  readonly send: (signal: AbortSignal) => Promise<void>
  /** Resolves when all that was sent, or refused, is where the end of this process does not take it away, or at the signal. */
  readonly settled: (signal: AbortSignal) => Promise<void>
  /** Samples that were given up on their way. */
  readonly dropped: () => number
  /** Told of each row of which nothing is taken: a message of one row, or the line as it came where the reason is `row_syntax`. */
  readonly onRefused: (refusal: Refusal, row: () => string, path: string) => void
  readonly clock: Clock
  readonly logger: Logger
  readonly throttle: LogThrottle
}

/** How often files that were read to their end are looked at. */
const POLL_MS = 200
/** How often it is written down how far files are read: so much is read again after a kill. */
const CHECKPOINT_MS = 1000
/** So many wide samples are gathered, and so many rows are read, before others run. */
const [SAMPLES_AT_ONCE, ROWS_AT_ONCE] = [2000, 2000]

/**
 * files → rows → readings → wide samples → publisher.
 *
 * How far files are read is written down only when the broker, or the publisher's disk, has all rows before: each row leaves
 * at least once, and one that leaves again is stored over itself, because it keeps its time and its tags.
 *
 * The caller promises to call `run` once.
 */
export class GpuCsvSource {
  readonly #options: GpuCsvOptions
  readonly #reader: GpuCsvReader
  readonly #pace: Pace
  readonly #files: OpenFiles
  #current: TailedFile | undefined
  #checkpointAtMs = 0
  #droppedBefore = 0
  /** Another one begins where rows that were given up on their way are read again. */
  #attempt = 0
  /** Whether all files are read to their end, and no more is to come. */
  isDone = false
  /** Bytes of the files that were not read when they were looked at last. */
  unreadBytes = 0

  constructor(options: GpuCsvOptions) {
    this.#options = options
    const { readings, isNow, isRecordedPace: isRecorded, rowsPerSecond, clock } = options
    this.#files = new OpenFiles(options)
    this.#pace = new Pace({ isNow, isRecorded, rowsPerSecond, clock })
    this.#reader = new GpuCsvReader({
      readings,
      stamp: this.#pace.stamp,
      onRefused: (refusal, row) => options.onRefused(refusal, row, this.#current?.path ?? ''),
    })
  }

  /** Files that are open. */
  get files(): number {
    return this.#files.size
  }

  /** Reads until the signal, or the end of what there is to read. Never rejects for what a file is, or is not. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#files.goOn(this.#options.mode === 'loop' ? new Map() : await this.#options.positions.load())
    this.#droppedBefore = this.#options.dropped()
    try {
      await this.#readOn(signal)
    } finally {
      this.#options.readings.flush(this.#options.emit)
      await this.#options.send(signal)
    }
  }

  async #readOn(signal: AbortSignal): Promise<void> {
    const { mode, logger, paths } = this.#options
    while (!signal.aborted) {
      for (const file of await this.#files.look()) await this.#giveUp(file, signal)
      if (this.#files.size === 0) logger.debug({ paths }, 'no files of GPU readings yet')
      const rows = await this.#readAll(signal)
      if (mode !== 'follow' && rows === 0 && this.#files.size > 0 && !signal.aborted) {
        if (await this.#end(signal)) return
        continue
      }
      await this.#wait(POLL_MS, signal)
    }
  }

  /** Writes down how far files are read. To be called when what was sent is settled; then nothing more may be read. */
  async close(): Promise<void> {
    try {
      if (this.#options.dropped() === this.#droppedBefore) await this.#save()
    } catch (err) {
      this.#options.logger.warn({ err }, 'it is not written down how far files of GPU readings are read')
    }
    await this.#files.close()
  }

  async #readAll(signal: AbortSignal): Promise<number> {
    let rows = 0
    for (const file of this.#files) {
      rows += await this.#readOne(file, signal)
      if (signal.aborted) return rows
    }
    this.unreadBytes = 0
    for (const file of this.#files) this.unreadBytes += await file.unread()
    if (rows > 0) await this.#checkpoint(signal)
    return rows
  }

  async #readOne(file: TailedFile, signal: AbortSignal): Promise<number> {
    let rows = 0
    try {
      while (!signal.aborted) {
        const bytes = await file.lines()
        if (bytes === undefined) break
        if (bytes === 'too_long') this.#refuseLine(file, `a line of more than ${CHUNK_BYTES} bytes`, '')
        else rows += await this.#readLines(file, bytes, signal)
      }
    } catch (err) {
      this.#options.throttle.warn(
        `gpu-csv ${file.path}`,
        { err, file: file.path },
        'a file of GPU readings cannot be read',
      )
    }
    return rows
  }

  /** @returns rows; the file's offset is behind those that were taken, also where the signal ends it */
  async #readLines(file: TailedFile, bytes: Buffer, signal: AbortSignal): Promise<number> {
    const reader = this.#reader
    const { readings } = this.#options
    this.#current = file
    reader.header = file.header
    reader.begin(bytes)
    const begin = file.offset
    let rows = 0
    let recordedUs = reader.recordedUs
    const attempt = this.#attempt
    const before = countsOf(readings)
    for (;;) {
      const start = begin + reader.at
      if (!reader.next()) break
      rows++
      file.offset = begin + reader.at
      file.header = reader.header
      if (reader.recordedUs !== recordedUs) {
        recordedUs = reader.recordedUs
        const waitMs = this.#pace.waitMs(recordedUs)
        if (waitMs > 0) await this.#awaitTime(file, start, waitMs, signal)
      }
      const waitMs = this.#pace.countRow()
      if (waitMs > 0 && !signal.aborted) await this.#awaitRate(waitMs, signal)
      else if (rows % ROWS_AT_ONCE === 0) await this.#handOn(signal)
      if (signal.aborted || this.#attempt !== attempt) break
    }
    addTo(file.counts, before, countsOf(readings))
    if (this.#attempt !== attempt) return rows
    if (!signal.aborted) file.offset = begin + bytes.length
    file.header = reader.header
    return rows
  }

  /** The row that was read last is of a time that is to come: those before leave now, and it has not been read until then. */
  async #awaitTime(file: TailedFile, start: number, waitMs: number, signal: AbortSignal): Promise<void> {
    const end = file.offset
    const attempt = this.#attempt
    file.offset = start
    await this.#sendSome(true, signal)
    await this.#wait(waitMs, signal)
    if (!signal.aborted && this.#attempt === attempt) file.offset = end
  }

  async #awaitRate(waitMs: number, signal: AbortSignal): Promise<void> {
    await this.#sendSome(false, signal)
    await this.#wait(waitMs, signal)
  }

  async #sendSome(keepNewest: boolean, signal: AbortSignal): Promise<void> {
    const { readings, emit, send } = this.#options
    if (this.#isCheckpointDue) return this.#checkpoint(signal, keepNewest)
    readings.flush(emit, keepNewest)
    await send(signal)
  }

  get #isCheckpointDue(): boolean {
    return performance.now() - this.#checkpointAtMs > CHECKPOINT_MS
  }

  async #handOn(signal: AbortSignal): Promise<void> {
    const { readings, emit, send } = this.#options
    if (this.#isCheckpointDue) return this.#checkpoint(signal)
    if (readings.size >= SAMPLES_AT_ONCE) {
      readings.flush(emit, true)
      // A file whose rows all have one time has no newest ones.
      if (readings.size >= SAMPLES_AT_ONCE) readings.flush(emit)
      await send(signal)
    }
    await new Promise((resolve) => setImmediate(resolve))
  }

  /** Sends all that was read, waits until it is safe, and writes down how far that is. */
  async #checkpoint(signal: AbortSignal, keepNewest = false): Promise<void> {
    const { readings, emit, send, settled, dropped, throttle } = this.#options
    readings.flush(emit, keepNewest)
    await send(signal)
    await settled(signal)
    if (signal.aborted) return
    this.#checkpointAtMs = performance.now()
    if (dropped() !== this.#droppedBefore) await this.#goBack(signal)
    else
      await this.#save().catch((err: unknown) => {
        throttle.warn('gpu-csv positions', { err }, 'it is not written down how far files of GPU readings are read')
      })
  }

  /** What was given up on its way is still in the files. */
  async #goBack(signal: AbortSignal): Promise<void> {
    const { throttle, dropped, mode, positions } = this.#options
    this.#droppedBefore = dropped()
    if (mode === 'loop') return
    this.#attempt++
    throttle.warn('gpu-csv back', {}, 'rows of GPU readings were given up on their way: they are read again')
    const known = await positions.load()
    for (const file of this.#files) {
      file.offset = known.get(file.id)?.offset ?? 0
      file.header = known.get(file.id)?.header ?? file.header
    }
    await this.#wait(CHECKPOINT_MS, signal)
  }

  async #save(): Promise<void> {
    if (this.#options.mode === 'loop' || this.#files.size === 0) return
    await this.#options.positions.save(await Promise.all([...this.#files].map((file) => file.position())))
  }

  /** A file that is gone, or has another name, and does not grow any more. */
  async #giveUp(file: TailedFile, signal: AbortSignal): Promise<void> {
    await this.#finish(file)
    await this.#checkpoint(signal)
    if (!signal.aborted) await this.#files.drop(file)
  }

  /** A file to which nothing is added any more: its last line may lack its end. */
  async #finish(file: TailedFile): Promise<void> {
    const rest = await file.rest()
    const end = file.offset + (await file.unread())
    if (rest !== undefined) {
      // Half a number is a number.
      if (file.header.at(-1) === 'value') this.#refuseLine(file, 'the last line has no end', rest.toString().trimEnd())
      else await this.#readLines(file, rest, NEVER)
      file.offset = end
    }
    const { path, counts, offset } = file
    this.#options.logger.info({ file: path, bytes: offset, ...counts }, 'a file of GPU readings is read to its end')
  }

  /** @returns whether all is read, and nothing more comes */
  async #end(signal: AbortSignal): Promise<boolean> {
    for (const file of this.#files) await this.#finish(file)
    await this.#checkpoint(signal)
    if (this.#options.mode === 'once') {
      this.isDone = true
      return true
    }
    for (const file of this.#files) file.restart()
    this.#pace.restart()
    return false
  }

  #refuseLine(file: TailedFile, detail: string, line: string): void {
    const { readings, onRefused } = this.#options
    const refusal = readings.refuse({ reason: 'row_syntax', detail })
    file.counts.read++
    file.counts.refused++
    onRefused(refusal, () => line, file.path)
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    await sleep(ms, undefined, { signal }).catch(() => {})
  }
}

const NEVER = new AbortController().signal

function countsOf({ counts }: GpuReadings): FileCounts {
  const { read, taken, missing } = counts
  return { read, taken, missing, refused: read - taken - missing }
}

function addTo(counts: FileCounts, before: FileCounts, after: FileCounts): void {
  for (const key of ['read', 'taken', 'missing', 'refused'] as const) counts[key] += after[key] - before[key]
}
