import { encodeLineText } from '../../format/line/encode.ts'
import { isRefusal, quote, type Refusal } from '../../sample/border.ts'
import type { Sample } from '../../sample/sample.ts'
import { type FieldKind, fitsKind } from '../../sample/value.ts'
import type { Batch, Rejected, WriteLimits } from '../store.ts'
import { type Catalogue, DAY_US, type Field, fieldOf, type Measurement, type Plan } from './catalogue.ts'
import { recordOf } from './record.ts'
import { Rows } from './rows.ts'

/** Memory of a row and of a value in `Rows`, rounded up. */
const ROW_BYTES = 32
const VALUE_BYTES = 16

/** The days that the key of a group distinguishes, with room for days before 1970; 2^53 µs are 104,249 days. */
const DAYS = 2 ** 18

const NO_FIELDS: Refusal = { reason: 'no_fields', detail: 'the sample has no value that a store can keep' }

/** The rows of one measurement and day, which go into one table. */
export interface Group {
  readonly measurement: Measurement
  readonly day: number
  /** Row numbers, in the order of `add`. */
  readonly rows: number[]
  /** The fields that have a value in any of the rows, and in how many. */
  readonly counts: Map<Field, number>
}

/** What a batch needs from its writer. */
export interface BatchOwner {
  readonly limits: WriteLimits
  readonly catalogue: Catalogue
  recycle(batch: RowBatch): void
}

/**
 * Samples as rows, grouped by their table. `add` finds the samples that the store must reject.
 */
export class RowBatch implements Batch {
  samples = 0
  bytes = 0
  readonly rejected: Rejected[] = []
  readonly rows: Rows
  readonly groups = new Map<number, Group>()
  readonly #owner: BatchOwner
  #lastGroup: Group | undefined
  /** Samples before this time (µs) are beyond the retention. */
  #oldestUs = -Infinity

  constructor(owner: BatchOwner) {
    this.#owner = owner
    this.rows = new Rows(owner.limits.maxSamples)
  }

  /** Prepares an empty batch for use. */
  open(oldestUs: number): this {
    this.#oldestUs = oldestUs
    return this
  }

  add(sample: Sample): 'full' | Refusal | undefined {
    const { limits, catalogue } = this.#owner
    if (this.samples === limits.maxSamples) return 'full'
    const plan = catalogue.plan(sample.series)
    if (isRefusal(plan)) return plan
    const bytes = this.#measure(sample, plan)
    if (typeof bytes !== 'number') {
      return bytes.reason === 'store_refused' ? this.reject(encodeLineText(sample), bytes) : bytes
    }
    if (bytes > limits.maxBytes) return { reason: 'too_large', detail: `${bytes} bytes, at most ${limits.maxBytes}` }
    if (this.bytes + bytes > limits.maxBytes) return 'full'
    if (sample.at < this.#oldestUs) {
      return this.reject(encodeLineText(sample), beyondRetention(sample, this.#oldestUs))
    }
    this.#put(sample, plan)
    this.samples++
    this.bytes += bytes
    return undefined
  }

  /** Adds a sample that must not be stored, as a line without its newline. */
  reject(line: string, refusal: Refusal): 'full' | undefined {
    const bytes = ROW_BYTES + 2 * line.length
    if (this.bytes + bytes > this.#owner.limits.maxBytes) return 'full'
    this.rejected.push({ index: this.samples, line, refusal })
    this.samples++
    this.bytes += bytes
    return undefined
  }

  toRecord(): Buffer {
    return recordOf(this.rows, this.rejected)
  }

  release(): void {
    this.samples = 0
    this.bytes = 0
    this.rejected.length = 0
    this.rows.clear()
    this.groups.clear()
    this.#lastGroup = undefined
    this.#owner.recycle(this)
  }

  /** Bytes of the sample in this batch, or why the store does not take it. */
  #measure({ series, values }: Sample, { series: { measurement }, fields }: Plan): number | Refusal {
    const count = Math.min(values.length, series.fieldKinds.length)
    let bytes = ROW_BYTES
    for (let i = 0; i < count; i++) {
      const value = values[i]
      const kind = series.fieldKinds[i]!
      if (!fitsKind(value, kind)) continue
      let field = fields[i]
      if (field === undefined) {
        const found = fieldOf(measurement, series.fieldNames[i]!, kind)
        if (isRefusal(found)) return found
        field = found
        fields[i] = field
      }
      if (field.kind !== kind) return typeConflict(measurement, field, kind)
      bytes += typeof value === 'string' ? VALUE_BYTES + 2 * value.length : VALUE_BYTES
    }
    return bytes > ROW_BYTES ? bytes : NO_FIELDS
  }

  #put({ series, values, at, tie }: Sample, plan: Plan): void {
    const group = this.#groupOf(plan, Math.floor(at / DAY_US))
    group.rows.push(this.rows.begin(plan.series, at, tie))
    const count = Math.min(values.length, series.fieldKinds.length)
    for (let i = 0; i < count; i++) {
      const value = values[i]
      if (!fitsKind(value, series.fieldKinds[i]!)) continue
      const field = plan.fields[i]!
      this.rows.put(field, value!)
      group.counts.set(field, (group.counts.get(field) ?? 0) + 1)
    }
  }

  #groupOf({ series }: Plan, day: number): Group {
    const { measurement } = series
    if (day > series.day) series.day = day
    const last = this.#lastGroup
    if (last !== undefined && last.measurement === measurement && last.day === day) return last
    const key = measurement.id * DAYS + day
    let group = this.groups.get(key)
    if (group === undefined) {
      group = { measurement, day, rows: [], counts: new Map() }
      this.groups.set(key, group)
    }
    this.#lastGroup = group
    return group
  }
}

/** The names in InfluxDB's messages. */
const TYPE_NAMES = { float: 'float', int: 'integer', uint: 'unsigned', bool: 'boolean', string: 'string' } as const

function typeConflict(measurement: Measurement, field: Field, kind: FieldKind): Refusal {
  const where = `input field ${quote(field.name)} on measurement ${quote(measurement.name)}`
  const types = `is type ${TYPE_NAMES[kind]}, already exists as type ${TYPE_NAMES[field.kind]}`
  return { reason: 'store_refused', detail: `field type conflict: ${where} ${types}` }
}

function beyondRetention({ at }: Sample, oldestUs: number): Refusal {
  const [time, oldest] = [at, oldestUs].map((us) => new Date(us / 1000).toISOString())
  return { reason: 'store_refused', detail: `points beyond retention policy: ${time} is before ${oldest}` }
}
