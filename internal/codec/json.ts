import { isRefusal, MAX_NAME_BYTES, type Refusal } from '../sample/border.ts'
import type { Sample, SampleSink } from '../sample/sample.ts'
import type { SeriesTable } from '../sample/series.ts'
import { errorText } from '../text/error-text.ts'
import { ByteCache } from '../sample/byte-cache.ts'
import {
  type Arrival,
  blankHeader,
  type Codec,
  type Decoder,
  type Encoder,
  type MessageHeader,
  resetHeader,
} from './codec.ts'
import { PlainScanner, type StatsMessage } from './json-scanner.ts'
import { MEASUREMENT, type StatsSeries, SystemStats, statsValue } from './system-stats.ts'
import { Ties } from './ties.ts'

/** One sample is about 120 bytes. A message far longer is refused before it is parsed. */
export const MAX_JSON_BYTES = 65_536

/** One sample a message, for publishers of any kind. docs/wire-format.md lists its keys. */
export const jsonCodec: Codec = {
  name: 'json',
  maxSamples: 1,
  encoder: () => new JsonEncoder(),
  decoder: (table) => new JsonDecoder(table),
  restamp: (message) => message,
}

export class JsonDecoder implements Decoder {
  readonly header: MessageHeader
  cleaned = 0
  readonly #stats: SystemStats
  readonly #scanner = new PlainScanner()
  readonly #knownHosts = new ByteCache<StatsSeries>()
  readonly #knownRunIds = new ByteCache<string>()

  constructor(table: SeriesTable, header = blankHeader(), ties = new Ties()) {
    this.#stats = new SystemStats(table, ties)
    this.header = header
  }

  decode(payload: Buffer, arrival: Readonly<Arrival>, emit: SampleSink): Refusal | undefined {
    resetHeader(this.header)
    if (payload.length > MAX_JSON_BYTES) {
      return { reason: 'too_large', detail: `a JSON message of ${payload.length} bytes, at most ${MAX_JSON_BYTES}` }
    }
    const scanner = this.#scanner
    if (scanner.scan(payload)) {
      const stats = this.#hostAt(payload, scanner.hostStart, scanner.hostEnd, arrival.receivedAt)
      if (isRefusal(stats)) return stats
      return this.#take(scanner, stats, this.#runIdAt(payload, scanner.runIdStart, scanner.runIdEnd), arrival, emit)
    }
    const message = parseUnusual(payload.toString('utf8'))
    if (isRefusal(message)) return message
    const stats = this.#stats.open(message.host, arrival.receivedAt)
    if (isRefusal(stats)) return stats
    return this.#take(message, stats, usableRunId(message.runId), arrival, emit)
  }

  #take(
    message: Readonly<StatsMessage>,
    stats: StatsSeries,
    runId: string,
    arrival: Readonly<Arrival>,
    emit: SampleSink,
  ): Refusal | undefined {
    const { cpu, mem, seq } = message
    const { header } = this
    header.run = runId
    // A JSON publisher sends each message once and in order, so no older message may still come.
    if (runId !== '' && seq >= 0) header.seq = header.firstSample = header.heldFrom = header.heldFirstSample = seq
    header.sentAt = message.sentAt
    if (Number.isNaN(cpu) && Number.isNaN(mem)) {
      return { reason: 'json_shape', detail: 'neither cpu_usage nor mem_usage is a number' }
    }
    const refusal = this.#stats.emit(stats, cpu, mem, header, arrival, emit)
    if (refusal === undefined && (isInfinite(cpu) || isInfinite(mem))) this.cleaned++
    return refusal
  }

  #hostAt(payload: Buffer, start: number, end: number, nowUs: number): StatsSeries | Refusal {
    const known = this.#knownHosts.get(payload, start, end)
    if (known !== undefined && !known.series.evicted) return known
    const stats = this.#stats.open(payload.toString('utf8', start, end), nowUs)
    if (!isRefusal(stats)) this.#knownHosts.set(payload, start, end, stats)
    return stats
  }

  #runIdAt(payload: Buffer, start: number, end: number): string {
    if (start === end) return ''
    const known = this.#knownRunIds.get(payload, start, end)
    if (known !== undefined) return known
    const runId = usableRunId(payload.toString('utf8', start, end))
    this.#knownRunIds.set(payload, start, end, runId)
    return runId
  }
}

/** A run id is only used to count losses. A run id over the limit counts as absent. */
function usableRunId(runId: string): string {
  return Buffer.byteLength(runId) <= MAX_NAME_BYTES ? runId : ''
}

function isInfinite(value: number): boolean {
  return value === Infinity || value === -Infinity
}

