import { isRefusal, type Refusal } from '../sample/border.ts'
import type { Sample, SampleSink } from '../sample/sample.ts'
import type { Series, SeriesTable } from '../sample/series.ts'
import type { Tag } from '../sample/value.ts'
import type { Arrival, MessageHeader } from './codec.ts'
import { NO_TIE, type Ties } from './ties.ts'

export const MEASUREMENT = 'system_stats'

/** The series of one host, and the indexes of its two fields. */
export interface StatsSeries {
  readonly series: Series
  readonly cpuIndex: number
  readonly memIndex: number
  /** Only doubles, NaN for no value: V8 stores such an array without a heap object for each number. */
  readonly values: number[]
}

/**
 * The part that JSON and Packed share: one sample of the measurement `system_stats`, with the fields `cpu` and `mem`.
 */
export class SystemStats {
  readonly #table: SeriesTable
  readonly #ties: Ties
  #sample: Sample | undefined

  /** @param ties shared by all decoders of a table, because they share its series */
  constructor(table: SeriesTable, ties: Ties) {
    this.#table = table
    this.#ties = ties
  }

  /** @param host '' where unknown, and the series has no tag */
  open(host: string, nowUs: number): StatsSeries | Refusal {
    const tags: Tag[] = host === '' ? [] : [['host', host]]
    const series = this.#table.intern(MEASUREMENT, tags, nowUs)
    if (isRefusal(series)) return series
    const cpuIndex = series.field('cpu', 'float')
    if (isRefusal(cpuIndex)) return cpuIndex
    const memIndex = series.field('mem', 'float')
    if (isRefusal(memIndex)) return memIndex
    if (series.fieldKinds[cpuIndex] !== 'float' || series.fieldKinds[memIndex] !== 'float') {
      return { reason: 'field_type', detail: `${MEASUREMENT} has other kinds than float for cpu or mem` }
    }
    return { series, cpuIndex, memIndex, values: series.fieldNames.map(() => Number.NaN) }
  }

  /**
   * Emits the sample. Its time is the header's `sentAt`, or that of the arrival where there is none; its tie is the
   * arrival's.
   *
   * @param cpu NaN where there is no value
   */
  emit(
    stats: StatsSeries,
    cpu: number,
    mem: number,
    header: MessageHeader,
    arrival: Readonly<Arrival>,
    emit: SampleSink,
  ): Refusal | undefined {
    const noCpu = cpu - cpu !== 0
    const noMem = mem - mem !== 0
    if (noCpu && noMem) return { reason: 'no_fields', detail: 'neither cpu nor mem is a finite number' }
    const { series, values } = stats
    values[stats.cpuIndex] = noCpu ? Number.NaN : cpu
    values[stats.memIndex] = noMem ? Number.NaN : mem
    series.usedAt = arrival.receivedAt
    this.#sample ??= { series, values, at: 0, tie: 0 }
    const sample = this.#sample
    sample.series = series
    sample.values = values
    const at = header.sentAt === 0 ? arrival.receivedAt : header.sentAt
    if (arrival.tie === NO_TIE) this.#ties.place(sample, at)
    else {
      sample.at = at
      sample.tie = arrival.tie
    }
    header.sampleCount = 1
    emit(sample)
    return undefined
  }
}

/** The values of a `system_stats` sample by their names, for the encoders; NaN for none. */
export function statsValue(sample: Sample, name: 'cpu' | 'mem'): number {
  const value = sample.values[sample.series.indexOf(name)]
  return typeof value === 'number' && value - value === 0 ? value : Number.NaN
}
