import type { MessageHeader } from '../../codec/codec.ts'
import { type Gap, type RunState, readCheckpoint, writeCheckpoint } from './run-state.ts'

/** The most gaps of one run that are kept open. Of more, the oldest is counted as lost. */
const MAX_GAPS = 64

export interface LossOptions {
  /** Runs whose numbers are kept; of more, those that have been quiet the longest are forgotten. 10,000 by default. */
  readonly maxRuns?: number
  /**
   * Several servers share the messages of each run, and the broker keeps what is not acked (streams). A number that is
   * missing here may be at another server, so only what is delivered once more is counted, as a duplicate.
   */
  readonly shared?: boolean
}

/**
 * Finds which samples never arrived, by the numbers in the messages of each run.
 *
 * A seq that comes too early leaves a gap. A message that comes late fills its place in the gap; one that is neither
 * next nor missing is a duplicate. A gap closes once the run says, by `heldFrom`, that it will not send those messages
 * any more: what the run says that it **withdrew** is subtracted, and the rest is **lost**. Counting begins with the
 * first message of a run and with what the run still held then. The next process goes on from the checkpoints that this
 * one leaves.
 *
 * If the previous process was killed, the samples that it stored after its last checkpoint look lost. So losses from
 * before the first message after it are counted separately, as lost **at most**.
 */
export class LossTracker {
  readonly #runs = new Map<string, RunState>()
  readonly #maxRuns: number
  readonly #shared: boolean
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

  constructor({ maxRuns = 10_000, shared = false }: LossOptions = {}) {
    this.#maxRuns = maxRuns
    this.#shared = shared
  }

  /** Samples that have not arrived, and that their runs may still send. */
  get missingSamples(): number {
    let samples = 0
    for (const { gaps } of this.#runs.values()) for (const gap of gaps) samples += samplesIn(gap)
    return samples
  }

  /** @param redelivered whether the broker says that it delivered the message before */
  observe(header: Readonly<MessageHeader>, redelivered = false): void {
    if (this.#shared) {
      if (redelivered) this.#duplicate(header)
      return
    }
    if (header.run === '' || header.seq < 0) {
      this.unnumberedMessages++
      return
    }
    const state = this.#runs.get(header.run) ?? this.#meet(header)
    state.heardAt = ++this.#observed
    state.heard = true
    this.#credit(state, header)
    if (header.seq >= state.next) this.#advance(state, header)
    // The end marker of a run that was killed comes from the next run, which does not know how far it got.
    else if (header.heldFrom <= header.seq) this.#fill(state, header)
    this.#giveUp(state, header)
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
      const state = readCheckpoint(checkpoint)
      if (state !== undefined && state.checkpointAtMs >= oldestMs) states.push([run, state])
    }
    states.sort(([, a], [, b]) => b.checkpointAtMs - a.checkpointAtMs)
    for (const [run, state] of states.slice(0, this.#maxRuns)) this.#runs.set(run, state)
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

  #meet({ run, seq, firstSample, ...header }: Readonly<MessageHeader>): RunState {
    if (this.#runs.size >= this.#maxRuns) this.#forgetQuietest()
    const state: RunState = {
      ...{ next: seq, nextSample: firstSample, certain: true, gaps: [] },
      ...{ withdrawnMessages: header.withdrawnMessages, withdrawnSamples: header.withdrawnSamples },
      ...{ creditMessages: 0, creditSamples: 0, heardAt: 0, heard: true, checkpointAtMs: 0 },
    }
    // What the run has held since before this server listened may still come.
    if (header.heldFrom < seq) {
      state.gaps.push({
        ...{ from: header.heldFrom, to: seq, firstSample: header.heldFirstSample, endSample: firstSample },
        certain: true,
      })
    }
    this.#runs.set(run, state)
    return state
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

  #advance(state: RunState, { seq, firstSample, sampleCount }: Readonly<MessageHeader>): void {
    if (seq > state.next) {
      const { next: from, nextSample, certain } = state
      state.gaps.push({ from, to: seq, firstSample: nextSample, endSample: firstSample, certain })
      if (state.gaps.length > MAX_GAPS) this.#close(state, state.gaps.shift()!)
    }
    state.next = seq + 1
    state.nextSample = firstSample + sampleCount
    state.certain = true
  }

  #fill(state: RunState, header: Readonly<MessageHeader>): void {
    const { seq, firstSample, sampleCount } = header
    const index = state.gaps.findIndex((gap) => gap.from <= seq && seq < gap.to)
    const gap = state.gaps[index]
    if (gap === undefined) {
      this.#duplicate(header)
      return
    }
    const before: Gap = { ...gap, to: seq, endSample: firstSample }
    const after: Gap = { ...gap, from: seq + 1, firstSample: firstSample + sampleCount }
    state.gaps.splice(index, 1, ...[before, after].filter(({ from, to }) => from < to))
  }

  #giveUp(state: RunState, { heldFrom, heldFirstSample }: Readonly<MessageHeader>): void {
    while (state.gaps[0] !== undefined && state.gaps[0].to <= heldFrom) this.#close(state, state.gaps.shift()!)
    const cut = state.gaps[0]
    if (cut !== undefined && cut.from < heldFrom) {
      this.#close(state, { ...cut, to: heldFrom, endSample: heldFirstSample })
      state.gaps[0] = { ...cut, from: heldFrom, firstSample: heldFirstSample }
    }
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
    } else {
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
    for (const [run, state] of byQuiet.slice(0, Math.ceil(this.#maxRuns / 10))) {
      for (const gap of state.gaps) this.#close(state, gap)
      this.#runs.delete(run)
      this.#forgotten.push(run)
    }
  }
}

function samplesIn({ firstSample, endSample }: Gap): number {
  return Math.max(0, endSample - firstSample)
}
