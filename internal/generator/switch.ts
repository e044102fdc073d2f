import { Counters, type Target, writeDecimal } from './cells.ts'
import { Load, queueing } from './load.ts'
import type { Profile, ProfileOptions } from './profile.ts'
import { Random } from './random.ts'

const COMMA = 0x2c
const LINE_FEED = 0x0a
/** Of the uplink of a switch: 400 Gbit/s. */
const CAPACITY_MBPS = 400_000
const IDLE_LATENCY_MS = 0.4
/** Packets with errors in one snapshot, while a cable is noisy. */
const MOST_ERRORS = 40

/** One row a switch: `sw1` to `swN`, and the time in seconds. */
export class SwitchProfile implements Profile {
  readonly header = 'timestamp,switch_id,bandwidth_mbps,latency_ms,packet_errors\n'
  readonly names = ['switch_id'] as const
  readonly mostRowBytes = 80
  readonly rows: number
  readonly #random: Random
  readonly #load: Load
  readonly #errors: Counters
  #start = ''

  constructor({ switches, intervalMs, seed }: ProfileOptions) {
    this.rows = switches
    this.#random = new Random(seed)
    this.#load = new Load(switches, intervalMs, this.#random)
    this.#errors = new Counters(switches, () => BigInt(this.#random.below(50)))
  }

  begin(atUs: number): void {
    this.#load.begin()
    this.#start = `${Math.floor(atUs / 1e6)},sw`
  }

  writeRow(row: number, target: Target, at: number): number {
    const { bytes } = target
    const load = this.#load.advance(row)
    if (this.#load.isNoisy(row)) this.#errors.add(row, 1 + this.#random.below(MOST_ERRORS))
    let end = at + bytes.write(`${this.#start}${row + 1},`, at, 'latin1')
    end = writeDecimal(load * CAPACITY_MBPS, 2, target, end)
    bytes[end] = COMMA
    end = writeDecimal(IDLE_LATENCY_MS * (1 + queueing(load)), 3, target, end + 1)
    bytes[end] = COMMA
    end = this.#errors.write(row, target, end + 1)
    bytes[end] = LINE_FEED
    return end + 1
  }
}
