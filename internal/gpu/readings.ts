import { isRefusal, quote, type Refusal, type RejectReason } from '../sample/border.ts'
import type { SampleSink } from '../sample/sample.ts'
import type { Series, SeriesTable } from '../sample/series.ts'
import { Gpu, type Info, type WideSample } from './gpu.ts'
import { type Identity, identityOf } from './identity.ts'
import { type Reader, readerOf } from './metrics.ts'
import { MISSING, NOT_A_NUMBER, readValue } from './values.ts'

/** One figure of a GPU, as a source has it. */
export interface GpuReading {
  readonly metric: string
  readonly value: string | number
  /** What the source says of the metric: of a unit that its name does not tell. */
  readonly help?: string | undefined
  /** As the source spells them: `UUID` or `uuid`, `Hostname` or `hostname`, `labels_raw` … */
  readonly labels: ReadonlyMap<string, string>
  /** Integer µs since the epoch. */
  readonly atUs: number
  readonly tie?: number | undefined
}

export interface GpuReadingsOptions {
  readonly table: SeriesTable
  /** The host of readings without a label for it: that of the target. */
  readonly host?: string | undefined
  /** Labels that become tags, beside those that name the GPU. */
  readonly tagLabels?: readonly string[] | undefined
  /** When something is in use, µs since the epoch; the clock of the system by default. Readings may be of another year. */
  readonly nowUs?: () => number
  readonly onRefused?: ((refusal: Refusal, reading: GpuReading) => void) | undefined
  /** Told once of each metric whose unit neither its name nor its help text says: it is kept as it came. */
  readonly onUnknownUnit?: ((metric: string, help: string) => void) | undefined
}

/** Where each reading is: `read = taken + missing + refused`. */
export interface GpuCounts {
  read: number
  /** Values that are in a sample. */
  taken: number
  /** Of `taken`: the same value of the same metric, GPU and time as one before, of another pod for example. */
  repeated: number
  /** Readings that say that there is no value. */
  missing: number
  /** Of `taken`: values whose unit nothing says. */
  unknownUnits: number
  readonly refusedBy: Map<RejectReason, number>
}

/** What became of readings, for a metric with a label: `taken`, `missing`, and the reasons of refusals. */
export function gpuResults({ taken, missing, refusedBy }: Readonly<GpuCounts>): Array<readonly [string, number]> {
  return [['taken', taken], ['missing', missing], ...refusedBy]
}

/** A metric of a GPU that was met before, so that its next reading costs no look at its labels. */
export interface KnownReading {
  readonly gpu: Gpu
  readonly reader: Reader
  readonly fieldName: string
  readonly info: Info
  /** The field's index in this series. */
  series: Series
  index: number
}

/** GPUs that are remembered. Whoever was not met for longest goes. */
const MAX_GPUS = 100_000
/** Names of metrics with their help texts that are remembered. */
const MAX_READERS = 4096
/** Fields of metrics that are not in the table, over all GPUs. A source that uses values as names has more. */
const MAX_OWN_NAMES = 256

/**
 * Makes wide samples of single readings: one a GPU and time, of the measurement `gpu`, with each figure in one unit,
 * whatever the source and its generation. Texts that tell of a GPU become samples of `gpu_info`, when they change and
 * every 10 minutes.
 *
 * A reading that is refused is in no sample. So is one that stands for no value.
 */
export class GpuReadings {
  readonly counts: GpuCounts = { read: 0, taken: 0, repeated: 0, missing: 0, unknownUnits: 0, refusedBy: new Map() }
  readonly #options: GpuReadingsOptions
  readonly #nowUs: () => number
  readonly #gpus = new Map<string, Gpu>()
  readonly #readers = new Map<string, Reader>()
  readonly #ownNames = new Set<string>()
  readonly #unknownUnits = new Set<string>()
  #samples: WideSample[] = []
  #newestUs = -Infinity

  constructor(options: GpuReadingsOptions) {
    this.#options = options
    this.#nowUs = options.nowUs ?? (() => Date.now() * 1000)
  }

  /** The host of readings without a label for it. */
  get host(): string | undefined {
    return this.#options.host
  }

  /** Samples that are gathered. A caller with readings without end has to `flush` now and then. */
  get size(): number {
    return this.#samples.length
  }

  /** @returns what became of the reading; of a refusal nothing is kept */
  add(reading: GpuReading): 'taken' | 'missing' | Refusal {
    const { metric, labels, help, value, atUs, tie } = reading
    const known = this.find(metric, labels, help)
    const answer = isRefusal(known) ? this.refuse(known) : this.put(known, value, atUs, tie)
    if (typeof answer === 'object') this.#options.onRefused?.(answer, reading)
    return answer
  }

