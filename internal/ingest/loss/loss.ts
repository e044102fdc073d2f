import { type MessageHeader, NOTHING_MORE } from '../../codec/codec.ts'
import { after, contradictsItself, goesOn, isRestart, mayBeLost, sendTime } from './believable.ts'
import {
  fillGap,
  type Gap,
  newRunState,
  type RunState,
  readCheckpoint,
  samplesIn,
  within,
  writeCheckpoint,
} from './run-state.ts'

/** The most gaps of one run that are kept open. Of more, the oldest is counted as lost. */
const MAX_GAPS = 64
/** The most messages of one run that are doubted at a time. */
const MAX_DOUBTED = 64

/** What a run did that no run should; for the log. */
export type RunOddity = 'doubted' | 'restarted' | 'leapt'

export interface LossOptions {
  /** Runs whose numbers are kept; of more, those that have been quiet the longest are forgotten. 100,000 by default, 0.5 KB each by `scripts/series-memory.mjs`. */
  readonly maxRuns?: number
  /**
   * The broker keeps what is not acked, and delivers it again (streams). A gap closes only once `settle` says that
   * nothing of it is left there.
   */
  readonly kept?: boolean
  /**
   * Whether messages may be lost that no gap shows: for a run that is first heard in its middle, and for what came
   * after the last checkpoint of a process that was killed. True by default; false where the broker has them all.
   */
  readonly mayMiss?: () => boolean
  readonly onOddity?: (oddity: RunOddity, header: Readonly<MessageHeader>) => void
  /** A monotonic clock, ms. */
  readonly nowMs?: () => number
}

/**
 * Finds which samples never arrived, by the numbers in the messages of each run.
 *
 * A seq that comes too early leaves a gap. A message that comes late fills its place in the gap; one that is neither
 * next nor missing is a duplicate, or the run has begun anew under the same name. A gap closes once the run says, by
 * `heldFrom`, that it will not send those messages any more: what the run says that it **withdrew** is subtracted, and
 * the rest is **lost**. Counting begins with the first message of a run and with what the run still held then. The next
 * process goes on from the checkpoints that this one leaves.
 *
 * If the previous process was killed, the samples that it stored after its last checkpoint look lost. So losses from
 * before the first message after it are counted separately, as lost **at most**.
 *
 * Anybody may send any number. `believable.ts` says which are believed.
 */
export class LossTracker {
  readonly #runs = new Map<string, RunState>()
  readonly #options: Required<LossOptions>
  /** Other servers take messages of the same runs. */
  #isShared = false
  #forgotten: string[] = []
  #observed = 0
  /** Samples that will not arrive, and the messages that they were in. */
  lostSamples = 0
  lostMessages = 0
  /** Samples that may be lost in addition: those missing from before the first message after a process was killed. */
  lostSamplesAtMost = 0
  lostMessagesAtMost = 0
  /** Never sent: their runs dropped them, and count them as dropped. */
  withdrawnSamples = 0
  withdrawnMessages = 0
  /** What arrived before. Writing it again changes nothing. */
  duplicateSamples = 0
  duplicateMessages = 0
  /** Messages without a seq, whose loss cannot be known. */
  unnumberedMessages = 0
  /** Messages whose numbers were not believed when they arrived. */
  doubtedMessages = 0
  /** Runs that began anew under the same name. */
  restartedRuns = 0
  /** Runs whose loss is unknown: first heard in their middle. */
  runsMetLate = 0
  /** Runs whose loss is unknown: their numbers leapt ahead by more than can be lost, and went on from there. */
  runsLeapt = 0