interface UnusualMessage extends StatsMessage {
  readonly host: string
  readonly runId: string
}

/** Reads any JSON, by JSON.parse. Gives the same result as the scanner for each message that the scanner takes. */
export function parseUnusual(text: string): UnusualMessage | Refusal {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    return { reason: 'json_syntax', detail: errorText(error) }
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return shape('not an object')
  const message = parsed as Readonly<Record<string, unknown>>
  const { cpu_usage, mem_usage, send_time_unix_nano, host, source: runId, seq } = message
  if (!isNumberOrNothing(cpu_usage)) return shape('cpu_usage is not a number')
  if (!isNumberOrNothing(mem_usage)) return shape('mem_usage is not a number')
  if (typeof host !== 'string' && (host ?? null) !== null) return shape('host is not a string')
  const sentAt = sendTimeUs(send_time_unix_nano, text)
  if (sentAt === undefined) return shape('send_time_unix_nano is not a time in nanoseconds')
  return {
    cpu: cpu_usage ?? Number.NaN,
    mem: mem_usage ?? Number.NaN,
    sentAt,
    seq: typeof seq === 'number' && Number.isSafeInteger(seq) && seq >= 0 ? seq : -1,
    host: typeof host === 'string' ? host : '',
    runId: typeof runId === 'string' ? runId : '',
  }
}

function shape(detail: string): Refusal {
  return { reason: 'json_shape', detail }
}

function isNumberOrNothing(value: unknown): value is number | null | undefined {
  return typeof value === 'number' || value === null || value === undefined
}

/**
 * A double does not hold nanoseconds exactly, so they are read from their digits. They may also stand in a string, as
 * protobuf writes an int64. Returns 0 without a time and for a time before 1970, undefined for anything that is not a
 * time.
 */
function sendTimeUs(value: unknown, text: string): number | undefined {
  if (value === undefined || value === null) return 0
  const digits =
    typeof value === 'string' ? value : typeof value === 'number' ? sourceOf('send_time_unix_nano', text) : ''
  const us = /^\d{1,19}$/.test(digits)
    ? Number(digits.slice(0, -3))
    : Math.floor(typeof value === 'number' ? value / 1000 : Number.NaN)
  if (!(us <= Number.MAX_SAFE_INTEGER)) return undefined
  return Math.max(us, 0)
}

/** The text of a key's value, of the last one if the key repeats. The text must be a JSON object. */
function sourceOf(key: string, text: string): string {
  const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g
  let depth = 0
  let found = ''
  let name = ''
  let isValue = false
  for (const [token] of text.matchAll(tokens)) {
    if (token === '{' || token === '[') depth++
    else if (token === '}' || token === ']') depth--
    if (depth !== 1) continue
    if (token === ':') isValue = true
    else if (token === ',') isValue = false
    else if (isValue && name === key) found = token
    else if (!isValue && token[0] === '"') name = JSON.parse(token)
  }
  return found
}

/** Encodes samples of `system_stats` only, and ignores others. */
class JsonEncoder implements Encoder {
  count = 0
  #fields = ''
  #at = 0
  #host = ''

  add(sample: Sample): boolean {
    if (sample.series.measurement !== MEASUREMENT) return true
    const cpu = statsValue(sample, 'cpu')
    const mem = statsValue(sample, 'mem')
    if (Number.isNaN(cpu) && Number.isNaN(mem)) return true
    if (this.count > 0) return false
    this.#fields = `${Number.isNaN(cpu) ? '' : `,"cpu_usage":${number(cpu)}`}${Number.isNaN(mem) ? '' : `,"mem_usage":${number(mem)}`}`
    this.#at = sample.at
    this.#host = sample.series.tag('host') ?? ''
    this.count = 1
    return true
  }

  finish(header: Readonly<MessageHeader>): Buffer {
    if (this.count === 0) return Buffer.alloc(0)
    this.count = 0
    const seconds = Math.floor(this.#at / 1e6)
    const sent = `${header.sentAt || this.#at}000`
    const host = this.#host === '' ? '' : `,"host":${text(this.#host)}`
    const from = header.run === '' || header.seq < 0 ? '' : `,"source":${text(header.run)},"seq":${header.seq}`
    return Buffer.from(`{"timestamp":${seconds}${this.#fields},"send_time_unix_nano":${sent}${host}${from}}`)
  }
}

/** Most names need no escapes, and then this takes a third of the time of JSON.stringify. */
function text(value: string): string {
  return /^[\w ./:-]*$/.test(value) ? `"${value}"` : JSON.stringify(value)
}

/** JSON.stringify would lose the sign of -0. */
function number(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value)
}
