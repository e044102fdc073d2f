/**
 * So many entries make a read worth its price, and are no more than Redis hands out in one go: beside them a read costs
 * as much as some 60 entries.
 */
const WORTH = 1500
/** The longest that an entry waits for a read, also where the store is slow: for whoever watches the live values. */
const MAX_WAIT_MS = 40
/** The longest pause of one of many servers: when one of them is gone, what it would have read waits so long at most. */
const MAX_PAUSE_MS = 250
/** Entries a ms, for all servers, below which each is read as soon as it is there: a pause would bring hardly more than one. */
const TOO_FEW = 0.2
/** How long the rates remember. */
const SMOOTHED_MS = 100
const SPANS_SMOOTHED_MS = 500
/** Steps between entries that tell how often they come. */
const TELLING = 8
/**
 * How much of what a server came too early or too late it makes up for with its next read. With all of it the error would
 * go round among the servers for ever.
 */
const CORRECTED = 0.5
/**
 * A read that spans less than this of what it should came at the same moment as another one: after a standstill of Redis or
 * of the machine all servers read at once. Any other moment is better then, and they draw lots: with small corrections alone
 * they took four turns to come apart.
 */
const AT_ONCE = 0.1

/**
 * How long a reader waits before its next read, so that it brings hundreds of entries. Without a pause, Redis answers
 * with the first entry that comes: at 30,000 entries a second a read brought nine, and the reads took half of the
 * server's time.
 *
 * The servers of a group take turns: what one does not read, the next one reads, so each of four pauses four times as
 * long, and together they read and write as often as one. Nobody deals out the turns. How far apart the oldest and the
 * newest entry of a read are says how long the read before it is ago, by whichever server: one that comes too soon after
 * another reads a little later next time.
 */
export class ReadPace {
  readonly #random: () => number
  /** Entries a ms of this server, smoothed. */
  #rate = 0
  #tookAtMs = 0
  #spanMs = 0
  /** What lay between the entries of late reads: their number, and the time. */
  #steps = 0
  #stepsMs = 0

  /** @param random from 0 to 1 */
  constructor(random: () => number = Math.random) {
    this.#random = random
  }

  /**
   * A read brought entries.
   *
   * @param spanMs from the oldest of them to the newest
   * @param nowMs by the monotonic timer
   */
  took(entries: number, spanMs: number, nowMs: number): void {
    const sinceMs = Math.max(nowMs - this.#tookAtMs, 0.1)
    this.#tookAtMs = nowMs
    this.#spanMs = spanMs
    this.#rate += (entries / sinceMs - this.#rate) * (1 - Math.exp(-sinceMs / SMOOTHED_MS))
    const kept = Math.exp(-sinceMs / SPANS_SMOOTHED_MS)
    this.#steps = this.#steps * kept + Math.max(0, entries - 1)
    this.#stepsMs = this.#stepsMs * kept + spanMs
  }

  /**
   * @param withinMs how long an entry may wait for a read
   * @param readers servers of the group, this one too
   * @returns 0 where a pause would gain nothing
   */
  pauseMs(withinMs: number, readers: number): number {
    const perMs = this.#perMs(readers)
    if (perMs < TOO_FEW) return 0
    const waitMs = Math.min(MAX_WAIT_MS, withinMs)
    const goalMs = waitMs / Math.ceil((waitMs * perMs) / WORTH)
    const turnMs = Math.min(MAX_PAUSE_MS, readers * goalMs)
    if (readers > 1 && this.#spanMs < goalMs * AT_ONCE) return goalMs + this.#random() * (turnMs - goalMs)
    return turnMs + CORRECTED * Math.max(-goalMs, goalMs - this.#spanMs)
  }

  /**
   * Entries that come for all servers: by what their reads span, because one that reads just after another gets few.
   * While each is read as soon as it is there, a read spans nothing, and its own rate tells.
   */
  #perMs(readers: number): number {
    return this.#steps >= TELLING ? this.#steps / (this.#stepsMs + 1) : this.#rate * readers
  }
}
