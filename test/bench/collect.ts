import type { Counted } from '../support/counted.ts'

// What stands in for vitest when the guard bundles a file `x.bench.ts`: it collects what vitest would run.

/** A benchmark whose work is counted. */
export interface Case {
  /** Groups and name: `encode > json`. Unlike all others of the project. */
  readonly name: string
  readonly run: Counted
}

/** In the order of the file. */
export const cases: Case[] = []
const groups: string[] = []

export function describe(name: string, declare: () => void): void {
  groups.push(name)
  declare()
  groups.pop()
}

/** What does not count its work stands in the file for comparison: another library, or the platform's own way. */
export function bench(name: string, run: (() => unknown) | Counted): void {
  if ('operations' in run) cases.push({ name: [...groups, name].join(' > '), run })
}
