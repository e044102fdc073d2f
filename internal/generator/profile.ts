import type { Target } from './cells.ts'

/** How a fabric is told: which columns a row has, and how they are written. It keeps the values, and moves them. */
export interface Profile {
  /** The first line, with its end. */
  readonly header: string
  readonly rows: number
  /** Bytes that no row exceeds. */
  readonly mostRowBytes: number
  /** The columns by which rows can be divided: those that say who. The first is the default. */
  readonly names: readonly [string, ...string[]]
  /**
   * Begins the next snapshot: `writeRow` is then called once for each row, in order.
   *
   * @param atUs its time
   */
  begin(atUs: number): void
  /** Moves the values of a row and writes it, with its end. @returns the offset behind it */
  writeRow(row: number, target: Target, at: number): number
}

export interface ProfileOptions {
  readonly switches: number
  /** From one snapshot to the next. */
  readonly intervalMs: number
  readonly seed: number
}
