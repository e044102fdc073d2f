import { blankHeader, type MessageHeader, NOTHING_MORE } from '../../internal/codec/codec.ts'
import { frameCodec } from '../../internal/codec/frame.ts'
import {
  BLOCK_FIXED_BYTES,
  FIRST_SAMPLE_AT,
  FIXED_BYTES,
  RUN_ID_BYTES_AT,
  SENT_AT_AT,
  SEQ_AT,
  TWO_TO_32,
} from '../../internal/codec/frame-layout.ts'
import { MEASUREMENT } from '../../internal/codec/system-stats.ts'
import { isRefusal } from '../../internal/sample/border.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import type { MessageWriter } from './messages.ts'
import type { Values } from './values.ts'

/** A worker that publishes frames. */
export interface FrameWorker {
  readonly head: Buffer
  readonly source: string
  readonly host: string
}

/** Of one worker: its next frame, and where in it stands what changes. */
interface Template {
  readonly head: Buffer
  readonly source: string
  /** The whole command. */
  readonly bytes: Buffer
  /** Where the frame begins in it. */
  readonly frameAt: number
  /** Where each sample's time stands. */
  readonly rows: Uint32Array
  seq: number
}

/** A row is its time, then a byte and a double for each of its two fields. */
const ROW_CPU_AT = 9
const ROW_MEM_AT = 18

/**
 * Frames as the project's own encoder makes them, one made for each worker and then patched: seq, times and values stand at the same place in all
 * of a worker's frames. Each sample has a series of its own (host and sensor), as in a snapshot of a switch, so no two are one point.
 */
export class FrameMessageWriter implements MessageWriter {
  readonly samplesPerMessage: number
  readonly maxBytes: number
  readonly #templates: readonly Template[]
  readonly #values: Values
  #next = 0

  constructor(workers: readonly FrameWorker[], samplesPerMessage: number, values: Values) {
    this.samplesPerMessage = samplesPerMessage
    this.#templates = workers.map((worker) => templateOf(worker, samplesPerMessage))
    this.maxBytes = this.#templates.reduce((most, { bytes }) => Math.max(most, bytes.length), 0)
    this.#values = values
  }

  write(out: Buffer, at: number, worker: number, dueUs: number): number {
    const template = this.#templates[worker]!
    const { bytes, frameAt, rows } = template
    out.set(bytes, at)
    const frame = at + frameAt
    const seq = template.seq++
    writeInteger(out, frame + SEQ_AT, seq)
    writeInteger(out, frame + FIRST_SAMPLE_AT, seq * this.samplesPerMessage)
    writeInteger(out, frame + SENT_AT_AT, dueUs)
    const values = this.#values
    const high = Math.floor(dueUs / TWO_TO_32)
    const low = dueUs - high * TWO_TO_32
    for (let i = 0; i < rows.length; i++) {
      const row = at + rows[i]!
      const index = this.#next++
      out.writeUInt32LE(low, row)
      out.writeUInt32LE(high, row + 4)
      out.writeDoubleLE(values.number(index), row + ROW_CPU_AT)
      out.writeDoubleLE(values.number(index + 1), row + ROW_MEM_AT)
    }
    return at + bytes.length
  }

  /**
   * Until then the servers await what is missing, for `heldFrom` stays 0. Only now it is known what nobody received; what else is missing they
   * count as lost. Two words a worker: to a server that has heard nothing else of it, the first one says that there was something.
   */
  lastWords(nowUs: number, unreceived: Uint32Array): Buffer[] {
    return this.#templates.flatMap(({ head, source, seq }, worker) => {
      const firstSample = seq * this.samplesPerMessage
      const withdrawnMessages = unreceived[worker]!
      const withdrawnSamples = withdrawnMessages * this.samplesPerMessage
      const standing = { ...blankHeader(), run: source, seq, firstSample, sentAt: nowUs }
      const ended = { heldFrom: NOTHING_MORE, heldFirstSample: firstSample, withdrawnMessages, withdrawnSamples }
      return [standing, { ...standing, ...ended }].map((header) => asCommand(head, frameCodec.encoder().finish(header)))
    })
  }
}

function templateOf({ head, source, host }: FrameWorker, samples: number): Template {
  const frame = encodeOnce({ ...blankHeader(), run: source, seq: 0 }, host, samples)
  const bytes = asCommand(head, frame)
  const frameAt = bytes.length - frame.length - 2
  const rows = new Uint32Array(samples)
  let block = frameAt + FIXED_BYTES + frame.readUInt16LE(RUN_ID_BYTES_AT)
  for (let i = 0; i < samples; i++) {
    rows[i] = block + BLOCK_FIXED_BYTES + bytes.readUInt32LE(block)
    block = rows[i]! + ROW_MEM_AT + 8
  }
  return { head, source, bytes, frameAt, rows, seq: 0 }
}

function encodeOnce(header: MessageHeader, host: string, samples: number): Buffer {
  const table = new SeriesTable()
  const encoder = frameCodec.encoder()
  for (let i = 0; i < samples; i++) {
    const series = table.intern(
      MEASUREMENT,
      [
        ['host', host],
        ['sensor', `s${i}`],
      ],
      0,
    )
    if (isRefusal(series)) throw new Error(series.detail)
    series.field('cpu', 'float')
    series.field('mem', 'float')
    if (!encoder.add({ series, values: [0, 0], at: 0, tie: 0 })) throw new Error(`${samples} samples exceed a frame`)
  }
  return encoder.finish(header)
}

function asCommand(head: Buffer, message: Buffer): Buffer {
  return Buffer.concat([head, Buffer.from(`$${message.length}\r\n`), message, Buffer.from('\r\n')])
}

function writeInteger(out: Buffer, at: number, value: number): void {
  const high = Math.floor(value / TWO_TO_32)
  out.writeUInt32LE(value - high * TWO_TO_32, at)
  out.writeUInt32LE(high, at + 4)
}
