/** Messages of one source that have not come yet: seqs `[from, to)`, and the numbers of the samples in them, `[firstSample, endSample)`. */
export interface Gap {
  readonly from: number
  readonly to: number
  readonly firstSample: number
  readonly endSample: number
  /** False where an earlier process may have had them, and was killed before it could say so. */
  readonly certain: boolean
}

/** What is known of the numbers of one source. */
export interface RunState {
  /** The seq that should come next, and the samples that should have been numbered before it. */
  next: number
  nextSample: number
  /** False until the first message after a process that was killed: what is missing before that one may have come. */
  certain: boolean
  /** What the source says that it has withdrawn since it began. */
  withdrawnMessages: number
  withdrawnSamples: number
  /** Those of them that no gap was closed with yet. */
  creditMessages: number
  creditSamples: number
  /** Ascending, apart from each other. */
  gaps: Gap[]
  /** Which message of all was its last. */
  heardAt: number
  /** It was heard since its mark was made, and the mark's own time, ms since the epoch. */
  heard: boolean
  markedAtMs: number
}

/** A mark as it stands in Redis, a line of JSON a source, so that an operator can read it. */
interface Mark {
  readonly next: number
  readonly nextSample: number
  readonly withdrawn: readonly [messages: number, samples: number]
  readonly credit: readonly [messages: number, samples: number]
  /** `[from, to, firstSample, endSample, certain]` */
  readonly gaps: ReadonlyArray<readonly [number, number, number, number, 0 | 1]>
  /** The last word of a process that stopped in order: everything that came is in it. */
  readonly clean: boolean
  readonly heardAtMs: number
}

/** @param clean that nothing of the source will be taken in after this */
export function writeMark(state: Readonly<RunState>, clean: boolean): string {
  const mark: Mark = {
    next: state.next,
    nextSample: state.nextSample,
    withdrawn: [state.withdrawnMessages, state.withdrawnSamples],
    credit: [state.creditMessages, state.creditSamples],
    gaps: state.gaps.map((gap) => [gap.from, gap.to, gap.firstSample, gap.endSample, gap.certain ? 1 : 0]),
    clean: clean && state.certain,
    heardAtMs: state.markedAtMs,
  }
  return JSON.stringify(mark)
}

/** @returns undefined when it is none: anybody may write to Redis */
export function readMark(text: string): RunState | undefined {
  const mark = parse(text)
  if (mark === undefined) return undefined
  return {
    next: mark.next,
    nextSample: mark.nextSample,
    certain: mark.clean,
    withdrawnMessages: mark.withdrawn[0],
    withdrawnSamples: mark.withdrawn[1],
    creditMessages: mark.credit[0],
    creditSamples: mark.credit[1],
    // After the mark of a process that went on, what is missing in it may have come.
    gaps: mark.gaps.map(([from, to, firstSample, endSample, certain]) => ({
      ...{ from, to, firstSample, endSample, certain: mark.clean && certain === 1 },
    })),
    heardAt: 0,
    heard: false,
    markedAtMs: mark.heardAtMs,
  }
}

function parse(text: string): Mark | undefined {
  try {
    const mark = JSON.parse(text) as Mark
    const numbers = [mark.next, mark.nextSample, ...mark.withdrawn, ...mark.credit, ...mark.gaps.flat(), mark.heardAtMs]
    const shaped = mark.withdrawn.length === 2 && mark.credit.length === 2 && mark.gaps.every((gap) => gap.length === 5)
    return shaped && numbers.every((number) => Number.isSafeInteger(number) && number >= 0) ? mark : undefined
  } catch {
    return undefined
  }
}
