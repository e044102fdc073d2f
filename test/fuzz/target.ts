import type { Random } from '../support/random.ts'

/** A part of the program that is fuzzed. */
export interface Target {
  readonly name: string
  make(random: Random): Buffer
  /**
   * Takes one input.
   *
   * @returns whether any of it could be used
   * @throws when the part treats it wrongly; any error is a finding
   */
  take(input: Buffer, random: Random): boolean | Promise<boolean>
  /** Throws unless a good input is still read correctly. */
  check(): void | Promise<void>
  close?(): Promise<void>
}
