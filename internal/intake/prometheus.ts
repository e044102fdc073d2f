import { isGpuMetric } from '../gpu/metrics.ts'
import { GpuReadings } from '../gpu/readings.ts'
import { type RemoteSeries, type RemoteWriteVersion, readRemoteWrite } from '../format/prometheus/remote-write.ts'
import { isRefusal, type Refusal } from '../sample/border.ts'
import type { Sample } from '../sample/sample.ts'
import type { Series, SeriesTable } from '../sample/series.ts'
import { isInt64, type Slot } from '../sample/value.ts'
import { isCounter } from '../fabric/columns.ts'
import { labelledPort } from '../fabric/port-labels.ts'
import { type PortText, PortTexts } from '../fabric/port-texts.ts'
import { IntakeError } from './errors.ts'
import { LineProblems, type Oldest } from './line-reader.ts'

const MEASUREMENT = 'prometheus'
const NAME = '__name__'
/** Whoever scraped adds them to the labels of all that it scrapes. */
const OF_SCRAPES: ReadonlySet<string> = new Set(['job', 'instance'])
/** Beyond so many switches their names are looked for again. */
const MAX_SWITCHES = 100_000

/** What a request of remote write says. */
export interface ReadSeries {
  readonly samples: Sample[]
  /** Values of the request that are in a sample, or that say that there is none (stale markers). */
  readonly points: number
  readonly histograms: number
  readonly refused: LineProblems
  readonly old: LineProblems
}

/**
 * Reads requests of Prometheus' remote write as what is scraped: measurement `prometheus`, the name as field, the labels as
 * tags. Metrics of GPUs become readings of them, and those of ports are of `fabric_port`. Values of one series and time are
 * one sample.
 */
export class PrometheusReader {
  readonly #table: SeriesTable
  readonly #ports = new PortTexts()
  #switches = new Map<string, string>()
  #readings: GpuReadings

  constructor(table: SeriesTable) {
    this.#table = table
    this.#readings = new GpuReadings({ table })
  }

  /** As `TelemetryReader.forget`. */
  forget(): void {
    this.#readings = new GpuReadings({ table: this.#table })
    this.#ports.forget()
  }

  /** @throws IntakeError `bad`, `too_large` */
  read(
    body: Buffer,
    version: RemoteWriteVersion,
    nowUs: number,
    maxValues: number,
    oldest: Oldest | undefined,
  ): ReadSeries {
    const wide = new WideSamples()
    const [refused, old] = [new LineProblems(), new LineProblems()]
    let [points, values, histograms] = [0, 0, 0]
    const take = (series: RemoteSeries): void => {
      values += series.values.length
      if (values > maxValues) throw new IntakeError('too_large', `over ${maxValues} samples in one request`)
      const name = series.labels.find(([label]) => label === NAME)?.[1] ?? ''
      if (series.histograms > 0) {
        histograms += series.histograms
        refused.add(0, name, 'native histograms are not taken')
      }
      points += isGpuMetric(name)
        ? this.#takeGpu(name, series, refused, old, oldest)
        : this.#takeOther(name, series, { wide, nowUs, refused, old, oldest })
    }
    let leftOut: number
    try {
      leftOut = readRemoteWrite(body, version, take)
    } catch (error) {
      if (error instanceof RangeError)
        throw new IntakeError('bad', `no request of remote write ${version}: ${error.message}`, { cause: error })
      throw error
    }
    this.#readings.flush((sample) => wide.samples.push({ ...sample }))
    this.#tellOfPorts(wide.samples)
    return { samples: wide.samples, points: points + leftOut, histograms, refused, old }
  }

  #takeOther(
    name: string,
    { labels, values, timesMs }: RemoteSeries,
    {
      wide,
      nowUs,
      refused,
      old,
      oldest,
    }: { wide: WideSamples; nowUs: number; refused: LineProblems; old: LineProblems; oldest: Oldest | undefined },
  ): number {
    if (values.length === 0) return 0
    const place = this.#placeOf(name, labels, nowUs)
    let points = 0
    for (let i = 0; i < values.length; i++) {
      const at = timesMs[i]! * 1000
      if (isRefusal(place)) refused.add(0, name, place.detail)
      else if (oldest !== undefined && at < oldest.atUs) old.add(0, name, oldest.words)
      else if (!Number.isSafeInteger(at)) refused.add(0, name, 'a time beyond 2^53 µs')
      else if (place.isInteger && !isInt64(values[i]!)) refused.add(0, name, 'a counter that is no integer')
      else {
        wide.put(place.series, place.index, at, values[i]!)
        if (place.port !== undefined) this.#ports.meet(place.port, at)
        points++
      }
    }
    return points
  }

  #placeOf(name: string, labels: RemoteSeries['labels'], nowUs: number): Place | Refusal {
    const tags = labels.filter(([label]) => label !== NAME)
    if (this.#switches.size > MAX_SWITCHES) this.#switches = new Map()
    const port = labelledPort(new Map(tags), '', this.#switches, OF_SCRAPES)
    const { refused } = this.#table
    const series = this.#table.intern(port === undefined ? MEASUREMENT : 'fabric_port', port?.tags ?? tags, nowUs)
    if (isRefusal(series)) return series
    if (this.#table.refused > refused) return { reason: 'too_many_series', detail: 'no room for one more series' }
    const isInteger = port !== undefined && isCounter(name)
    const index = series.field(name, isInteger ? 'int' : 'float')
    return isRefusal(index) ? index : { series, index, isInteger, port: port && this.#ports.of(port) }
  }

  #tellOfPorts(samples: Sample[]): void {
    for (const { tags, texts, toldUs } of this.#ports.take()) {
      const series = this.#table.intern('fabric_info', tags, toldUs)
      if (isRefusal(series)) continue
      const values: Slot[] = []
      for (const [label, text] of texts) {
        const index = series.field(label, 'string')
        if (isRefusal(index)) continue
        while (values.length <= index) values.push(undefined)
        values[index] = text
      }
      samples.push({ series, values, at: toldUs, tie: 0 })
    }
  }

  #takeGpu(
    name: string,
    { labels, values, timesMs, help }: RemoteSeries,
    refused: LineProblems,
    old: LineProblems,
    oldest: Oldest | undefined,
  ): number {
    let points = 0
    const texts = new Map(labels)
    texts.delete(NAME)
    for (let i = 0; i < values.length; i++) {
      const atUs = timesMs[i]! * 1000
      if (oldest !== undefined && atUs < oldest.atUs) {
        old.add(0, name, oldest.words)
        continue
      }
      const answer = this.#readings.add({ metric: name, value: values[i]!, labels: texts, help, atUs })
      if (typeof answer === 'object') refused.add(0, name, answer.detail)
      else points++
    }
    return points
  }
}

/** Where values of a metric go. */
interface Place {
  readonly series: Series
  readonly index: number
  readonly isInteger: boolean
  readonly port: PortText | undefined
}

/** The samples of one request: one a series and time. */
class WideSamples {
  readonly samples: Sample[] = []
  readonly #open = new Map<Series, Map<number, Sample>>()

  put(series: Series, index: number, at: number, value: number): void {
    let times = this.#open.get(series)
    if (times === undefined) {
      times = new Map()
      this.#open.set(series, times)
    }
    let sample = times.get(at)
    if (sample === undefined || sample.values[index] !== undefined) {
      sample = { series, values: [], at, tie: 0 }
      times.set(at, sample)
      this.samples.push(sample)
    }
    while (sample.values.length < index) sample.values.push(undefined)
    sample.values[index] = value
  }
}
