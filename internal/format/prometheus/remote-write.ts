import { ProtobufReader } from './protobuf.ts'

/** The versions of the protocol: `prometheus.WriteRequest` and `io.prometheus.write.v2.Request`. */
export type RemoteWriteVersion = '1.0' | '2.0'

/** A series of a request. The object, and what it has, are used again for the next one. */
export interface RemoteSeries {
  /** In the order of the message; `__name__` is one of them. */
  readonly labels: Array<readonly [name: string, value: string]>
  readonly values: number[]
  /** Of each value, ms since the epoch. */
  readonly timesMs: number[]
  /** What the message has besides, and how much of it. */
  histograms: number
  exemplars: number
  help: string
}

/** The bits of the NaN by which Prometheus says that a series has ended. */
const STALE_HIGH = 0x7ff00000
const STALE_LOW = 2
/** A request of Prometheus has some thousand series, and no series this many labels. */
const MAX_LABELS = 256

/**
 * Reads a request of Prometheus' remote write, unpacked. Calls `take` for each series. A stale marker is no value, and so
 * is any other NaN; what is infinite is left out too, because no store keeps it.
 *
 * @returns the values that were left out
 * @throws RangeError for bytes that are no such request
 */
export function readRemoteWrite(
  body: Buffer,
  version: RemoteWriteVersion,
  take: (series: RemoteSeries) => void,
): number {
  const series: RemoteSeries = { labels: [], values: [], timesMs: [], histograms: 0, exemplars: 0, help: '' }
  const symbols = version === '2.0' ? readSymbols(body) : []
  const seriesField = version === '2.0' ? 5 : 1
  let leftOut = 0
  const request = new ProtobufReader(body)
  while (request.next()) {
    if (request.field !== seriesField) {
      request.skip()
      continue
    }
    series.labels.length = series.values.length = series.timesMs.length = 0
    series.histograms = series.exemplars = 0
    series.help = ''
    leftOut +=
      version === '2.0' ? readSeries2(request.message(), series, symbols) : readSeries1(request.message(), series)
    if (series.labels.length > MAX_LABELS) throw new RangeError(`a series has over ${MAX_LABELS} labels`)
    take(series)
  }
  return leftOut
}

function readSeries1(reader: ProtobufReader, series: RemoteSeries): number {
  let leftOut = 0
  while (reader.next()) {
    if (reader.field === 1) series.labels.push(readLabel(reader.message()))
    else if (reader.field === 2) leftOut += readSample(reader.message(), series)
    else {
      if (reader.field === 3) series.exemplars++
      if (reader.field === 4) series.histograms++
      reader.skip()
    }
  }
  return leftOut
}

function readSeries2(reader: ProtobufReader, series: RemoteSeries, symbols: readonly string[]): number {
  const symbol = (reference: number): string => {
    const text = symbols[reference]
    if (text === undefined) throw new RangeError(`there is no symbol ${reference}`)
    return text
  }
  const references: number[] = []
  let leftOut = 0
  while (reader.next()) {
    if (reader.field === 1) references.push(...reader.uint32s())
    else if (reader.field === 2) leftOut += readSample(reader.message(), series)
    else if (reader.field === 5) series.help = symbol(readHelp(reader.message()))
    else {
      if (reader.field === 3) series.histograms++
      if (reader.field === 4) series.exemplars++
      reader.skip()
    }
  }
  if (references.length % 2 !== 0) throw new RangeError('a label without a value')
  for (let i = 0; i < references.length; i += 2) {
    series.labels.push([symbol(references[i]!), symbol(references[i + 1]!)])
  }
  return leftOut
}

/** They may stand anywhere in the message. The first one is empty. */
function readSymbols(body: Buffer): string[] {
  const symbols: string[] = []
  const request = new ProtobufReader(body)
  while (request.next()) {
    if (request.field === 4) symbols.push(request.text())
    else request.skip()
  }
  if (symbols.length === 0) symbols.push('')
  return symbols
}

function readLabel(reader: ProtobufReader): [string, string] {
  let [name, value] = ['', '']
  while (reader.next()) {
    if (reader.field === 1) name = reader.text()
    else if (reader.field === 2) value = reader.text()
    else reader.skip()
  }
  return [name, value]
}

function readHelp(reader: ProtobufReader): number {
  let reference = 0
  while (reader.next()) {
    if (reader.field === 3) reference = reader.uint32()
    else reader.skip()
  }
  return reference
}

/** @returns how many values were left out: 0 or 1 */
function readSample(reader: ProtobufReader, { values, timesMs }: RemoteSeries): number {
  // A field that is 0 does not stand in the message.
  let [value, timeMs, isStale] = [0, 0, false]
  while (reader.next()) {
    if (reader.field === 1) {
      const at = reader.doubleAt()
      value = reader.bytes.readDoubleLE(at)
      isStale = reader.bytes.readUInt32LE(at) === STALE_LOW && reader.bytes.readUInt32LE(at + 4) === STALE_HIGH
    } else if (reader.field === 2) timeMs = reader.int64()
    else reader.skip()
  }
  if (isStale || !Number.isFinite(value)) return 1
  values.push(value)
  timesMs.push(timeMs)
  return 0
}
