import type { Random } from '../support/random.ts'

/** What is fuzzed. */
export interface Target {
  readonly name: string
  make(random: Random): Buffer
  /**
   * Takes one input.
   *
   * @returns whether anything of it could be used
   * @throws when it is not treated as it must be; an error of any kind is a finding
   */
  take(input: Buffer, random: Random): boolean | Promise<boolean>
  /** Throws unless a good input is still read as it is. */
  check(): void | Promise<void>
  close?(): Promise<void>
}
