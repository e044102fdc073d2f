import type { Target } from './cells.ts'

/** How a fabric, or GPUs, are told: which columns a row has, and how they are written. It keeps the values, and moves them. */
export interface Profile {
  /** The first line, with its end; '' where there is none. */
  readonly header: string
  /** Where it is served: `/counters` unless told otherwise. */
  readonly path?: string
  /** That of CSV unless told otherwise. */
  readonly contentType?: string
  readonly rows: number
  /** Bytes that no row exceeds. */
  readonly mostRowBytes: number
  /** The columns by which rows can be divided: those that say who. The first is the default. None: they cannot be. */
  readonly names: readonly string[]
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
