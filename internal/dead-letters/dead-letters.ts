import { access, readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { openSegmentLog, type SegmentLog } from '../spool/segment-log.ts'
import { readDoneMarks, segmentOfMarks } from './done-marks.ts'
import { type DeadLetter, encodeLetter } from './letter.ts'
import { type DamagedLetters, readLetters } from './reader.ts'

export type { DeadLetter }

export interface DeadLettersOptions {
  readonly folder: string
  /** Bound of the folder. At the bound the oldest letters are removed. */
  readonly maxBytes: number
  /** The most letters that are kept in a second, after as many at once; 20,000 by default. */
  readonly lettersPerSecond?: number
  readonly logger: Logger
}

/** How often files are removed whose letters are all done. */
const TIDY_MS = 10_000
/**
 * A letter costs 3 µs: a flood of 200,000 bad messages a second would take half of the server's time, and push all
 * earlier letters out of the folder within seconds.
 */
const DEFAULT_LETTERS_PER_SECOND = 20_000
const MAX_UNWRITTEN_BYTES = 8 * 1024 * 1024

/**
 * Opens the dead letters of a server's folder. Always opens, as `openSegmentLog` does. Reads what is there once, half a
 * second for 64 MiB: of what is damaged, the log removes files of which it can read nothing.
 */
export async function openDeadLetters(options: DeadLettersOptions): Promise<DeadLetters> {
  const { folder, maxBytes, logger } = options
  // A part of the bound: otherwise letters that still wait for the disk would be removed to make room.
  const maxUnwrittenBytes = Math.min(MAX_UNWRITTEN_BYTES, maxBytes / 4)
  const damaged = await countDamaged(folder, logger)
  const letters = new DeadLetters(options, await openSegmentLog({ folder, maxBytes, maxUnwrittenBytes, logger }))
  await letters.tidy()
  letters.damaged = damaged
  return letters
}

/**
 * Keeps what was rejected, so that people can look at it and send it again: `sentinel dead-letters`. The server only
 * appends letters and removes whole files, the oldest first. Other processes read beside it (`readLetters`) and mark
 * letters as done in a file of their own (done-marks.ts). So no process waits for another, and no lock is needed.
 */
export class DeadLetters {
  /** Letters since the start. */
  kept = 0
  /** Letters that could not be kept, or were removed to make room before they were done. */
  discarded = 0
  /** Letters of earlier processes that cannot be read any more. */
  damaged = 0
  readonly #log: SegmentLog
  readonly #folder: string
  readonly #logger: Logger
  readonly #timer: NodeJS.Timeout
  readonly #lettersPerSecond: number
  #allowance: number
  #allowedAtMs = performance.now()
  /** The oldest file as `tidy` last saw it, and how many of its letters are done. */
  #doneInOldest = { path: '', letters: 0 }

  constructor({ folder, logger, lettersPerSecond }: DeadLettersOptions, log: SegmentLog) {
    this.#log = log
    this.#folder = folder
    this.#logger = logger
    this.#lettersPerSecond = this.#allowance = lettersPerSecond ?? DEFAULT_LETTERS_PER_SECOND
    this.#timer = setInterval(() => void this.tidy(), TIDY_MS).unref()
  }

  /** Changes the bound. Letters beyond a smaller one are removed as others come. */
  setMaxBytes(maxBytes: number): void {
    this.#log.maxBytes = maxBytes
  }

  /** Size of the letters on disk, and of those that wait for it. */
  get bytes(): number {
    return this.#log.bytes
  }

  get problem(): string {
    return this.#log.problem === '' ? '' : `dead letters: ${this.#log.problem}`
  }

  /** Never throws and never waits. A letter that cannot be kept is counted as discarded. */
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

  /** Resolves when all letters added before the call have reached the file system, or could not be written. */
  written(): Promise<void> {
    return this.#log.written()
  }

  /** Removes the oldest files while every letter in them is done, and the marks of files that are gone. */
  async tidy(): Promise<void> {
    try {
      for (let { oldest } = this.#log; oldest !== undefined; { oldest } = this.#log) {
        const letters = (await readDoneMarks(oldest.path)).size
        this.#doneInOldest = { path: oldest.path, letters }
        if (letters < oldest.to - oldest.from) break
        // `add` may have removed it meanwhile to make room.
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

  /** Removes the oldest file, if the bound leaves no room for so many bytes. @returns whether it did */
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

/** Never throws: what cannot be read at all, `openSegmentLog` says. */
async function countDamaged(folder: string, logger: Logger): Promise<number> {
  let damaged = 0
  const onDamage = ({ path, letters }: DamagedLetters): void => {
    damaged += letters
    logger.error({ path, letters }, 'dead letters on disk are damaged: they cannot be shown or replayed')
  }
  try {
    for await (const _ of readLetters({ path: folder }, onDamage));
  } catch (err) {
    logger.error({ err, folder }, 'the dead letters cannot be read')
  }
  return damaged
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
