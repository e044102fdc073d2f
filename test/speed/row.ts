import type { Stack } from '../../bench/stack/stack.ts'

/** The file of docs/benchmarks that a row stands in. */
export const PAGES = ['speed', 'fabric', 'sources', 'scaling', 'memory', 'compare'] as const
export type Page = (typeof PAGES)[number]

/** What a figure has to reach. */
export type Reach = { readonly atLeast: number } | { readonly atMost: number }

export interface Figure {
  readonly name: string
  /** `msgs/s`, `µs`; empty for a bare number or a ratio. */
  readonly unit: string
  readonly decimals: number
  readonly reach?: Reach
}

/** Something to be measured. */
export interface Row {
  /** `packed`: what `--rows` calls it. */
  readonly id: string
  readonly page: Page
  readonly what: string
  readonly figures: readonly Figure[]
  /** What a user types to get the same. */
  readonly command: string | ((settings: Settings) => string)
  /** Samples that the store is given in one run, at most: for them there must be room. */
  samples?(settings: Settings): number
  run(context: Context): Promise<Outcome>
}

export interface Settings {
  /** How long each load is measured. */
  readonly seconds: number
  /** How long the memory is watched. */
  readonly minutes: number
  /** Messages a second of the rows about memory: half of the highest rate. */
  readonly halfRate: number
}

/** With what a row runs. */
export interface Context {
  readonly settings: Settings
  /** What the runs before this one found, where they could be measured. */
  readonly earlier: readonly Outcome[]
  /** Ends it soon; it then rejects, and leaves nothing behind. */
  readonly signal: AbortSignal
  /** Told in words what is being done. */
  readonly say: (what: string) => void
}

/** What one run found. */
export interface Outcome {
  /** By the names of the row's figures. What is missing could not be measured. */
  readonly figures: Readonly<Record<string, number>>
  /** What one has to know beside the figures: which process was at its limit, what was not as it should be. */
  readonly notes?: readonly string[]
  readonly timeline?: readonly Moment[]
  readonly versions?: Stack['versions']
}

/** A second of a run about memory. */
export interface Moment {
  readonly atS: number
  readonly rssMB: number
  /** Messages, since the beginning. */
  readonly sent: number
  /** Samples in memory, and on disk. */
  readonly held: number
  readonly spooled: number
}
