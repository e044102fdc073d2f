/**
 * The own metrics of all programs together: sums, and of the latencies those of the slowest server. A program that has
 * been silent for too long is left out.
 */
export interface PipelineSummary {
  /** Servers, agents and APIs that report. */
  readonly programs: number
  /** The servers among them. Without one, nothing is known of the pipeline. */
  readonly servers: number
  /** When the newest report of a server arrived, µs by the clock of the API; null before the first. */
  readonly seenAt: number | null
  /** That servers took, the mean of the last half minute. */
  readonly samplesPerSecond: number
  readonly e2eP50Us: number | null
  readonly e2eP99Us: number | null
  readonly durableP50Us: number | null
  readonly durableP99Us: number | null
  readonly lost: number
  readonly dropped: number
  readonly rejected: number
  readonly held: number
  /** The held samples that are on disk. */
  readonly onDisk: number
  /** Null when no server reports how many it keeps: older ones do not. */
  readonly deadLetters: number | null
  /** Samples that may be lost, beside those that certainly are. */
  readonly lostAtMost: number
  /** False when nothing tells how much was lost: messages without a number came, or what Redis kept has vanished. */
  readonly lostKnown: boolean
  /** How long a store has been away, the longest of all servers; null while every store takes samples. */
  readonly storeAwayMs: number | null
  /** How many servers read less than comes, or have a store that takes less. */
  readonly serversBehind: number
  readonly broker: string | null
  readonly store: string | null
}
