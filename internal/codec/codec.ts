import type { Refusal } from '../sample/border.ts'
import type { Sample, SampleSink } from '../sample/sample.ts'
import type { SeriesTable } from '../sample/series.ts'

export type CodecName = 'json' | 'packed' | 'frame'
/** Beside what has a codec: what servers read, and nothing here writes. */
export type MessageFormat = CodecName | 'gpu-rows'

/**
 * The progress of a run when a message leaves. From it a receiver knows which missing messages are lost, which may
 * still come, and which the run withdrew.
 */
export interface Standing {
  /**
   * The oldest seq that the run may still send. Missing messages below it will not come. NOTHING_MORE once the run has
   * ended.
   */
  heldFrom: number
  /** How many samples the run numbered before those of message `heldFrom`. */
  heldFirstSample: number
  /** Messages, and the samples in them, that the run withdrew so far. No receiver counts them as lost. */
  withdrawnMessages: number
  withdrawnSamples: number
}

/** As `heldFrom`: the run has ended, and nothing more of it comes. */
export const NOTHING_MORE = Number.MAX_SAFE_INTEGER

/**
 * The data of a message besides its samples. A decoder reuses its header: copy what you keep. After a refusal the
 * header has the values that could be read. `seq` is -1 if unknown; `sampleCount` is the number that the message
 * claims, 0 if unknown.
 */
export interface MessageHeader extends Standing {
  /** The run id; '' where the format has none, and then `seq` is unknown too. */
  run: string
  /** Counts the messages of the run from 0; -1 where unknown. */
  seq: number
  /** How many samples the run numbered before those of this message. */
  firstSample: number
  /** When the send was due, µs since the epoch; 0 where unknown. */
  sentAt: number
  sampleCount: number
}

export function blankHeader(): MessageHeader {
  return {
    run: '',
    seq: -1,
    firstSample: 0,
    heldFrom: 0,
    heldFirstSample: 0,
    withdrawnMessages: 0,
    withdrawnSamples: 0,
    sentAt: 0,
    sampleCount: 0,
  }
}

/** Makes a header blank again, for the next message. */
export function resetHeader(header: MessageHeader): void {
  header.run = ''
  header.seq = -1
  header.firstSample = 0
  header.heldFrom = 0
  header.heldFirstSample = 0
  header.withdrawnMessages = 0
  header.withdrawnSamples = 0
  header.sentAt = 0
  header.sampleCount = 0
}

/** What the receiver knows about a message before decoding it. */
export interface Arrival {
  /** µs since the epoch. */
  receivedAt: number
  /** 0–999, the `tie` of a sample whose format has none; or NO_TIE (ties.ts), and the decoder chooses. */
  tie: number
}

/**
 * Turns samples into messages. `add` copies what it needs of the sample. `finish` returns the message of all samples
 * that were added since the last `finish`, in a Buffer of its own. Not for concurrent use.
 */
export interface Encoder {
  /** Samples added since the last `finish`. */
  readonly count: number
  /**
   * @returns false when the message is full: `finish` it, then add the sample again. A sample without a value is taken
   * and ignored.
   */
  add(sample: Sample): boolean
  /**
   * The header's `sampleCount` is ignored: the encoder knows it. Without samples, the message only says how far the run
   * is. It is an empty Buffer where the format has no such message.
   */
  finish(header: Readonly<MessageHeader>): Buffer
}

/** What a decoder leaves out of a message that it takes, as a message of its own. */
export interface RefusedMessage {
  readonly refusal: Refusal
  readonly payload: Buffer
}

/** A sample that it leaves out, with the names and the kinds that the message gives it. */
export interface RefusedSample {
  readonly refusal: Refusal
  readonly sample: Sample
}

export type RefusedPart = RefusedMessage | RefusedSample

/**
 * Turns messages into samples: none of a message that cannot be read, and of others all that are good. `header` is complete before the first `emit`. The decoder
 * reuses it, and the sample that it hands to `emit`. Not for concurrent use.
 */
export interface Decoder {
  readonly header: MessageHeader
  /** Values left out so far of samples that were emitted: NaN, the infinities, strings that are too long. */
  readonly cleaned: number
  /** Parts of the message that was decoded last of which nothing was emitted. Without it, a format has no such parts. */
  readonly refusedParts?: readonly RefusedPart[]
  /** @returns why nothing of the message can be used, or undefined. Never throws, whatever the bytes. */
  decode(payload: Buffer, arrival: Readonly<Arrival>, emit: SampleSink): Refusal | undefined
}

export interface Codec {
  readonly name: CodecName
  /** Samples that one message can carry. */
  readonly maxSamples: number
  encoder(): Encoder
  decoder(table: SeriesTable): Decoder
  /**
   * A copy of a held message with the standing of now; the message itself where its format has no standing.
   */
  restamp(message: Buffer, standing: Readonly<Standing>): Buffer
}