  /** A metric of a GPU, to be remembered by whoever can tell by the bytes that the next reading is of the same. */
  find(metric: string, labels: ReadonlyMap<string, string>, help?: string): KnownReading | Refusal {
    const identity = identityOf(labels, this.#options)
    if (isRefusal(identity)) return identity
    const reader = this.#reader(metric, help)
    const nowUs = this.#nowUs()
    const gpu = this.#gpu(identity, nowUs)
    if (isRefusal(gpu)) return gpu
    const fieldName = `${reader.field}${identity.part}`
    const isOwnName = reader.field === metric || identity.part !== ''
    if (isOwnName && !this.#ownNames.has(fieldName)) {
      if (this.#ownNames.size >= MAX_OWN_NAMES) return tooManyNames(fieldName)
      this.#ownNames.add(fieldName)
    }
    const series = gpu.seriesAt(nowUs)
    const index = series.field(fieldName, 'float')
    if (isRefusal(index)) return index
    const kind = series.fieldKinds[index]
    if (kind !== 'float') return { reason: 'field_type', detail: `${fieldName} is a float, was ${kind}` }
    return { gpu, reader, fieldName, info: gpu.info(identity.info), series, index }
  }

  /** As `add`, of a metric that was found before. */
  put(known: KnownReading, value: string | number, atUs: number, tie = 0): 'taken' | 'missing' | Refusal {
    const number = readValue(value)
    if (number === MISSING) {
      this.counts.read++
      this.counts.missing++
      return 'missing'
    }
    if (number === NOT_A_NUMBER) {
      return this.refuse({ reason: 'not_a_number', detail: `${known.fieldName} is ${quote(String(value))}` })
    }
    const { convert, range, isRaw } = known.reader
    const converted = convert(number)
    if (!(converted >= range[0] && converted <= range[1] && Number.isFinite(converted))) {
      return this.refuse({ reason: 'out_of_range', detail: `${known.fieldName} cannot be ${number}` })
    }
    const { series, values, infos } = this.#sample(known.gpu, atUs, tie)
    const index = series === known.series ? known.index : indexIn(series, known)
    if (isRefusal(index)) return this.refuse(index)
    const before = values[index]
    if (before !== undefined && before !== converted) {
      const detail = `${known.fieldName} is ${converted}, and was ${before} at the same time`
      return this.refuse({ reason: 'value_conflict', detail })
    }
    values[index] = converted
    if (!infos.includes(known.info)) infos.push(known.info)
    this.counts.read++
    this.counts.taken++
    if (before !== undefined) this.counts.repeated++
    if (isRaw) this.counts.unknownUnits++
    return 'taken'
  }

  /** Counts a reading that could not even be read, such as a row with too few cells. @returns the refusal */
  refuse(refusal: Refusal): Refusal {
    const { refusedBy } = this.counts
    this.counts.read++
    refusedBy.set(refusal.reason, (refusedBy.get(refusal.reason) ?? 0) + 1)
    return refusal
  }

  /**
   * Hands over the samples that are gathered, each with its texts where they are due.
   *
   * @param keepNewest whether those of the newest time stay, of which more readings may follow
   */
  flush(emit: SampleSink, keepNewest = false): void {
    const kept: WideSample[] = []
    const nowUs = this.#nowUs()
    for (const sample of this.#samples) {
      if (keepNewest && sample.at >= this.#newestUs) kept.push(sample)
      else sample.gpu.close(sample, nowUs, emit)
    }
    this.#samples = kept
    if (kept.length === 0) this.#newestUs = -Infinity
  }

  #sample(gpu: Gpu, atUs: number, tie: number): WideSample {
    const known = gpu.open(atUs, tie)
    if (known !== undefined) return known
    const sample = gpu.begin(atUs, tie, this.#nowUs())
    this.#samples.push(sample)
    if (atUs > this.#newestUs) this.#newestUs = atUs
    return sample
  }

  #reader(metric: string, help = ''): Reader {
    const key = `${metric}\n${help}`
    let reader = this.#readers.get(key)
    if (reader === undefined) {
      if (this.#readers.size >= MAX_READERS) this.#readers.clear()
      reader = readerOf(metric, help)
      this.#readers.set(key, reader)
      if (reader.isRaw && !this.#unknownUnits.has(metric)) {
        this.#unknownUnits.add(metric)
        this.#options.onUnknownUnit?.(metric, help)
      }
    }
    return reader
  }

  #gpu({ tags }: Identity, nowUs: number): Gpu | Refusal {
    const key = JSON.stringify(tags)
    const known = this.#gpus.get(key)
    if (known !== undefined) return known
    const { table } = this.#options
    const series = table.intern('gpu', tags, nowUs)
    if (isRefusal(series)) return series
    if (this.#gpus.size >= MAX_GPUS) this.#gpus.delete(this.#gpus.keys().next().value!)
    const gpu = new Gpu(table, tags, series)
    this.#gpus.set(key, gpu)
    return gpu
  }
}

/** The table may have given a series up, and made another one for the same GPU, whose fields come in another order. */
function indexIn(series: Series, known: KnownReading): number | Refusal {
  const index = series.field(known.fieldName, 'float')
  if (isRefusal(index)) return index
  known.series = series
  known.index = index
  return index
}

function tooManyNames(name: string): Refusal {
  const detail = `${quote(name)}: ${MAX_OWN_NAMES} fields of metrics that are not known are in use already`
  return { reason: 'too_many_fields', detail }
}
