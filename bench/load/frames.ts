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
import { viewOf } from '../../internal/sample/same-bytes.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import type { MessageWriter } from './messages.ts'
import type { Values } from './values.ts'

/** A worker that publishes frames. */
export interface FrameWorker {
  readonly head: Buffer
  readonly runId: string
  readonly host: string
}

/** The next frame of one worker, and the positions in it that change with each message. */
interface Template {
  readonly head: Buffer
  readonly runId: string
  /** The whole command. */
  readonly bytes: Buffer
  /** Where the frame begins in `bytes`. */
  readonly frameAt: number
  /** Where the time of each sample stands in `bytes`. */
  readonly rows: Uint32Array
  seq: number
}

/** A row has a time, then a byte and a double for each of two fields. */
const ROW_CPU_AT = 9
const ROW_MEM_AT = 18

/**
 * Writes frames. The project's own encoder makes one frame for each worker; every message is a copy of it with other
 * numbers, times and values, which stand at the same positions in all frames of a worker. Each sample has its own
 * series (host and sensor), so no two samples are one point.
 */
export class FrameMessageWriter implements MessageWriter {
  readonly #samplesPerMessage: number
  readonly maxBytes: number
  readonly #templates: readonly Template[]
  readonly #values: Values
  /** Of the chunk that was written to last: a few chunks take turns, each for some frames. */
  #view: DataView = new DataView(new ArrayBuffer(0))
  #viewed: Buffer | undefined
  #next = 0

  constructor(workers: readonly FrameWorker[], samplesPerMessage: number, values: Values) {
    this.#samplesPerMessage = samplesPerMessage
    this.#templates = workers.map((worker) => templateOf(worker, samplesPerMessage))
    this.maxBytes = this.#templates.reduce((most, { bytes }) => Math.max(most, bytes.length), 0)
    this.#values = values
  }

  write(out: Buffer, at: number, worker: number, dueUs: number): number {
    const template = this.#templates[worker]!
    const { bytes, frameAt, rows } = template
    out.set(bytes, at)
    const view = this.#viewOf(out)
    const frame = at + frameAt
    const seq = template.seq++
    writeInteger(view, frame + SEQ_AT, seq)
    writeInteger(view, frame + FIRST_SAMPLE_AT, seq * this.#samplesPerMessage)
    writeInteger(view, frame + SENT_AT_AT, dueUs)
    const values = this.#values
    const high = Math.floor(dueUs / TWO_TO_32)
    const low = dueUs - high * TWO_TO_32
    for (let i = 0; i < rows.length; i++) {
      const row = at + rows[i]!
      const index = this.#next++
      view.setUint32(row, low, true)
      view.setUint32(row + 4, high, true)
      view.setFloat64(row + ROW_CPU_AT, values.number(index), true)
      view.setFloat64(row + ROW_MEM_AT, values.number(index + 1), true)
    }
    return at + bytes.length
  }

  #viewOf(out: Buffer): DataView {
    if (out !== this.#viewed) {
      this.#viewed = out
      this.#view = viewOf(out)
    }
    return this.#view
  }

  /**
   * Two end markers for each worker. While `heldFrom` is 0, servers wait for missing messages. The second marker says
   * that nothing more comes and how many messages no server received; servers count whatever else is missing as lost.
   * From the first marker, a server that has received nothing of the worker learns that there were messages.
   */
  endMarkers(nowUs: number, unreceived: Uint32Array): Buffer[] {
    return this.#templates.flatMap(({ head, runId, seq }, worker) => {
      const firstSample = seq * this.#samplesPerMessage
      const withdrawnMessages = unreceived[worker]!
      const withdrawnSamples = withdrawnMessages * this.#samplesPerMessage
      const standing = { ...blankHeader(), run: runId, seq, firstSample, sentAt: nowUs }
      const ended = { heldFrom: NOTHING_MORE, heldFirstSample: firstSample, withdrawnMessages, withdrawnSamples }
      return [standing, { ...standing, ...ended }].map((header) => asCommand(head, frameCodec.encoder().finish(header)))
    })
  }
}

function templateOf({ head, runId, host }: FrameWorker, samples: number): Template {
  const frame = encodeOnce({ ...blankHeader(), run: runId, seq: 0 }, host, samples)
  const bytes = asCommand(head, frame)
  const frameAt = bytes.length - frame.length - 2
  const rows = new Uint32Array(samples)
  let block = frameAt + FIXED_BYTES + frame.readUInt16LE(RUN_ID_BYTES_AT)
  for (let i = 0; i < samples; i++) {
    rows[i] = block + BLOCK_FIXED_BYTES + bytes.readUInt32LE(block)
    block = rows[i]! + ROW_MEM_AT + 8
  }
  return { head, runId, bytes, frameAt, rows, seq: 0 }
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

function writeInteger(out: DataView, at: number, value: number): void {
  const high = Math.floor(value / TWO_TO_32)
  out.setUint32(at, value - high * TWO_TO_32, true)
  out.setUint32(at + 4, high, true)
}
