import { setImmediate } from 'node:timers/promises'
import { Body } from './body.ts'
import { type Target, targetOf } from './cells.ts'
import type { Profile } from './profile.ts'

/** All rows of a fabric at one time. */
export interface Snapshot {
  /** Counted from 0. With the seed it says what the values are. */
  readonly number: number
  readonly atUs: number
  readonly body: Body
}

const PIECE_BYTES = 256 * 1024
/** Requests are answered between two stretches of writing rows. */
const STRETCH_MS = 4
/** Asked for its time after so many rows: 64 of UFM take 0.1 ms. */
const ROWS_BETWEEN_LOOKS = 64
/** Digits go in four bytes at a time. */
const MARGIN_BYTES = 4

/** Makes the snapshots of a profile, one after the other. */
export class SnapshotWriter {
  readonly #profile: Profile
  /** One for all snapshots, so that each piece is copied once, in the size that it has. */
  readonly #scratch: Target
  #next = 0

  constructor(profile: Profile) {
    this.#profile = profile
    const rows = Math.min(PIECE_BYTES, profile.rows * profile.mostRowBytes)
    this.#scratch = targetOf(Buffer.allocUnsafeSlow(rows + profile.mostRowBytes + MARGIN_BYTES))
  }

  /** Makes the next one, in stretches that hold up nothing. Not to be called while it runs. */
  async write(atUs: number): Promise<Snapshot> {
    const profile = this.#profile
    profile.begin(atUs)
    const pieces: Buffer[] = [Buffer.from(profile.header, 'latin1')]
    let end = 0
    let stretchEndsAt = performance.now() + STRETCH_MS
    for (let row = 0; row < profile.rows; row++) {
      end = profile.writeRow(row, this.#scratch, end)
      if (end >= PIECE_BYTES || row === profile.rows - 1) {
        pieces.push(copyOf(this.#scratch.bytes, end))
        end = 0
      }
      if (row % ROWS_BETWEEN_LOOKS === 0 && performance.now() >= stretchEndsAt) {
        await setImmediate()
        stretchEndsAt = performance.now() + STRETCH_MS
      }
    }
    return { number: this.#next++, atUs, body: new Body(pieces) }
  }
}

/** Outside of Node's pool, which a piece that is kept would keep whole. */
function copyOf(bytes: Buffer, length: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(length)
  bytes.copy(copy, 0, 0, length)
  return copy
}
