import { isRefusal, type Refusal } from '../sample/border.ts'
import { viewOf } from '../sample/same-bytes.ts'
import type { Sample, SampleSink } from '../sample/sample.ts'
import type { SeriesTable } from '../sample/series.ts'
import {
  type Arrival,
  blankHeader,
  type Codec,
  type Decoder,
  type Encoder,
  type MessageHeader,
  resetHeader,
} from './codec.ts'
import { MEASUREMENT, type StatsSeries, SystemStats, statsValue } from './system-stats.ts'
import { Ties } from './ties.ts'

/** int64 seconds, float64 cpu, float64 mem, int64 send time in ns, little-endian. */
export const PACKED_BYTES = 32
const SECONDS_AT = 0
const CPU_AT = 8
const MEM_AT = 16
const SENT_LOW_AT = 24
const SENT_HIGH_AT = 28

/**
 * 32 bytes a sample, from the Go system before this one; no host and no run id. docs/wire-format.md has the byte table.
 */
export const packedCodec: Codec = {
  name: 'packed',
  maxSamples: 1,
  encoder: () => new PackedEncoder(),
  decoder: (table) => new PackedDecoder(table),
  restamp: (message) => message,
}

export class PackedDecoder implements Decoder {
  readonly header: MessageHeader
  cleaned = 0
  readonly #stats: SystemStats
  /** The bytes of the message. V8 reads a DataView by one load; `readDoubleLE` is a call for each number. */
  readonly #bytes = new Uint8Array(PACKED_BYTES)
  readonly #view = viewOf(this.#bytes)
  #series: StatsSeries | undefined

  constructor(table: SeriesTable, header = blankHeader(), ties = new Ties()) {
    this.#stats = new SystemStats(table, ties)
    this.header = header
  }

  decode(payload: Buffer, arrival: Readonly<Arrival>, emit: SampleSink): Refusal | undefined {
    const { header } = this
    resetHeader(header)
    if (payload.length !== PACKED_BYTES) {
      return { reason: 'packed_size', detail: `${payload.length} bytes where a Packed message has ${PACKED_BYTES}` }
    }
    const stats = this.#seriesFor(arrival.receivedAt)
    if (isRefusal(stats)) return stats
    for (let i = CPU_AT; i < PACKED_BYTES; i++) this.#bytes[i] = payload[i]!
    header.sentAt = sendTimeUs(this.#view)
    const cpu = this.#view.getFloat64(CPU_AT, true)
    const mem = this.#view.getFloat64(MEM_AT, true)
    const refusal = this.#stats.emit(stats, cpu, mem, header, arrival, emit)
    if (refusal === undefined && (cpu - cpu !== 0 || mem - mem !== 0)) this.cleaned++
    return refusal
  }

  #seriesFor(nowUs: number): StatsSeries | Refusal {
    if (this.#series !== undefined && !this.#series.series.evicted) return this.#series
    const stats = this.#stats.open('', nowUs)
    this.#series = isRefusal(stats) ? undefined : stats
    return stats
  }
}

/**
 * The send time in whole µs; 0 where there is none (0 or less). A double does not hold nanoseconds exactly, so each
 * half of them is divided by itself: 2^32 = 4,294,967 · 1000 + 296.
 */
function sendTimeUs(message: DataView): number {
  const high = message.getInt32(SENT_HIGH_AT, true)
  const low = message.getUint32(SENT_LOW_AT, true)
  return high < 0 ? 0 : high * 4_294_967 + Math.floor((high * 296 + low) / 1000)
}

/** Encodes samples of `system_stats` only, and ignores others. */
class PackedEncoder implements Encoder {
  count = 0
  #cpu = Number.NaN
  #mem = Number.NaN
  #at = 0

  add(sample: Sample): boolean {
    if (sample.series.measurement !== MEASUREMENT) return true
    const cpu = statsValue(sample, 'cpu')
    const mem = statsValue(sample, 'mem')
    if (Number.isNaN(cpu) && Number.isNaN(mem)) return true
    if (this.count > 0) return false
    this.#cpu = cpu
    this.#mem = mem
    this.#at = sample.at
    this.count = 1
    return true
  }

  finish(header: Readonly<MessageHeader>): Buffer {
    if (this.count === 0) return Buffer.alloc(0)
    this.count = 0
    const message = Buffer.allocUnsafe(PACKED_BYTES)
    message.writeBigInt64LE(BigInt(Math.floor(this.#at / 1e6)), SECONDS_AT)
    message.writeDoubleLE(this.#cpu, CPU_AT)
    message.writeDoubleLE(this.#mem, MEM_AT)
    message.writeBigInt64LE(BigInt(header.sentAt || this.#at) * 1000n, SENT_LOW_AT)
    return message
  }
}
