import type { Random } from './random.ts'

const DAY_SECONDS = 86_400
/** The hour at which the first snapshot finds the fabric: in the morning, when the load grows. */
const FIRST_HOUR = 9
/** The share of a day's peak that is left at night. */
const NIGHT = 0.35
/** Of the load before, by snapshot: a drift is forgotten after some ten. */
const DRIFT_KEPT = 0.9
const DRIFT_STEP = 0.08
const BURST = 0.35
const CONGESTED = 0.93
const LEAST = 0.01
const MOST = 0.985

/** How often each event begins, by switch and snapshot. */
const BURSTS = 1 / 300
const NOISE = 1 / 3_000
const OUTAGES = 1 / 8_000
/** One switch in so many is short of links, and one in so many has a bad cable. */
const CONGESTED_EVERY = 30
const BAD_CABLE_EVERY = 40
const OFTEN = 1 / 20

/**
 * How busy the switches of a fabric are, and how they are: a curve of the day that all share, a level and a drift of
 * each, bursts, stretches of congestion, of noise on a cable, and of being down. It moves by one step a snapshot.
 */
export class Load {
  readonly #random: Random
  readonly #stepSeconds: number
  #seconds = FIRST_HOUR * 3_600
  #day = 0
  readonly #level: Float64Array
  readonly #drift: Float64Array
  /** For how many more snapshots each event lasts. */
  readonly #burst: Uint8Array
  readonly #congestion: Uint8Array
  readonly #noise: Uint8Array
  readonly #outage: Uint8Array

  constructor(switches: number, stepMs: number, random: Random) {
    this.#random = random
    this.#stepSeconds = stepMs / 1_000
    this.#level = Float64Array.from({ length: switches }, () => 0.25 + 0.6 * random.next())
    this.#drift = new Float64Array(switches)
    this.#burst = new Uint8Array(switches)
    this.#congestion = new Uint8Array(switches)
    this.#noise = new Uint8Array(switches)
    this.#outage = new Uint8Array(switches)
  }

  /** Begins a step: `advance` is then called once for each switch, in order. */
  begin(): void {
    this.#day = NIGHT + (1 - NIGHT) * (0.5 - 0.5 * Math.cos((2 * Math.PI * this.#seconds) / DAY_SECONDS))
    this.#seconds += this.#stepSeconds
  }

  /** @returns the load of the switch now, from 0 to 1; 0 while it is down */
  advance(at: number): number {
    const random = this.#random
    this.#drift[at] = this.#drift[at]! * DRIFT_KEPT + (random.next() - 0.5) * DRIFT_STEP
    this.#continue(this.#burst, at, BURSTS, 12)
    this.#continue(this.#congestion, at, at % CONGESTED_EVERY === 7 ? OFTEN : 0, 40)
    this.#continue(this.#noise, at, at % BAD_CABLE_EVERY === 11 ? OFTEN : NOISE, 8)
    this.#continue(this.#outage, at, OUTAGES, 6)
    if (this.isDown(at)) return 0
    const burst = this.#burst[at]! > 0 ? BURST : 0
    const load = this.#level[at]! * this.#day + this.#drift[at]! + burst
    const wanted = this.isCongested(at) ? Math.max(CONGESTED + this.#drift[at]! / 2, load) : load
    return Math.min(MOST, Math.max(LEAST, wanted))
  }

  isCongested(at: number): boolean {
    return this.#congestion[at]! > 0
  }

  /** Errors come in clusters: while a cable is noisy. */
  isNoisy(at: number): boolean {
    return this.#noise[at]! > 0
  }

  isDown(at: number): boolean {
    return this.#outage[at]! > 0
  }

  #continue(left: Uint8Array, at: number, chance: number, longest: number): void {
    if (left[at]! > 0) left[at]!--
    else if (chance > 0 && this.#random.next() < chance) left[at] = 2 + this.#random.below(longest)
  }
}

/** Waiting behind others, as multiples of what an idle switch takes: 1 at half of the load, 9 at nine tenths. */
export function queueing(load: number): number {
  return load / (1 - load)
}
