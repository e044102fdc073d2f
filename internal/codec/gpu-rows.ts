import { type GpuCounts, GpuReadings } from '../gpu/readings.ts'
import { readingOf } from '../gpu/rows.ts'
import { isRefusal, type Refusal } from '../sample/border.ts'
import type { Sample, SampleSink } from '../sample/sample.ts'
import type { SeriesTable } from '../sample/series.ts'
import { errorText } from '../text/error-text.ts'
import {
  type Arrival,
  blankHeader,
  type Decoder,
  type MessageHeader,
  type RefusedMessage,
  resetHeader,
} from './codec.ts'

/**
 * Reads lists of readings of GPUs in JSON: of each row an object by the names of the columns, or a list of all columns;
 * or the one row itself. They become wide samples, as those of other sources do. A bad row costs itself.
 */
export class GpuRowsDecoder implements Decoder {
  readonly header: MessageHeader
  readonly cleaned = 0
  /** Of the message that was read last. */
  readonly refusedParts: RefusedMessage[] = []
  readonly #readings: GpuReadings
  #nowUs = 0

  constructor(table: SeriesTable, header = blankHeader()) {
    this.#readings = new GpuReadings({ table, nowUs: () => this.#nowUs })
    this.header = header
  }

  get counts(): Readonly<GpuCounts> {
    return this.#readings.counts
  }

  decode(payload: Buffer, arrival: Readonly<Arrival>, emit: SampleSink): Refusal | undefined {
    resetHeader(this.header)
    this.refusedParts.length = 0
    this.#nowUs = arrival.receivedAt
    const rows = parse(payload)
    if (isRefusal(rows)) return rows
    for (const row of rows) this.#add(row)
    const samples: Sample[] = []
    this.#readings.flush((sample) => samples.push(sample))
    this.header.sampleCount = samples.length
    for (const sample of samples) emit(sample)
    return undefined
  }

  #add(row: unknown): void {
    const reading = readingOf(row, this.#nowUs)
    const answer = isRefusal(reading) ? this.#readings.refuse(reading) : this.#readings.add(reading)
    if (typeof answer === 'object')
      this.refusedParts.push({ refusal: answer, payload: Buffer.from(JSON.stringify([row])) })
  }
}

function parse(payload: Buffer): unknown[] | Refusal {
  let parsed: unknown
  try {
    parsed = JSON.parse(payload.toString('utf8'))
  } catch (error) {
    return { reason: 'json_syntax', detail: errorText(error) }
  }
  if (!Array.isArray(parsed) || parsed.length === 0) return { reason: 'json_shape', detail: 'a list without rows' }
  return typeof parsed[0] === 'object' ? (parsed as unknown[]) : [parsed]
}
