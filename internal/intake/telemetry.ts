import { GpuReadings } from '../gpu/readings.ts'
import { readingOf } from '../gpu/rows.ts'
import { isRefusal } from '../sample/border.ts'
import type { Sample } from '../sample/sample.ts'
import type { SeriesTable } from '../sample/series.ts'
import { IntakeError } from './errors.ts'
import { LineProblems, type Oldest } from './line-reader.ts'

/** What the records of a body say. */
export interface ReadRecords {
  readonly samples: Sample[]
  /** Records with a value that is in a sample. */
  readonly points: number
  /** Records that say that there is no value. */
  readonly missing: number
  readonly refused: LineProblems
  readonly old: LineProblems
}

/** Reads JSON with readings of GPUs: one record, or a list of them. */
export class TelemetryReader {
  readonly #table: SeriesTable
  #readings: GpuReadings

  constructor(table: SeriesTable) {
    this.#table = table
    this.#readings = new GpuReadings({ table })
  }

  /** Texts of GPUs are sent when they change: what was read last did not arrive, so the next request has them again. */
  forget(): void {
    this.#readings = new GpuReadings({ table: this.#table })
  }

  /** @throws IntakeError `bad`: the body is no JSON; `too_large` */
  read(body: Buffer, nowUs: number, maxRecords: number, oldest: Oldest | undefined): ReadRecords {
    const rows = rowsOf(body)
    if (rows.length > maxRecords) throw new IntakeError('too_large', `over ${maxRecords} records in one request`)
    const [refused, old] = [new LineProblems(), new LineProblems()]
    let [points, missing] = [0, 0]
    for (const [i, row] of rows.entries()) {
      const reading = readingOf(row, nowUs)
      if (!isRefusal(reading) && oldest !== undefined && reading.atUs < oldest.atUs) {
        old.add(i + 1, JSON.stringify(row), oldest.words)
        continue
      }
      const answer = isRefusal(reading) ? this.#readings.refuse(reading) : this.#readings.add(reading)
      if (answer === 'taken') points++
      else if (answer === 'missing') missing++
      else refused.add(i + 1, JSON.stringify(row), answer.detail)
    }
    const samples: Sample[] = []
    this.#readings.flush((sample) => samples.push({ ...sample }))
    return { samples, points, missing, refused, old }
  }
}

function rowsOf(body: Buffer): unknown[] {
  let parsed: unknown
  try {
    parsed = JSON.parse(body.toString())
  } catch (cause) {
    throw new IntakeError('bad', 'the body is no JSON', { cause })
  }
  // A record may be a list of the columns.
  return Array.isArray(parsed) && (parsed.length === 0 || typeof parsed[0] === 'object') ? parsed : [parsed]
}
