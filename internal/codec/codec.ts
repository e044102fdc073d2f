import type { Refusal } from '../sample/border.ts'
import type { Sample, SampleSink } from '../sample/sample.ts'
import type { SeriesTable } from '../sample/series.ts'

export type CodecName = 'json' | 'packed' | 'frame'

/**
 * How far a source is, as of the moment in which a message leaves it. It lets a receiver tell what is lost from what may still come, and
 * from what the source itself gave up.
 */
export interface Standing {
  /** The oldest seq that the source may still send: what is missing below it will not come. NOTHING_MORE once the source has ended. */
  heldFrom: number
  /** How many samples the source numbered before those of the message `heldFrom`. */
  heldFirstSample: number
  /** Messages, and the samples in them, that the source gave up after it had numbered them, since it began: no receiver can have lost those. */
  withdrawnMessages: number
  withdrawnSamples: number
}

/** As `heldFrom`: the source has ended, and nothing of it is to come. */
export const NOTHING_MORE = Number.MAX_SAFE_INTEGER

/**
 * What a message says of itself beside its samples. A decoder reuses one: copy what is to be kept. After a refusal it holds what could still be
 * read: `seq` is -1 where that was nothing, `sampleCount` what the message claimed to carry (0 where unknown).
 */
export interface MessageHeader extends Standing {
  /** The source id; '' where the format has none, and then `seq` is unknown too. */
  run: string
  /** Counts the messages of one source from 0; -1 where unknown. */
  seq: number
  /** How many samples the source numbered before those of this message. */
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

/** What the receiver knows of a message before it is read. */
export interface Arrival {
  /** µs since the epoch. */
  receivedAt: number
  /** 0–999: becomes `tie` of the samples whose format has whole seconds only; or NO_TIE (ties.ts), and the decoder chooses. */
  tie: number
}

/**
 * Turns samples into messages. `add` copies what it needs of the sample; `finish` gives the message of all samples added since the
 * last `finish`, in a Buffer of its own. Not for concurrent use.
 */
export interface Encoder {
  /** Samples added since the last `finish`. */
  readonly count: number
  /** @returns false when the message is full: `finish` it, then add the sample again. A sample without a value is taken and ignored. */
  add(sample: Sample): boolean
  /**
   * `sampleCount` of the header is ignored: the encoder knows it. Without samples it gives the message that only says how far the
   * source is, or an empty Buffer where the format has no such message.
   */
  finish(header: Readonly<MessageHeader>): Buffer
}

/**
 * Turns messages into samples: all of a message, or none. The sample handed to `emit` is reused, as is `header`, which is whole
 * before the first `emit`. Not for concurrent use.
 */
export interface Decoder {
  readonly header: MessageHeader
  /** Values left out so far of samples that went on: NaN, the infinities, strings that are too long. */
  readonly cleaned: number
  /** @returns undefined, or why nothing of the message can be used. Never throws, whatever the bytes. */
  decode(payload: Buffer, arrival: Readonly<Arrival>, emit: SampleSink): Refusal | undefined
}

export interface Codec {
  readonly name: CodecName
  /** Samples that one message can carry. */
  readonly maxSamples: number
  encoder(): Encoder
  decoder(table: SeriesTable): Decoder
  /**
   * The same message for a later moment: a copy with another standing, or the message itself where the format has no place for one. What was
   * true when a message was made and kept is not when it is sent.
   */
  restamp(message: Buffer, standing: Readonly<Standing>): Buffer
}
