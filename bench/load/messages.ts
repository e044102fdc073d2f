import { PACKED_BYTES } from '../../internal/codec/packed.ts'
import type { Values } from './values.ts'

/** Writes the messages of some workers. Each is written with the command that sends it. */
export interface MessageWriter {
  /** The size of the largest command. */
  readonly maxBytes: number
  /**
   * @param worker from 0 to below the number of workers
   * @param dueUs the time of sending that stands in the message, µs
   * @returns where the command ends in `out`
   */
  write(out: Buffer, at: number, worker: number, dueUs: number): number
  /**
   * The commands that tell the servers that these workers send nothing more. Empty where the format has no end marker.
   *
   * @param unreceived for each worker: its messages that no server was subscribed to. They are withdrawn, not lost
   */
  endMarkers(nowUs: number, unreceived: Uint32Array): Buffer[]
}

const LINE_END = Buffer.from('\r\n')
const CPU_AT = 8
const MEM_AT = 16
const SENT_AT = 24
const TWO_TO_29 = 2 ** 29
/** How far apart in `Values` the two values of a message are, so that they are not neighbours of one walk. */
const MEM_OFFSET = 30_011

/** Messages of 32 bytes: docs/wire-format.md. */
export class PackedWriter implements MessageWriter {
  readonly maxBytes: number
  readonly #templates: readonly Buffer[]
  readonly #values: Values
  #next = 0

  /** @param heads for each worker what `sendCommands` returns */
  constructor(heads: readonly Buffer[], values: Values) {
    const message = Buffer.concat([Buffer.from(`$${PACKED_BYTES}\r\n`), Buffer.alloc(PACKED_BYTES), LINE_END])
    this.#templates = heads.map((head) => Buffer.concat([head, message]))
    this.maxBytes = Math.max(...this.#templates.map(({ length }) => length))
    this.#values = values
  }

  write(out: Buffer, at: number, worker: number, dueUs: number): number {
    const template = this.#templates[worker]!
    out.set(template, at)
    const end = at + template.length
    const message = end - PACKED_BYTES - LINE_END.length
    const index = this.#next++
    // The high half of the seconds stays 0 until the year 2106.
    out.writeUInt32LE(Math.floor(dueUs / 1e6), message)
    out.writeDoubleLE(this.#values.number(index), message + CPU_AT)
    out.writeDoubleLE(this.#values.number(index + MEM_OFFSET), message + MEM_AT)
    writeNanoseconds(out, message + SENT_AT, dueUs)
    return end
  }

  endMarkers(): Buffer[] {
    return []
  }
}

/**
 * Writes 1,000 · `us` as an int64. No double holds that product, so it is made of two halves: 1,000 / 2^32 is 125 /
 * 2^29, and each half is exact.
 */
function writeNanoseconds(out: Buffer, at: number, us: number): void {
  const upper = Math.floor(us / TWO_TO_29)
  const lower = (us - upper * TWO_TO_29) * 125
  const carried = Math.floor(lower / TWO_TO_29)
  out.writeUInt32LE((lower - carried * TWO_TO_29) * 8, at)
  out.writeUInt32LE(upper * 125 + carried, at + 4)
}

const ZERO = 0x30
const SECONDS_DIGITS = 10
const MICROS_DIGITS = 6

/**
 * JSON messages as the Go system wrote them, with a host where the worker has one. All messages of a worker have one
 * length.
 */
export class JsonWriter implements MessageWriter {
  readonly maxBytes: number
  readonly #templates: readonly JsonTemplate[]
  readonly #values: Values
  #seconds = 0
  #next = 0

  /** @param hosts for each worker its host; '' for none */
  constructor(heads: readonly Buffer[], hosts: readonly string[], values: Values) {
    this.#templates = heads.map((head, worker) => jsonTemplate(head, hosts[worker]!, values.textBytes))
    this.maxBytes = Math.max(...this.#templates.map(({ bytes }) => bytes.length))
    this.#values = values
  }

  write(out: Buffer, at: number, worker: number, dueUs: number): number {
    const seconds = Math.floor(dueUs / 1e6)
    if (seconds !== this.#seconds) this.#setSeconds(seconds)
    const { bytes, cpuAt, memAt, sentAt } = this.#templates[worker]!
    const index = this.#next++
    out.set(bytes, at)
    this.#values.writeText(index, out, at + cpuAt)
    this.#values.writeText(index + MEM_OFFSET, out, at + memAt)
    writeDigits(out, at + sentAt + SECONDS_DIGITS, dueUs - seconds * 1e6, MICROS_DIGITS)
    return at + bytes.length
  }

  endMarkers(): Buffer[] {
    return []
  }

  #setSeconds(seconds: number): void {
    this.#seconds = seconds
    for (const { bytes, secondsAt, sentAt } of this.#templates) {
      writeDigits(bytes, secondsAt, seconds, SECONDS_DIGITS)
      writeDigits(bytes, sentAt, seconds, SECONDS_DIGITS)
    }
  }
}

/** A whole command, and the positions in it that change with each message. */
interface JsonTemplate {
  readonly bytes: Buffer
  readonly secondsAt: number
  readonly cpuAt: number
  readonly memAt: number
  readonly sentAt: number
}

function jsonTemplate(head: Buffer, host: string, valueBytes: number): JsonTemplate {
  const value = '0'.repeat(valueBytes)
  const seconds = '0'.repeat(SECONDS_DIGITS)
  const nanoseconds = '0'.repeat(MICROS_DIGITS + 3)
  const from = host === '' ? '' : `,"host":${JSON.stringify(host)}`
  const message = `{"timestamp":${seconds},"cpu_usage":${value},"mem_usage":${value},"send_time_unix_nano":${seconds}${nanoseconds}${from}}`
  const bytes = Buffer.concat([head, Buffer.from(`$${Buffer.byteLength(message)}\r\n${message}\r\n`)])
  const behind = (key: string): number => bytes.indexOf(`"${key}":`, head.length) + key.length + 3
  return {
    bytes,
    secondsAt: behind('timestamp'),
    cpuAt: behind('cpu_usage'),
    memAt: behind('mem_usage'),
    sentAt: behind('send_time_unix_nano'),
  }
}

/** Writes a whole number as text, with leading zeros. */
function writeDigits(out: Buffer, at: number, value: number, count: number): void {
  let rest = value
  for (let i = at + count - 1; i >= at; i--) {
    const tenth = Math.floor(rest / 10)
    out[i] = ZERO + rest - tenth * 10
    rest = tenth
  }
}
