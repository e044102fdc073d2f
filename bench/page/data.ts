/** What the page is drawn from. bench/report/page-data.ts makes it; a test beside that holds both to one shape. */
export interface PageData {
  /** ISO 8601, UTC. */
  readonly startedAt: string
  readonly command: string
  /** Where the curves are read, as 1 / (1 − p): 2 is the median, 100 is 99 %. */
  readonly oneIn: readonly number[]
  readonly groups: readonly Group[]
  readonly profiled: readonly ProfiledPass[]
  readonly origin: readonly OriginGroup[]
}

/** What was measured under one condition, and is compared with each other. */
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
  /** Whether what was sent is what was stored and reported lost. */
  readonly balance: { readonly holds: boolean; readonly words: string }
  readonly timeline: Timeline
}

/** By columns, each with one value for each second of the measurement. */
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
  /** What it is called where few figures stand for a pass; null leaves it out there. */
  readonly glance: string | null
  /** One for each pass. */
  readonly cells: readonly FigureCell[]
}

export interface FigureCell {
  readonly value: number | null
  readonly text: string
  /** To the first pass; empty where that says nothing. */
  readonly ratio: string
}

export interface Latency {
  readonly name: string
  /** µs, at each of the page's `oneIn`; one curve for each pass. */
  readonly curves: readonly (readonly (number | null)[])[]
}

/** Names and values. */
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
  /** Beside the page. */
  readonly file: string
  /** Opens it. */
  readonly command: string
  /** Null where the profile holds nothing of that kind. */
  readonly flame: Flame | null
}

/** A tree of calls, each node after the one that calls it, and before its siblings to the right. */
export interface Flame {
  readonly unit: 'nanoseconds' | 'bytes'
  readonly frames: readonly Frame[]
  readonly nodes: {
    readonly frame: readonly number[]
    readonly depth: readonly number[]
    /** Its own and that of all it calls. */
    readonly value: readonly number[]
  }
}

export interface Frame {
  readonly name: string
  readonly file: string
  readonly line: number
  readonly origin: 'own' | 'package' | 'node' | 'engine'
}
