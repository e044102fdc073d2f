import { type MessageHeader, NOTHING_MORE } from '../../codec/codec.ts'
import { MAX_FRAME_SAMPLES } from '../../codec/frame-layout.ts'

/** The numbers of a message that says where its run is. */
export type Numbers = Pick<MessageHeader, 'seq' | 'firstSample' | 'sampleCount'>

/** Where the numbers of a run should go on. */
export interface Expected {
  readonly next: number
  readonly nextSample: number
}

/**
 * A run whose numbers leap ahead by more messages than this is believed once its next message goes on from there. A
 * single message with a wrong number would otherwise count as many losses as it likes, and make duplicates of all that
 * follow.
 */
const DOUBTED_FROM = 1000
/**
 * No run is believed to have lost more messages than this at once: a day of 194 messages a second. Behind such a leap
 * its loss is unknown.
 */
const MAX_LEAP = 2 ** 24
/** A send time further ahead than this says nothing, µs. */
const MAX_AHEAD_US = 86_400_000_000

/** Whether the message goes on where its run should be, or close behind. */
export function goesOn(expected: Expected, message: Numbers): boolean {
  return leapsAtMost(DOUBTED_FROM, expected, message)
}

/** Whether what lies between may be messages of the run that were lost. */
export function mayBeLost(expected: Expected, message: Numbers): boolean {
  return leapsAtMost(MAX_LEAP, expected, message)
}

/** One message of tolerance: a message that was refused may not say how many samples it had. */
function leapsAtMost(most: number, { next, nextSample }: Expected, { seq, firstSample }: Numbers): boolean {
  const leap = seq - next
  const samples = firstSample - nextSample
  return leap >= 0 && leap <= most && samples >= -MAX_FRAME_SAMPLES && samples <= (leap + 1) * MAX_FRAME_SAMPLES
}

/** Where a run should go on behind a message. */
export function after({ seq, firstSample, sampleCount }: Numbers): Expected {
  return { next: seq + 1, nextSample: firstSample + sampleCount }
}

/** Whether so many messages can carry so many samples. */
export function canCarry(messages: number, samples: number): boolean {
  return messages >= 0 && messages <= MAX_LEAP && samples <= messages * MAX_FRAME_SAMPLES
}

/** Whether no publisher that follows docs/wire-format.md sends these numbers. */
export function contradictsItself(header: Readonly<MessageHeader>): boolean {
  const { seq, firstSample, heldFrom, heldFirstSample, withdrawnMessages, withdrawnSamples } = header
  if (withdrawnMessages > seq + MAX_LEAP || withdrawnSamples > firstSample + MAX_LEAP * MAX_FRAME_SAMPLES) return true
  if (heldFrom === NOTHING_MORE) return false
  return firstSample < heldFirstSample || !canCarry(seq - heldFrom, firstSample - heldFirstSample)
}

/** When the message was sent, µs since the epoch; 0 where it does not say, or where that cannot be. */
export function sendTime({ sentAt }: Readonly<MessageHeader>, nowUs: number): number {
  return sentAt <= nowUs + MAX_AHEAD_US ? sentAt : 0
}

/** What is known of a run before its next message. */
interface KnownRun extends Expected {
  readonly gaps: ReadonlyArray<{ readonly from: number; readonly to: number }>
  readonly closing: ReadonlyArray<{ readonly from: number; readonly to: number }>
  /** 0 where its messages have no send time. */
  readonly sentAtUs: number
}

/**
 * Whether a run begins anew under the same name with this message, as a program does that numbers from 0 after each
 * start. Its numbers go back, and it is newer than all messages before. A message that is delivered again is not newer.
 *
 * Without send times only a number 0, or one far back, is taken for a new run: a publisher may repeat its last message.
 */
export function isRestart(run: KnownRun, header: Readonly<MessageHeader>, sentAtUs: number): boolean {
  const { seq, heldFrom } = header
  if (seq >= run.next || heldFrom > seq) return false
  if ([...run.gaps, ...run.closing].some(({ from, to }) => from <= seq && seq < to)) return false
  if (sentAtUs > 0 && run.sentAtUs > 0) return sentAtUs > run.sentAtUs
  return seq === 0 ? run.next > 1 : run.next - seq > DOUBTED_FROM
}
