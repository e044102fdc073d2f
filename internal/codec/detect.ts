import type { Refusal } from '../sample/border.ts'
import type { SampleSink } from '../sample/sample.ts'
import type { SeriesTable } from '../sample/series.ts'
import type { GpuCounts } from '../gpu/readings.ts'
import { type Arrival, blankHeader, type Decoder, type MessageFormat, type RefusedPart, resetHeader } from './codec.ts'
import { FrameDecoder } from './frame-decoder.ts'
import { MAGIC, MAX_FRAME_BYTES } from './frame-layout.ts'
import { GpuRowsDecoder } from './gpu-rows.ts'
import { JsonDecoder } from './json.ts'
import { PACKED_BYTES, PackedDecoder } from './packed.ts'
import { Ties } from './ties.ts'

const OPENING_BRACE = 0x7b
const CLOSING_BRACE = 0x7d
const OPENING_BRACKET = 0x5b

/**
 * The format of a message. The magic says that it is a frame. Else 32 bytes are Packed, unless they begin and end with
 * a brace: one Packed message in 256 begins with one. Else a message that begins with a brace is JSON, and one that begins
 * with a bracket is a list of readings of GPUs, which never has 32 bytes.
 */
export function detectFormat(payload: Buffer): MessageFormat | undefined {
  if (payload.length >= 4 && payload.readUInt32LE(0) === MAGIC) return 'frame'
  if (payload[0] !== OPENING_BRACE) {
    if (payload.length === PACKED_BYTES) return 'packed'
    return payload[0] === OPENING_BRACKET ? 'gpu-rows' : undefined
  }
  return payload.length === PACKED_BYTES && payload[PACKED_BYTES - 1] !== CLOSING_BRACE ? 'packed' : 'json'
}

const NONE: readonly RefusedPart[] = []

/** Decodes messages of all formats, in any order. */
export class MessageDecoder implements Decoder {
  readonly header = blankHeader()
  readonly #maxMessageBytes: number
  #refusedParts: readonly RefusedPart[] = NONE
  readonly #decoders: Readonly<Record<Exclude<MessageFormat, 'gpu-rows'>, Decoder>> & {
    readonly 'gpu-rows': GpuRowsDecoder
  }

  constructor(table: SeriesTable, options: { maxMessageBytes?: number } = {}) {
    this.#maxMessageBytes = options.maxMessageBytes ?? MAX_FRAME_BYTES
    const ties = new Ties()
    this.#decoders = {
      json: new JsonDecoder(table, this.header, ties),
      packed: new PackedDecoder(table, this.header, ties),
      frame: new FrameDecoder(table, this.header),
      'gpu-rows': new GpuRowsDecoder(table, this.header),
    }
  }

  get cleaned(): number {
    const { json, packed, frame } = this.#decoders
    return json.cleaned + packed.cleaned + frame.cleaned
  }

  get refusedParts(): readonly RefusedPart[] {
    return this.#refusedParts
  }

  /** Of readings of GPUs in lists of rows. */
  get gpuCounts(): Readonly<GpuCounts> {
    return this.#decoders['gpu-rows'].counts
  }

  decode(payload: Buffer, arrival: Readonly<Arrival>, emit: SampleSink): Refusal | undefined {
    if (payload.length > this.#maxMessageBytes) {
      this.#refusedParts = NONE
      resetHeader(this.header)
      return { reason: 'too_large', detail: `a message of ${payload.length} bytes, at most ${this.#maxMessageBytes}` }
    }
    const format = detectFormat(payload)
    if (format !== undefined) {
      this.#refusedParts = this.#decoders[format].refusedParts ?? NONE
      return this.#decoders[format].decode(payload, arrival, emit)
    }
    this.#refusedParts = NONE
    resetHeader(this.header)
    return { reason: 'not_a_message', detail: describe(payload) }
  }
}

function describe(payload: Buffer): string {
  if (payload.length === 0) return 'an empty message'
  const beginning = payload.toString('hex', 0, 8)
  return `${payload.length} bytes, beginning with ${beginning}: neither a frame, nor JSON, nor ${PACKED_BYTES} bytes`
}
