/** The data of the page. bench/report/page-data.ts makes it; a test there checks that both have the same shape. */
export interface PageData {
  /** ISO 8601, UTC. */
  readonly startedAt: string
  readonly command: string
  /** The percentiles p of the curves, as 1 / (1 − p): 2 is the median, 100 is 99 %. */
  readonly oneIn: readonly number[]
  readonly groups: readonly Group[]
  readonly profiled: readonly ProfiledPass[]
  readonly origin: readonly OriginGroup[]
}

/** The passes that were measured under one condition, and so can be compared. */
export interface Group {
  /** `as fast as it can` */
  readonly condition: string
  readonly passes: readonly Pass[]
  readonly figures: readonly FigureGroup[]
  readonly latencies: readonly Latency[]
}

export interface Pass {
  readonly name: string
  readonly startedAt: string
  readonly seconds: number
  readonly samplesPerSecond: number
  /** Whether the samples sent are those stored plus those reported lost. */
  readonly balance: { readonly holds: boolean; readonly words: string }
  readonly timeline: Timeline
}

/** Columns, each with one value for each second of the measurement. */
export interface Timeline {
  readonly seconds: readonly number[]
  readonly sentPerSecond: readonly number[]
  readonly writtenPerSecond: readonly number[]
  readonly inMemory: readonly number[]
  readonly spooled: readonly number[]
  readonly rssBytes: readonly number[]
  readonly e2eP99Us: readonly number[]
  readonly durableP99Us: readonly number[]
}

export interface FigureGroup {
  readonly name: string
  readonly what: string
  readonly rows: readonly FigureRow[]
}

export interface FigureRow {
  readonly name: string
  readonly unit: string
  /** Its name on the card of a pass, which shows few figures; null when the card leaves it out. */
  readonly glance: string | null
  /** One for each pass. */
  readonly cells: readonly FigureCell[]
}

export interface FigureCell {
  readonly value: number | null
  readonly text: string
  /** The ratio to the first pass; empty where there is none. */
  readonly ratio: string
}

export interface Latency {
  readonly name: string
  /** µs, at each of `PageData.oneIn`; one curve for each pass. */
  readonly curves: readonly (readonly (number | null)[])[]
}

/** A group of names and values: where the report comes from. */
export interface OriginGroup {
  readonly name: string
  readonly entries: readonly (readonly string[])[]
}

export interface ProfiledPass {
  readonly name: string
  readonly condition: string
  readonly profiles: readonly Profile[]
}

export interface Profile {
  readonly name: string
  /** A file in the folder of the page. */
  readonly file: string
  /** The command that opens the file. */
  readonly command: string
  /** Null when the profile has no samples. */
  readonly flame: Flame | null
}

/** A tree of calls. Each node comes after the node that calls it, and before its siblings to the right. */
export interface Flame {
  readonly unit: 'nanoseconds' | 'bytes'
  readonly frames: readonly Frame[]
  /** What the profile says about itself, in sentences. */
  readonly comments: readonly string[]
  readonly nodes: {
    readonly frame: readonly number[]
    readonly depth: readonly number[]
    /** Its own value and that of all its callees. */
    readonly value: readonly number[]
  }
}

export interface Frame {
  readonly name: string
  readonly file: string
  readonly line: number
  readonly origin: 'own' | 'package' | 'node' | 'native' | 'collector'
}
