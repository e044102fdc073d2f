import type { MessageHeader } from '../codec/codec.ts'
import type { Sample } from '../sample/sample.ts'
import type { Series, SeriesTable } from '../sample/series.ts'
import { NewestSpans, type Span } from './newest-spans.ts'

/** Two runs that send the same series of a host at the same time. */
export interface Conflict {
  readonly host: string
  /** Their run ids, in order. */
  readonly runs: readonly [string, string]
}

export interface IdentitiesOptions {
  readonly table: SeriesTable
  /** Told of each message that shows a conflict. */
  readonly onConflict: (conflict: Conflict) => void
}

/**
 * Runs that send for longer than this at the same time are two sources. A process that takes over what the one before
 * has left sends messages of two runs, but those of the earlier run were made before its own.
 */
const OVERLAP_US = 5_000_000
/**
 * A conflict is over once it was not seen for this long, or for three times what lay between the messages of the two
 * where that is longer: agents may measure once an hour.
 */
const OVER_AFTER_US = 60_000_000
const MISSED_MESSAGES = 3
/** Runs that are remembered of a series, the last heard first. */
const MAX_RUNS = 4
/** Series of which more than the last run is remembered: 10 MB at most. */
const MAX_SERIES = 20_000
const MAX_CONFLICTS = 1000

/** What to do about a conflict, for people. */
export function conflictText({ runs: [one, other] }: Conflict): string {
  return `${one} and ${other} both send as this host, and overwrite each other's samples: give each machine an --agent-host of its own, and stop the one that should not be`
}

/**
 * Finds two sources of one name: two agents with the same `agent.host`, a cloned machine, two publishers of JSON with
 * one `host`. Their points have the same series, and of two points with one time the store keeps one.
 *
 * It looks at the first series of each measurement in a message, because two agents may measure different things. Servers that share runs by partitions of Pub/Sub may each see one.
 */
export class Identities {
  readonly #options: IdentitiesOptions
  readonly #newest = new NewestSpans()
  /** The runs before, where there were any, the last heard first. */
  readonly #earlier = new Map<Series, Span[]>()
  readonly #conflicts = new Map<
    string,
    { readonly conflict: Conflict; readonly seenUs: number; readonly overUs: number }
  >()
  /** Hosts whose conflict was told of by a sample, so that its end must be told too. */
  readonly #told = new Set<string>()

  constructor(options: IdentitiesOptions) {
    this.#options = options
  }

  /**
   * @param series of the message, the first of a measurement
   * @param nowUs µs since the epoch
   */
  observe(series: Series, { run, sentAt }: Readonly<MessageHeader>, nowUs: number): void {
    if (run === '' || series.evicted) return
    const atUs = sentAt > 0 ? sentAt : nowUs
    if (this.#newest.runOf(series) === run) {
      this.#newest.extend(series, atUs, nowUs)
      return
    }
    const before = this.#newest.get(series)
    const known = before && this.#change(series, before, run)
    this.#newest.set(series, {
      run,
      fromUs: known?.fromUs ?? atUs,
      toUs: Math.max(known?.toUs ?? atUs, atUs),
      firstHeardUs: known?.firstHeardUs ?? nowUs,
      heardUs: nowUs,
    })
    if (before !== undefined) this.#compare(series, this.#newest.get(series)!, before, nowUs)
  }

  /** The table has given a series up. */
  forget(series: Series): void {
    this.#newest.forget(series)
    this.#earlier.delete(series)
  }

  /** The conflicts of now. */
  conflicts(nowUs: number): Conflict[] {
    for (const [host, { seenUs, overUs }] of this.#conflicts) {
      // Our clock may have been set back: a conflict that is still there is seen again.
      if (nowUs > overUs || nowUs < seenUs) this.#conflicts.delete(host)
    }
    return Array.from(this.#conflicts.values(), ({ conflict }) => conflict)
  }

  /** The conflicts of now as samples of `sentinel_conflict`, and an empty text for each host whose conflict is over. */
  collect(atUs: number, emit: (sample: Sample) => void): void {
    const texts = new Map([...this.#told].map((host) => [host, '']))
    this.#told.clear()
    for (const conflict of this.conflicts(atUs)) {
      this.#told.add(conflict.host)
      texts.set(conflict.host, conflictText(conflict))
    }
    for (const [host, text] of texts) this.#emit(host, text, atUs, emit)
  }

  #emit(host: string, text: string, atUs: number, emit: (sample: Sample) => void): void {
    const series = this.#options.table.intern('sentinel_conflict', [['host', host]], atUs)
    if ('reason' in series) return
    const place = series.field('text', 'string')
    if (typeof place === 'number') emit({ series, values: [text], at: atUs, tie: 0 })
  }

  /** Another run sends the series. @returns what is known of it from before */
  #change(series: Series, before: Span, run: string): Span | undefined {
    const spans = this.#earlier.get(series) ?? []
    const known = spans.find((span) => span.run === run)
    const others = [before, ...spans.filter((span) => span !== known)].slice(0, MAX_RUNS - 1)
    this.#earlier.delete(series)
    this.#earlier.set(series, others)
    if (this.#earlier.size > MAX_SERIES)
      for (const oldest of this.#earlier.keys()) if (this.#earlier.delete(oldest)) break
    return known
  }

  #compare(series: Series, one: Span, other: Span, nowUs: number): void {
    const overlapUs = Math.min(one.toUs, other.toUs) - Math.max(one.fromUs, other.fromUs)
    // The other must have been heard since this one was first heard: where the clock of a machine was set back, an agent
    // that is started again seems to send at the same time as the one before it.
    if (overlapUs < OVERLAP_US || other.heardUs <= one.firstHeardUs) return
    const host = series.tag('host') ?? ''
    if (host === '' || (this.#conflicts.size >= MAX_CONFLICTS && !this.#conflicts.has(host))) return
    const runs = [one.run, other.run].sort() as [string, string]
    const conflict = { host, runs }
    const overUs = nowUs + Math.max(OVER_AFTER_US, MISSED_MESSAGES * (nowUs - other.heardUs))
    this.#conflicts.set(host, { conflict, seenUs: nowUs, overUs })
    this.#options.onConflict(conflict)
  }
}
