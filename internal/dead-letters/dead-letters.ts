import { access, readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { openSegmentLog, type SegmentLog } from '../spool/segment-log.ts'
import { readDoneMarks, segmentOfMarks } from './done-marks.ts'
import { type DeadLetter, encodeLetter } from './letter.ts'

export type { DeadLetter }

export interface DeadLettersOptions {
  readonly folder: string
  /** What is kept at most; the oldest goes first. */
  readonly maxBytes: number
  /** What may come in a second, after as many at once; 20,000 by default. */
  readonly lettersPerSecond?: number
  readonly logger: Logger
}

/** How often is looked for letters that others are done with. */
const TIDY_MS = 10_000
/**
 * A letter costs 3 µs: a flood of 200,000 bad messages a second would take half of the server's time, and push out of the folder within
 * seconds what is worth reading.
 */
const DEFAULT_LETTERS_PER_SECOND = 20_000
const MAX_UNWRITTEN_BYTES = 8 * 1024 * 1024

/** Opens the dead letters of a server's folder; never fails, as `openSegmentLog` does not. */
export async function openDeadLetters(options: DeadLettersOptions): Promise<DeadLetters> {
  const { folder, maxBytes, logger } = options
  // A part of the bound: else what waits for the disk would have to make room for what comes.
  const maxUnwrittenBytes = Math.min(MAX_UNWRITTEN_BYTES, maxBytes / 4)
  const letters = new DeadLetters(options, await openSegmentLog({ folder, maxBytes, maxUnwrittenBytes, logger }))
  await letters.tidy()
  return letters
}

/**
 * Keeps what was rejected, for people to look at and to send again: `sentinel dead-letters`. The server only appends and removes whole files,
 * the oldest first; others read beside it (`readLetters`), and say in a file of their own what they are done with (done-marks.ts). So
 * neither waits for the other, and none needs a lock.
 */
export class DeadLetters {
  /** Letters since the start. */
  kept = 0
  /** Letters that could not be kept, or had to make room before anybody was done with them. */
  discarded = 0
  readonly #log: SegmentLog
  readonly #folder: string
  readonly #logger: Logger
  readonly #timer: NodeJS.Timeout
  readonly #lettersPerSecond: number
  #allowance: number
  #allowedAtMs = performance.now()
  /** Of the oldest file, as `tidy` last saw it. */
  #doneInOldest = { path: '', letters: 0 }

  constructor({ folder, logger, lettersPerSecond }: DeadLettersOptions, log: SegmentLog) {
    this.#log = log
    this.#folder = folder
    this.#logger = logger
    this.#lettersPerSecond = this.#allowance = lettersPerSecond ?? DEFAULT_LETTERS_PER_SECOND
    this.#timer = setInterval(() => void this.tidy(), TIDY_MS).unref()
  }

  /** Another bound: what is kept beyond a smaller one makes room as others come. */
  setMaxBytes(maxBytes: number): void {
    this.#log.maxBytes = maxBytes
  }

  /** On disk and on its way there. */
  get bytes(): number {
    return this.#log.bytes
  }

  get problem(): string {
    return this.#log.problem === '' ? '' : `dead letters: ${this.#log.problem}`
  }

  /** Never throws, never waits: what cannot be kept is counted. */
  add(letter: DeadLetter): void {
    if (this.#isFlooded()) {
      this.discarded++
      return
    }
    const record = encodeLetter(letter)
    let answer = this.#log.append([record], 0)
    while (answer === 'full' && this.#makeRoom(record.length)) answer = this.#log.append([record], 0)
    if (answer === 'full') this.discarded++
    else this.kept++
  }

  /** Resolves when all that was added so far has reached the file system, or could not be written. */
  written(): Promise<void> {
    return this.#log.written()
  }

  /** Removes the oldest files as long as every letter in them is done with, and marks whose file is gone. */
  async tidy(): Promise<void> {
    try {
      for (let { oldest } = this.#log; oldest !== undefined; { oldest } = this.#log) {
        const letters = (await readDoneMarks(oldest.path)).size
        this.#doneInOldest = { path: oldest.path, letters }
        if (letters < oldest.to - oldest.from) break
        // It may have made room meanwhile.
        if (this.#log.oldest?.path === oldest.path) this.#log.dropOldest()
      }
      await removeOrphans(this.#folder)
    } catch (error) {
      this.#logger.debug({ err: error, folder: this.#folder }, 'dead letters could not be tidied')
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#log.close()
    await removeOrphans(this.#folder).catch(() => {})
    const { records } = this.#log.unwritten
    this.kept -= records
    this.discarded += records
  }

  /** Gives up the oldest file where the bound is what keeps so many bytes out. */
  #makeRoom(bytes: number): boolean {
    if (this.#log.bytes + bytes <= this.#log.maxBytes) return false
    const path = this.#log.oldest?.path
    const lost = this.#log.dropOldest()
    if (lost === undefined) return false
    const done = path === this.#doneInOldest.path ? this.#doneInOldest.letters : 0
    this.discarded += Math.max(0, lost.records - done)
    return true
  }

  #isFlooded(): boolean {
    if (this.#allowance < 1) {
      const nowMs = performance.now()
      const earned = ((nowMs - this.#allowedAtMs) / 1000) * this.#lettersPerSecond
      this.#allowance = Math.min(this.#lettersPerSecond, this.#allowance + earned)
      this.#allowedAtMs = nowMs
    }
    if (this.#allowance < 1) return true
    this.#allowance--
    return false
  }
}

async function removeOrphans(folder: string): Promise<void> {
  for (const file of await readdir(folder)) {
    const segment = segmentOfMarks(join(folder, file))
    if (segment === undefined) continue
    const hasSegment = await access(segment).then(
      () => true,
      () => false,
    )
    if (!hasSegment) await unlink(join(folder, file))
  }
}
