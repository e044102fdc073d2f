import type { Refusal } from '../sample/border.ts'
import type { Sample, SampleSink } from '../sample/sample.ts'
import type { SeriesTable } from '../sample/series.ts'

export type CodecName = 'json' | 'packed' | 'frame'

/** What a message says of itself beside its samples. A decoder reuses one: copy what is to be kept. */
export interface MessageHeader {
  /** The source id; '' where the format has none, and then `seq` is unknown too. */
  source: string
  /** Counts the messages of one source from 0; -1 where unknown. */
  seq: number
  /** How many samples the source sent before this message. */
  firstSample: number
  /** The oldest seq that the source may still send: what is missing below it is lost. */
  heldFrom: number
  /** When the send was due, µs since the epoch; 0 where unknown. */
  sentAt: number
  sampleCount: number
}

/** What the receiver knows of a message before it is read. */
export interface Arrival {
  /** µs since the epoch. */
  receivedAt: number
  /** 0–999; becomes `tie` of the samples whose format has whole seconds only. */
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
  /** `sampleCount` of the header is ignored: the encoder knows it. */
  finish(header: Readonly<MessageHeader>): Buffer
}

/**
 * Turns messages into samples: all of a message, or none. The sample handed to `emit` is reused, as is `header`, which is whole
 * before the first `emit`. Not for concurrent use.
 */
export interface Decoder {
  readonly header: MessageHeader
  /** Values left out so far for being NaN or infinite. */
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
}
