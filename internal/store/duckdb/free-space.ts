import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { sizeText } from '../../text/size.ts'
import type { Clock } from '../../time/clock.ts'

/**
 * With less free space nothing is written. A batch and a checkpoint need about 64 MiB. If they find no room, DuckDB gives up the whole
 * database, reads included, until it is opened again (seen with 1.5.6).
 */
const MIN_FREE_BYTES = 128 * 1024 * 1024
const CHECK_EVERY_US = 1_000_000

/** Whether the disk of the file has room for a write. It asks the system at most once a second while there is room. */
export class FreeSpace {
  readonly #path: string
  readonly #clock: Clock
  readonly #minFreeBytes: number
  #checkedAtUs = -Infinity

  constructor(path: string, clock: Clock, minFreeBytes = MIN_FREE_BYTES) {
    this.#path = path
    this.#clock = clock
    this.#minFreeBytes = minFreeBytes
  }

  /** What to do about a disk that is nearly full; '' while there is room. */
  async problem(): Promise<string> {
    const now = this.#clock.now()
    // The clock may have been set back.
    return Math.abs(now - this.#checkedAtUs) < CHECK_EVERY_US ? '' : this.problemNow()
  }

  /** The same, always asking the system. */
  async problemNow(): Promise<string> {
    const now = this.#clock.now()
    const { bavail, bsize } = await statfs(dirname(this.#path))
    const freeBytes = bavail * bsize
    if (freeBytes < this.#minFreeBytes) {
      return `only ${sizeText(freeBytes)} are free on the disk of ${this.#path}: make room there`
    }
    this.#checkedAtUs = now
    return ''
  }
}
