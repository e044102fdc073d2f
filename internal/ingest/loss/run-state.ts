import type { MessageHeader } from '../../codec/codec.ts'
import { canCarry } from './believable.ts'

/**
 * Messages of a run that have not arrived: seqs `[from, to)`, and the numbers of the samples in them, `[firstSample,
 * endSample)`.
 */
export interface Gap {
  readonly from: number
  readonly to: number
  readonly firstSample: number
  readonly endSample: number
  /** False where an earlier process may have stored them and was killed before its next checkpoint. */
  readonly certain: boolean
}

export interface ClosingGap extends Gap {
  /** When the run let it go, ms of a monotonic clock. */
  readonly sinceMs: number
}

/** What this server knows about the numbers of one run. */
export interface RunState {
  /** The seq that should come next, and the samples that should have been numbered before it. */
  next: number
  nextSample: number
  /** False until the first message after a process was killed. Messages missing before it may have arrived. */
  certain: boolean
  /** What the run says that it has withdrawn since it began. */
  withdrawnMessages: number
  withdrawnSamples: number
  /** Those of them that were not subtracted from a gap yet. */
  creditMessages: number
  creditSamples: number
  /** Ascending, without overlaps. */
  gaps: Gap[]
  /** Gaps that the run has let go, where the broker may still deliver what it keeps of them (streams). */
  closing: ClosingGap[]
  /** The newest send time of its messages, µs since the epoch; 0 where they have none, Infinity where unknown. */
  sentAtUs: number
  /** The newest messages whose numbers are believed only if the next message goes on from there. */
  doubted: MessageHeader[]
  /** The position of its last message among the messages of all runs. */
  heardAt: number
  /** A message of it has arrived since its last checkpoint. */
  heard: boolean
  /** When its last checkpoint was made, ms since the epoch. */
  checkpointAtMs: number
}

/**
 * What is known of a run of which nothing but this message was heard. What it holds may still come.
 *
 * @param certain false where another server may have had messages of the run before: fresh messages pass those that are
 *   held, so it may have taken some from the middle
 */
export function newRunState(header: Readonly<MessageHeader>, sentAtUs: number, certain: boolean): RunState {
  const { seq, firstSample, heldFrom, heldFirstSample, withdrawnMessages, withdrawnSamples } = header
  const held = { from: heldFrom, to: seq, firstSample: heldFirstSample, endSample: firstSample, certain }
  // One literal, and not of several that are spread: V8 then keeps the fields in the object, in half of the memory.
  return {
    next: seq,
    nextSample: firstSample,
    certain: true,
    withdrawnMessages,
    withdrawnSamples,
    creditMessages: 0,
    creditSamples: 0,
    gaps: heldFrom < seq ? [held] : [],
    closing: [],
    sentAtUs,
    doubted: [],
    heardAt: 0,
    heard: true,
    checkpointAtMs: 0,
  }
}

/** A checkpoint as Redis keeps it: a line of JSON for each run, so that an operator can read it. */
interface Checkpoint {
  readonly next: number
  readonly nextSample: number
  readonly withdrawn: readonly [messages: number, samples: number]
  readonly credit: readonly [messages: number, samples: number]
  /** `[from, to, firstSample, endSample, certain]` */
  readonly gaps: ReadonlyArray<readonly [number, number, number, number, 0 | 1]>
  /** How many of the gaps, from the first on, the run has let go; missing in older checkpoints. */
  readonly letGo?: number
  /** The last checkpoint of a process that stopped in order: everything that arrived is in it. */
  readonly clean: boolean
  readonly heardAtMs: number
  /** As `RunState.sentAtUs`; missing in older checkpoints. */
  readonly sentAtUs?: number
}

