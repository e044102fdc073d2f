import { join } from 'node:path'
import type { Logger } from 'pino'
import { openSegmentLog, type SegmentLog } from '../spool/segment-log.ts'
import { headOf, parseKept } from './kept-record.ts'
import type { Kept } from './scripts.ts'

const SEGMENT_BYTES = 4 * 2 ** 20
/** Of one feed: Redis does nothing else meanwhile. */
const MAX_FEED_MESSAGES = 100
const MAX_FEED_BYTES = 2 ** 20

/** What all partitions of a gateway have on disk together, and may have. */
export interface DiskBudget {
  /** Bytes that all of them hold. */
  readonly usedBytes: number
  readonly maxBytes: number
}

export interface OverflowOptions {
  /** The folder of all partitions. */
  readonly folder: string
  readonly topic: string
  readonly partition: number
  /** Names what this process takes: different at each start. */
  readonly epoch: string
  readonly budget: DiskBudget
  readonly logger: Logger
}

/** Why a message is on no disk. `full`: the bound is reached. `broken`: the disk takes nothing now. */
export class DiskError extends Error {
  readonly reason: 'full' | 'broken'

  constructor(reason: 'full' | 'broken', message: string) {
    super(message)
    this.name = 'DiskError'
    this.reason = reason
  }
}

/** Messages of the oldest records, all of one epoch. */
export interface Batch {
  readonly messages: readonly Kept[]
  /** The number of the last record. */
  readonly upTo: number
}

/** The messages of one partition that wait on disk, oldest first. */
export class Overflow {
  readonly #options: OverflowOptions
  readonly #log: SegmentLog
  #number = 0
  /** Taken from the log, and not committed yet: the next ones to feed. */
  #batch: Batch | undefined
  /** The first record of another epoch, which was read with the batch before. */
  #ahead: { readonly kept: Kept; readonly number: number } | undefined

  private constructor(options: OverflowOptions, log: SegmentLog) {
    this.#options = options
    this.#log = log
  }

  static async open(options: OverflowOptions): Promise<Overflow> {
    const { folder, topic, partition, budget, logger } = options
    const log = await openSegmentLog({
      folder: join(folder, topic, `${partition}`),
      maxBytes: budget.maxBytes,
      segmentBytes: SEGMENT_BYTES,
      logger,
    })
    return new Overflow(options, log)
  }

  get messages(): number {
    return this.#log.records
  }

  get bytes(): number {
    return this.#log.bytes
  }

  /** Messages that were on disk and cannot be read any more. */
  get damaged(): number {
    return this.#log.damaged.records
  }

  get problem(): string {
    return this.#log.problem
  }

  /**
   * Resolves with the mark of the message when the file system has it.
   *
   * @throws DiskError where it has not. Messages that wait for a slow disk may be there later
   */
  async keep(payload: Buffer, takenAtMs: number): Promise<string> {
    const { epoch, budget } = this.#options
    const number = this.#number++
    const parts = [headOf({ epoch, number, takenAtMs }), payload]
    if (this.#append(parts) === 'full') {
      // Perhaps it only waits for the disk.
      await this.#log.written()
      if (this.#append(parts) === 'full') {
        if (this.problem !== '') throw new DiskError('broken', this.problem)
        throw new DiskError('full', `${budget.usedBytes} of ${budget.maxBytes} bytes on disk are used`)
      }
    }
    await this.#log.written()
    if (this.problem !== '') throw new DiskError('broken', this.problem)
    return `${epoch}-${number}`
  }

  /** The oldest messages; undefined when none can be read now. The same again until `fed`. One call at a time. */
  async next(most: number): Promise<Batch | undefined> {
    if (this.#batch !== undefined) return this.#batch
    const messages: Kept[] = []
    let upTo = 0
    for (let bytes = 0; messages.length < Math.min(most, MAX_FEED_MESSAGES) && bytes < MAX_FEED_BYTES; ) {
      const next = this.#ahead ?? (await this.#read())
      this.#ahead = undefined
      if (next === undefined) break
      if (messages.length > 0 && messages[0]!.epoch !== next.kept.epoch) {
        this.#ahead = next
        break
      }
      messages.push(next.kept)
      upTo = next.number
      bytes += next.kept.payload.length
    }
    this.#batch = messages.length === 0 ? undefined : { messages, upTo }
    return this.#batch
  }

  /** Redis has the batch that `next` returned. */
  fed(): void {
    if (this.#batch === undefined) return
    this.#log.commit(this.#batch.upTo)
    this.#batch = undefined
  }

  close(): Promise<void> {
    return this.#log.close()
  }

  #append(parts: readonly Buffer[]): number | 'full' {
    const { budget } = this.#options
    const bytes = parts.reduce((sum, { length }) => sum + length, 0)
    if (budget.usedBytes + bytes > budget.maxBytes) return 'full'
    this.#log.maxBytes = budget.maxBytes
    return this.#log.append(parts, 1)
  }

  async #read(): Promise<{ readonly kept: Kept; readonly number: number } | undefined> {
    for (;;) {
      const record = await this.#log.next()
      if (record === undefined) return undefined
      const kept = parseKept(record.payload)
      if (kept !== undefined) return { kept, number: record.number }
      this.#options.logger.error({ record: record.number }, 'a record of the overflow is no message of ours')
    }
  }
}
