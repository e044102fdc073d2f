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
  /** The position of its last message among the messages of all runs. */
  heardAt: number
  /** A message of it has arrived since its last checkpoint. */
  heard: boolean
  /** When its last checkpoint was made, ms since the epoch. */
  checkpointAtMs: number
}

/** A checkpoint as Redis keeps it: a line of JSON for each run, so that an operator can read it. */
interface Checkpoint {
  readonly next: number
  readonly nextSample: number
  readonly withdrawn: readonly [messages: number, samples: number]
  readonly credit: readonly [messages: number, samples: number]
  /** `[from, to, firstSample, endSample, certain]` */
  readonly gaps: ReadonlyArray<readonly [number, number, number, number, 0 | 1]>
  /** The last checkpoint of a process that stopped in order: everything that arrived is in it. */
  readonly clean: boolean
  readonly heardAtMs: number
}

/** @param clean that nothing of the run will be taken in after this */
export function writeCheckpoint(state: Readonly<RunState>, clean: boolean): string {
  const checkpoint: Checkpoint = {
    next: state.next,
    nextSample: state.nextSample,
    withdrawn: [state.withdrawnMessages, state.withdrawnSamples],
    credit: [state.creditMessages, state.creditSamples],
    gaps: state.gaps.map((gap) => [gap.from, gap.to, gap.firstSample, gap.endSample, gap.certain ? 1 : 0]),
    clean: clean && state.certain,
    heardAtMs: state.checkpointAtMs,
  }
  return JSON.stringify(checkpoint)
}

/** @returns undefined when the text is not a checkpoint: any client may write to Redis */
export function readCheckpoint(text: string): RunState | undefined {
  const checkpoint = parse(text)
  if (checkpoint === undefined) return undefined
  return {
    next: checkpoint.next,
    nextSample: checkpoint.nextSample,
    certain: checkpoint.clean,
    withdrawnMessages: checkpoint.withdrawn[0],
    withdrawnSamples: checkpoint.withdrawn[1],
    creditMessages: checkpoint.credit[0],
    creditSamples: checkpoint.credit[1],
    // A process that went on after this checkpoint may have stored what is missing in it.
    gaps: checkpoint.gaps.map(([from, to, firstSample, endSample, certain]) => ({
      ...{ from, to, firstSample, endSample, certain: checkpoint.clean && certain === 1 },
    })),
    heardAt: 0,
    heard: false,
    checkpointAtMs: checkpoint.heardAtMs,
  }
}

function parse(text: string): Checkpoint | undefined {
  try {
    const checkpoint = JSON.parse(text) as Checkpoint
    const { next, nextSample, withdrawn, credit, gaps, heardAtMs } = checkpoint
    const numbers = [next, nextSample, ...withdrawn, ...credit, ...gaps.flat(), heardAtMs]
    const isShaped = withdrawn.length === 2 && credit.length === 2 && gaps.every((gap) => gap.length === 5)
    return isShaped && numbers.every((number) => Number.isSafeInteger(number) && number >= 0) ? checkpoint : undefined
  } catch {
    return undefined
  }
}
