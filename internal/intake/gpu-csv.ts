import { GpuCsvReader } from '../gpu/csv-reader.ts'
import { GpuReadings } from '../gpu/readings.ts'
import type { Sample } from '../sample/sample.ts'
import type { SeriesTable } from '../sample/series.ts'
import { IntakeError } from './errors.ts'
import { LineProblems, type Oldest } from './line-reader.ts'

/** Rows are read when so many bytes of them are there. */
const READ_BYTES = 256 * 1024
const [LINE_FEED, QUOTE] = [0x0a, 0x22]

/** Reads a body of CSV with a reading of a GPU a row, part by part. Only what is not read yet is in memory. */
export class GpuCsvBody {
  readonly refused = new LineProblems()
  readonly old = new LineProblems()
  readonly #readings: GpuReadings
  readonly #rows: GpuCsvReader
  readonly #oldest: Oldest | undefined
  readonly #maxRowBytes: number
  #parts: Buffer[] = []
  #bytes = 0
  #row = 0

  constructor(table: SeriesTable, maxRowBytes: number, oldest: Oldest | undefined) {
    this.#oldest = oldest
    this.#maxRowBytes = maxRowBytes
    this.#readings = new GpuReadings({ table })
    this.#rows = new GpuCsvReader({
      readings: this.#readings,
      onRefused: (refusal, row) => this.refused.add(this.#row, row(), refusal.detail),
    })
  }

  /** Rows with a value that is in a sample. */
  get points(): number {
    return this.#readings.counts.taken - this.old.count
  }

  /** @returns the samples that are whole. @throws IntakeError `too_large`: a row without an end */
  add(part: Buffer): Sample[] {
    this.#parts.push(part)
    this.#bytes += part.length
    return this.#bytes < READ_BYTES ? [] : this.#read(false)
  }

  /** @returns what is left; a last row may lack its line feed */
  end(): Sample[] {
    if (this.#bytes > 0 && this.#parts.at(-1)?.at(-1) !== LINE_FEED) this.add(Buffer.from('\n'))
    return this.#read(true)
  }

  #read(isEnd: boolean): Sample[] {
    const bytes = Buffer.concat(this.#parts)
    const end = isEnd ? bytes.length : endOfRows(bytes)
    if (bytes.length - end > this.#maxRowBytes) {
      throw new IntakeError('too_large', `a row over ${this.#maxRowBytes} bytes (intake.maxLineBytes)`)
    }
    this.#parts = [bytes.subarray(end)]
    this.#bytes = bytes.length - end
    if (end > 0) {
      this.#rows.begin(bytes.subarray(0, end))
      do this.#row++
      while (this.#rows.next())
      this.#row--
    }
    const samples: Sample[] = []
    this.#readings.flush((sample) => this.#keep(sample, samples), !isEnd)
    return samples
  }

  #keep(sample: Sample, samples: Sample[]): void {
    if (this.#oldest !== undefined && sample.at < this.#oldest.atUs) {
      if (sample.series.measurement !== 'gpu') return
      const values = sample.values.filter((value) => value !== undefined).length
      for (let i = 0; i < values; i++) {
        this.old.add(
          0,
          `${sample.series.measurement} at ${new Date(sample.at / 1000).toISOString()}`,
          this.#oldest.words,
        )
      }
    } else samples.push({ ...sample })
  }
}

/** Behind the last line feed that is not inside of quotes. */
function endOfRows(bytes: Buffer): number {
  let isQuoted = false
  let end = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) isQuoted = !isQuoted
    else if (byte === LINE_FEED && !isQuoted) end = at + 1
  }
  return end
}