  constructor(options: LossOptions = {}) {
    this.#options = {
      ...{ maxRuns: 100_000, kept: false, mayMiss: () => true, onOddity: () => {}, nowMs: () => performance.now() },
      ...options,
    }
  }

  /** Samples that have not arrived, and that may still come. */
  get missingSamples(): number {
    let samples = 0
    for (const { gaps, closing } of this.#runs.values()) {
      for (const gap of gaps) samples += samplesIn(gap)
      for (const gap of closing) samples += samplesIn(gap)
    }
    return samples
  }

  /**
   * @param redelivered whether the broker says that it delivered the message before
   * @param nowUs µs since the epoch
   */
  observe(header: Readonly<MessageHeader>, redelivered = false, nowUs = Date.now() * 1000): void {
    const isNumbered = header.run !== '' && header.seq >= 0
    if (redelivered) this.#duplicate(header)
    if (!isNumbered && !this.#options.kept) this.unnumberedMessages++
    if (!isNumbered || this.#isShared) return
    if (contradictsItself(header)) {
      this.#doubt(header)
      return
    }
    const sentAtUs = sendTime(header, nowUs)
    const state = this.#stateOf(header, sentAtUs, redelivered)
    const isAhead = header.seq >= state.next
    if (isAhead && !this.#believe(state, header)) return
    state.heardAt = ++this.#observed
    state.heard = true
    this.#credit(state, header)
    if (isAhead) this.#advance(state, header, sentAtUs)
    // The end marker of a run that was killed comes from the next run, which does not know how far it got.
    else if (header.heldFrom <= header.seq && !wasMissing(state, header) && !redelivered) this.#duplicate(header)
    this.#giveUp(state, header)
  }

  /**
   * The broker has nothing left that it was given before this moment: gaps that were let go before it are closed.
   *
   * @param beforeMs of the clock of `nowMs`
   */
  settle(beforeMs: number): void {
    for (const state of this.#runs.values()) {
      while (state.closing[0] !== undefined && state.closing[0].sinceMs <= beforeMs) {
        this.#close(state, state.closing.shift()!)
      }
    }
  }

  /** Other servers take messages of the same runs: from now on nobody knows which of them are missing. */
  share(): void {
    this.#isShared = true
    this.#forgotten.push(...this.#runs.keys())
    this.#runs.clear()
  }

  /**
   * Checkpoints by run id: of the runs heard since the last call, or of all.
   *
   * @param clean that nothing more is taken in; otherwise this process may still be killed
   */
  checkpoints(of: 'heard' | 'all', clean: boolean, nowMs: number): Map<string, string> {
    const checkpoints = new Map<string, string>()
    for (const [run, state] of this.#runs) {
      if (state.heard) state.checkpointAtMs = nowMs
      if (state.heard || of === 'all') checkpoints.set(run, writeCheckpoint(state, clean))
      state.heard = false
    }
    return checkpoints
  }

  /**
   * Goes on from the checkpoints of an earlier process. To be called before the first message.
   *
   * @param oldestMs runs last heard before this are left out, ms since the epoch
   * @returns the runs left out: those that are too old, those whose checkpoint cannot be read, and the quietest of too
   *   many
   */
  restore(checkpoints: ReadonlyMap<string, string>, oldestMs = 0): string[] {
    const states: Array<[string, RunState]> = []
    for (const [run, checkpoint] of checkpoints) {
      const state = readCheckpoint(checkpoint, this.#options.nowMs())
      if (state !== undefined && state.checkpointAtMs >= oldestMs) states.push([run, state])
    }
    states.sort(([, a], [, b]) => b.checkpointAtMs - a.checkpointAtMs)
    for (const [run, state] of states.slice(0, this.#options.maxRuns)) this.#runs.set(run, state)
    return [...checkpoints.keys()].filter((run) => !this.#runs.has(run))
  }

  /**
   * Runs that were forgotten since the last call because there were too many. Their checkpoints are no longer needed.
   */
  takeForgotten(): string[] {
    const forgotten = this.#forgotten
    this.#forgotten = []
    return forgotten
  }

  /** What is known of the run of a message; of a run that begins anew, nothing but this message. */
  #stateOf(header: Readonly<MessageHeader>, sentAtUs: number, redelivered: boolean): RunState {
    const state = this.#runs.get(header.run)
    if (state !== undefined && (redelivered || !isRestart(state, header, sentAtUs))) return state
    if (state !== undefined) {
      this.restartedRuns++
      this.#options.onOddity('restarted', header)
      this.#closeAll(state)
    }
    return this.#meet(header, sentAtUs)
  }

  #meet(header: Readonly<MessageHeader>, sentAtUs: number): RunState {
    const { run, seq, heldFrom } = header
    if (this.#runs.size >= this.#options.maxRuns && !this.#runs.has(run)) this.#forgetQuietest()
    // Nobody knows what became of the messages before.
    const isMetLate = Math.min(seq, heldFrom) > 0 && this.#options.mayMiss()
    if (isMetLate) this.runsMetLate++
    const state = newRunState(header, sentAtUs, !isMetLate)
    this.#runs.set(run, state)
    return state
  }

  /** Whether a message may be where it says that its run is. If the message before was doubted, this one may confirm it. */
  #believe(state: RunState, header: Readonly<MessageHeader>): boolean {
    // Nothing follows an end marker that could confirm it.
    if (goesOn(state, header) || (header.heldFrom === NOTHING_MORE && mayBeLost(state, header))) return true
    const confirmed = state.doubted.findLast((doubted) => goesOn(after(doubted), header))
    if (confirmed === undefined) {
      if (state.doubted.push({ ...header }) > MAX_DOUBTED) state.doubted.shift()
      this.#doubt(header)
      return false
    }
    if (mayBeLost(state, confirmed)) this.#advance(state, confirmed, 0)
    else {
      this.runsLeapt++
      this.#options.onOddity('leapt', header)
      this.#closeAll(state)
      Object.assign(state, after(confirmed), { doubted: [] })
    }
    return true
  }

  #doubt(header: Readonly<MessageHeader>): void {
    this.doubtedMessages++
    this.#options.onOddity('doubted', header)
  }

  /**
   * Notes what the run has withdrawn since its last message. A run says so no later than in the message whose
   * `heldFrom` passes it. A run may withdraw a message because the broker did not answer, though the message had
   * arrived. That one is subtracted from a later loss, so that received and lost still add up to what was sent.
   */
  #credit(state: RunState, { withdrawnMessages, withdrawnSamples }: Readonly<MessageHeader>): void {
    if (withdrawnMessages <= state.withdrawnMessages) return
    state.creditMessages += withdrawnMessages - state.withdrawnMessages
    state.creditSamples += Math.max(0, withdrawnSamples - state.withdrawnSamples)
    state.withdrawnMessages = withdrawnMessages
    state.withdrawnSamples = withdrawnSamples
  }

  #advance(state: RunState, header: Readonly<MessageHeader>, sentAtUs: number): void {
    const { seq, firstSample } = header
    if (seq > state.next) {
      const { next: from, nextSample, certain } = state
      state.gaps.push({ from, to: seq, firstSample: nextSample, endSample: firstSample, certain })
      // They did arrive.
      for (const doubted of state.doubted) fillGap(state.gaps, doubted)
      if (state.gaps.length > MAX_GAPS) this.#close(state, state.gaps.shift()!)
    }
    state.next = seq + 1
    state.nextSample = firstSample + header.sampleCount
    state.certain = true
    state.sentAtUs = state.sentAtUs === Infinity ? sentAtUs : Math.max(state.sentAtUs, sentAtUs)
  }

  #giveUp(state: RunState, { heldFrom, heldFirstSample }: Readonly<MessageHeader>): void {
    while (state.gaps[0] !== undefined && state.gaps[0].to <= heldFrom) this.#letGo(state, state.gaps.shift()!)
    const cut = state.gaps[0]
    if (cut !== undefined && cut.from < heldFrom) {
      const middle = within(cut, heldFirstSample)
      this.#letGo(state, { ...cut, to: heldFrom, endSample: middle })
      state.gaps[0] = { ...cut, from: heldFrom, firstSample: middle }
    }
  }

  /** The run will not send any more of the gap. */
  #letGo(state: RunState, gap: Gap): void {
    const { kept, nowMs } = this.#options
    if (kept) state.closing.push({ ...gap, sinceMs: nowMs() })
    else this.#close(state, gap)
  }

  #closeAll(state: RunState): void {
    for (const gap of state.closing.splice(0)) this.#close(state, gap)
    for (const gap of state.gaps.splice(0)) this.#close(state, gap)
  }

  /** Nothing more of the gap will arrive: samples that were not withdrawn are lost. */
  #close(state: RunState, gap: Gap): void {
    const messages = gap.to - gap.from
    const samples = samplesIn(gap)
    const withdrawnMessages = Math.min(messages, state.creditMessages)
    const withdrawnSamples = Math.min(samples, state.creditSamples)
    state.creditMessages -= withdrawnMessages
    state.creditSamples -= withdrawnSamples
    this.withdrawnMessages += withdrawnMessages
    this.withdrawnSamples += withdrawnSamples
    if (gap.certain) {
      this.lostMessages += messages - withdrawnMessages
      this.lostSamples += samples - withdrawnSamples
    } else if (this.#options.mayMiss()) {
      this.lostMessagesAtMost += messages - withdrawnMessages
      this.lostSamplesAtMost += samples - withdrawnSamples
    }
  }

  #duplicate({ sampleCount }: Readonly<MessageHeader>): void {
    this.duplicateMessages++
    this.duplicateSamples += sampleCount
  }

  /** Forgets a tenth of all at once. One at a time, each message of a new run would sort all of them. */
  #forgetQuietest(): void {
    const byQuiet = [...this.#runs].sort(([, a], [, b]) => a.heardAt - b.heardAt)
    for (const [run, state] of byQuiet.slice(0, Math.ceil(this.#options.maxRuns / 10))) {
      this.#closeAll(state)
      this.#runs.delete(run)
      this.#forgotten.push(run)
    }
  }
}

/** Takes a message out of the gap that it was missing in, if any. */
function wasMissing({ gaps, closing }: RunState, header: Readonly<MessageHeader>): boolean {
  return fillGap(gaps, header) || fillGap(closing, header)
}
