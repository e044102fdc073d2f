import { blankHeader, type MessageHeader } from '../codec/codec.ts'

/** One life of a publisher, as the servers know it: this process's, or one that an earlier process left unfinished. */
export interface Run {
  /** Of its next message; its standing is the one that was told last, or is told next. */
  readonly header: MessageHeader
  /** An earlier life has the lower number. */
  readonly order: number
}

export function newRun(id: string, order: number): Run {
  return { header: { ...blankHeader(), run: id, seq: 0 }, order }
}

/** Counts what a source gives up after it was numbered. */
export function withdraw({ header }: Run, messages: number, samples: number): void {
  header.withdrawnMessages += messages
  header.withdrawnSamples += samples
}

/** A message with what must be known of it while it is on its way. */
export interface OutgoingMessage {
  /** Empty for the last word on a source, which is made when it is sent. */
  readonly payload: Buffer
  readonly run: Run
  readonly seq: number
  /** How many samples were numbered before its own. */
  readonly firstSample: number
  /** How many samples it carries: none for one that only says "I am alive". */
  readonly samples: number
  /** When it was made, µs since the epoch. */
  readonly madeAt: number
  /** The same by a timer that no setting of the clock moves (`ticks`), µs. */
  readonly madeAtTicks: number
  /** It stands in the journal under this number. */
  record?: number | undefined
}

/** The message that says that nothing more of a source is to come. */
export function lastWord(source: Run, madeAt: number, madeAtTicks: number): OutgoingMessage {
  const { seq, firstSample } = source.header
  return { payload: Buffer.alloc(0), run: source, seq, firstSample, samples: 0, madeAt, madeAtTicks }
}

export function isLastWord({ payload }: OutgoingMessage): boolean {
  return payload.length === 0
}

/** µs since the machine started: the same for all its processes, and moved by no setting of the clock. */
export function ticks(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e6 + Math.floor(nanoseconds / 1000)
}
