import { Counters, type Target, writeDecimal } from './cells.ts'
import { Load, queueing } from './load.ts'
import type { Profile, ProfileOptions } from './profile.ts'
import { Random } from './random.ts'

const COMMA = 0x2c
const CAPACITY_GBPS = 400
const IDLE_LATENCY_US = 80
const MOST_ERRORS = 12

/** One row a switch: `SW-00` and on, lines that end with CRLF, no time, and a column of text. */
export class FabricProfile implements Profile {
  readonly header = 'switch_id,Bandwidth_Rx_Gbps,Latency_Avg_uSec,Error_CRC_Count,Port_Status\r\n'
  readonly names = ['switch_id'] as const
  readonly mostRowBytes = 80
  readonly rows: number
  readonly #random: Random
  readonly #load: Load
  readonly #errors: Counters

  constructor({ switches, intervalMs, seed }: ProfileOptions) {
    this.rows = switches
    this.#random = new Random(seed)
    this.#load = new Load(switches, intervalMs, this.#random)
    this.#errors = new Counters(switches, () => BigInt(this.#random.below(20)))
  }

  begin(): void {
    this.#load.begin()
  }

  writeRow(row: number, target: Target, at: number): number {
    const { bytes } = target
    const load = this.#load.advance(row)
    if (this.#load.isNoisy(row)) this.#errors.add(row, 1 + this.#random.below(MOST_ERRORS))
    let end = at + bytes.write(`SW-${row < 10 ? '0' : ''}${row},`, at, 'latin1')
    end = writeDecimal(load * CAPACITY_GBPS, 2, target, end)
    bytes[end] = COMMA
    end = writeDecimal(IDLE_LATENCY_US * (1 + queueing(load)), 1, target, end + 1)
    bytes[end] = COMMA
    end = this.#errors.write(row, target, end + 1)
    return end + bytes.write(`,${this.#status(row)}\r\n`, end, 'latin1')
  }

  #status(row: number): string {
    if (this.#load.isDown(row)) return 'DOWN'
    return this.#load.isNoisy(row) ? 'DEGRADED' : 'UP'
  }
}