/** @param clean that nothing of the run will be taken in after this */
export function writeCheckpoint(state: Readonly<RunState>, clean: boolean): string {
  const checkpoint: Checkpoint = {
    next: state.next,
    nextSample: state.nextSample,
    withdrawn: [state.withdrawnMessages, state.withdrawnSamples],
    credit: [state.creditMessages, state.creditSamples],
    gaps: [...state.closing, ...state.gaps].map((gap) => [
      gap.from,
      gap.to,
      gap.firstSample,
      gap.endSample,
      gap.certain ? 1 : 0,
    ]),
    ...(state.closing.length === 0 ? {} : { letGo: state.closing.length }),
    clean: clean && state.certain,
    heardAtMs: state.checkpointAtMs,
    ...(state.sentAtUs === Infinity ? {} : { sentAtUs: state.sentAtUs }),
  }
  return JSON.stringify(checkpoint)
}

/**
 * @param nowMs of a monotonic clock
 * @returns undefined when the text is not a checkpoint: any client may write to Redis
 */
export function readCheckpoint(text: string, nowMs: number): RunState | undefined {
  const checkpoint = parse(text)
  if (checkpoint === undefined) return undefined
  // A process that went on after this checkpoint may have stored what is missing in it.
  const gaps = checkpoint.gaps.map(([from, to, firstSample, endSample, certain]) => ({
    ...{ from, to, firstSample, endSample, certain: checkpoint.clean && certain === 1 },
  }))
  const { letGo = 0 } = checkpoint
  return {
    next: checkpoint.next,
    nextSample: checkpoint.nextSample,
    certain: checkpoint.clean,
    withdrawnMessages: checkpoint.withdrawn[0],
    withdrawnSamples: checkpoint.withdrawn[1],
    creditMessages: checkpoint.credit[0],
    creditSamples: checkpoint.credit[1],
    gaps: gaps.slice(letGo),
    closing: gaps.slice(0, letGo).map((gap) => ({ ...gap, sinceMs: nowMs })),
    // Then a message of the run before it cannot be told from a new run of the same name.
    sentAtUs: checkpoint.sentAtUs ?? Infinity,
    doubted: [],
    heardAt: 0,
    heard: false,
    checkpointAtMs: checkpoint.heardAtMs,
  }
}

function parse(text: string): Checkpoint | undefined {
  try {
    const checkpoint = JSON.parse(text) as Checkpoint
    const { next, nextSample, withdrawn, credit, gaps, heardAtMs, sentAtUs = 0, letGo = 0 } = checkpoint
    const numbers = [next, nextSample, ...withdrawn, ...credit, ...gaps.flat(), heardAtMs, sentAtUs, letGo]
    const isShaped = withdrawn.length === 2 && credit.length === 2 && gaps.every(isGap)
    return isShaped && numbers.every((number) => Number.isSafeInteger(number) && number >= 0) ? checkpoint : undefined
  } catch {
    return undefined
  }
}

function isGap(gap: Checkpoint['gaps'][number]): boolean {
  const [from, to, firstSample, endSample] = gap
  return gap.length === 5 && canCarry(to - from, endSample - firstSample)
}

export function samplesIn({ firstSample, endSample }: Gap): number {
  return Math.max(0, endSample - firstSample)
}

/**
 * Takes a message out of the gap that it is missing in. What is left of the gap stays in its place.
 *
 * @returns whether it was missing
 */
export function fillGap<G extends Gap>(gaps: G[], { seq, firstSample, sampleCount }: Readonly<MessageHeader>): boolean {
  const index = gaps.findIndex((gap) => gap.from <= seq && seq < gap.to)
  const gap = gaps[index]
  if (gap === undefined) return false
  // Numbers that do not fit into the gap make it no larger than it is.
  const begin = within(gap, firstSample)
  const end = within(gap, firstSample + sampleCount)
  const rest: G[] = [
    { ...gap, to: seq, endSample: begin },
    { ...gap, from: seq + 1, firstSample: end },
  ]
  gaps.splice(index, 1, ...rest.filter(({ from, to }) => from < to))
  return true
}

/** The number of a sample, or the end of the gap that is nearest to it. */
export function within({ firstSample, endSample }: Gap, sample: number): number {
  return Math.max(firstSample, Math.min(endSample, sample))
}
