import { PACKED_BYTES } from '../../codec/packed.ts'
import { MAX_VALUE_BYTES, type Values } from './values.ts'

/** Writes the messages of some workers, each as the whole command that sends it. */
export interface MessageWriter {
  readonly samplesPerMessage: number
  /** The most that one takes. */
  readonly maxBytes: number
  /**
   * @param worker a number below that of the `heads`
   * @param dueUs becomes the time of sending, µs
   * @returns where it ends
   */
  write(out: Buffer, at: number, worker: number, dueUs: number): number
  /** Commands that tell the servers that nothing more is to come from these workers; none where the format has no word for it. */
  lastWords(dueUs: number): Buffer[]
}

const LINE_END = Buffer.from('\r\n')
const CPU_AT = 8
const MEM_AT = 16
const SENT_AT = 24
const TWO_TO_29 = 2 ** 29
/** Where the values of a message begin, far enough from those of its neighbour. */
const MEM_OFFSET = 30_011

/** Messages of 32 bytes: docs/wire-format.md. */
export class PackedWriter implements MessageWriter {
  readonly samplesPerMessage = 1
  readonly maxBytes: number
  readonly #templates: readonly Buffer[]
  readonly #values: Values
  #next = 0

  /** @param heads of each worker, as `sendCommands` gives them */
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

  lastWords(): Buffer[] {
    return []
  }
}

/** An int64 of 1,000 · `us`, which no double holds: 1,000 / 2^32 is 125 / 2^29, and each half of that is exact. */
function writeNanoseconds(out: Buffer, at: number, us: number): void {
  const upper = Math.floor(us / TWO_TO_29)
  const lower = (us - upper * TWO_TO_29) * 125
  const carried = Math.floor(lower / TWO_TO_29)
  out.writeUInt32LE((lower - carried * TWO_TO_29) * 8, at)
  out.writeUInt32LE(upper * 125 + carried, at + 4)
}

const JSON_TIME = '{"timestamp":'
const SECONDS_DIGITS = 10
const MICROS_DIGITS = 6
/** So are all of its lengths: the text of a shorter one does not have its keys. */
const LENGTH_DIGITS = 3
const ZERO = 0x30

/** Messages as text, as the Go system wrote them; with a host where the worker has one. */
export class JsonWriter implements MessageWriter {
  readonly samplesPerMessage = 1
  readonly maxBytes: number
  readonly #heads: readonly Buffer[]
  readonly #tails: readonly Buffer[]
  readonly #values: Values
  readonly #beforeCpu = Buffer.from(`${JSON_TIME}${'0'.repeat(SECONDS_DIGITS)},"cpu_usage":`)
  readonly #beforeMem = Buffer.from(',"mem_usage":')
  readonly #sent = Buffer.from(`,"send_time_unix_nano":${'0'.repeat(SECONDS_DIGITS)}`)
  #seconds = 0
  #next = 0

  /** @param hosts of each worker, '' for none */
  constructor(heads: readonly Buffer[], hosts: readonly string[], values: Values) {
    this.#heads = heads.map((head) => Buffer.concat([head, Buffer.from(`$${'0'.repeat(LENGTH_DIGITS)}\r\n`)]))
    this.#tails = hosts.map((host) => Buffer.from(`000${host === '' ? '' : `,"host":${JSON.stringify(host)}`}}`))
    this.#values = values
    const fixed = this.#beforeCpu.length + this.#beforeMem.length + this.#sent.length + MICROS_DIGITS + LINE_END.length
    this.maxBytes = fixed + 2 * MAX_VALUE_BYTES + longest(this.#heads) + longest(this.#tails)
  }

  write(out: Buffer, at: number, worker: number, dueUs: number): number {
    const seconds = Math.floor(dueUs / 1e6)
    if (seconds !== this.#seconds) this.#turnTo(seconds)
    const head = this.#heads[worker]!
    const tail = this.#tails[worker]!
    const values = this.#values
    const index = this.#next++
    const begin = put(out, at, head)
    let to = values.write(index, out, put(out, begin, this.#beforeCpu))
    to = values.write(index + MEM_OFFSET, out, put(out, to, this.#beforeMem))
    to = put(out, to, this.#sent)
    to = digits(out, to, dueUs - seconds * 1e6, MICROS_DIGITS)
    to = put(out, to, tail)
    digits(out, begin - LINE_END.length - LENGTH_DIGITS, to - begin, LENGTH_DIGITS)
    return put(out, to, LINE_END)
  }

  lastWords(): Buffer[] {
    return []
  }

  #turnTo(seconds: number): void {
    this.#seconds = seconds
    digits(this.#beforeCpu, JSON_TIME.length, seconds, SECONDS_DIGITS)
    digits(this.#sent, this.#sent.length - SECONDS_DIGITS, seconds, SECONDS_DIGITS)
  }
}

function longest(texts: readonly Buffer[]): number {
  return Math.max(...texts.map(({ length }) => length))
}

/** Of so few bytes a loop costs less than a call of `copy`. */
function put(out: Buffer, at: number, bytes: Buffer): number {
  for (let i = 0; i < bytes.length; i++) out[at + i] = bytes[i]!
  return at + bytes.length
}

/** Writes a whole number with leading zeros. @returns where it ends */
function digits(out: Buffer, at: number, value: number, count: number): number {
  let rest = value
  for (let i = at + count - 1; i >= at; i--) {
    const tenth = Math.floor(rest / 10)
    out[i] = ZERO + rest - tenth * 10
    rest = tenth
  }
  return at + count
}
