import type { MessageHeader } from '../../codec/codec.ts'
import { type Gap, type RunState, readMark, writeMark } from './run-state.ts'

/** Holes that one source may have open. Beyond it the oldest is counted as lost: 64 outages at once are not held together by hope. */
const MAX_GAPS = 64

export interface LossOptions {
  /** Sources whose numbers are kept; beyond it the quietest are forgotten. 10,000 unless told otherwise. */
  readonly maxSources?: number
  /**
   * Several servers share the messages of each source, and the broker keeps what is not acked (streams). Then a number that is missing here says
   * nothing, and what is delivered once more is a duplicate.
   */
  readonly shared?: boolean
}

/**
 * Finds what never arrived, by the numbers in the messages of each source.
 *
 * A seq that comes too early leaves a gap; a message that comes late fills its place in it, and one that is neither next nor missing
 * is a duplicate. A gap is closed once the source says, by `heldFrom`, that it will not send it any more: what the source says that it
 * **withdrew** is then taken off, and the rest is **lost**. Counting begins with the first message seen of a source and what that source
 * still holds, and goes on in the next process from the marks that this one leaves: what a server missed before is not known to it.
 *
 * Where the process before was killed, what it had stored since its last mark looks like lost. So what is missing from before the first
 * message after it is counted apart, as lost **at most**.
 */
export class LossTracker {
  readonly #sources = new Map<string, RunState>()
  readonly #maxSources: number
  readonly #shared: boolean
  #forgotten: string[] = []
  #observed = 0
  /** Samples that are gone for good, and the messages that they were in. */
  lostSamples = 0
  lostMessages = 0
  /** No more than these, beside those. */
  lostSamplesAtMost = 0
  lostMessagesAtMost = 0
  /** Never sent: their sources gave them up, and count them as dropped. */
  withdrawnSamples = 0
  withdrawnMessages = 0
  /** What came twice: written again, it changes nothing. */
  duplicateSamples = 0
  duplicateMessages = 0
  /** Messages without a seq: nothing can be said of their loss. */
  unnumberedMessages = 0

  constructor({ maxSources = 10_000, shared = false }: LossOptions = {}) {
    this.#maxSources = maxSources
    this.#shared = shared
  }

  /** Samples that may still come. */
  get missingSamples(): number {
    let samples = 0
    for (const { gaps } of this.#sources.values()) for (const gap of gaps) samples += samplesIn(gap)
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
    const state = this.#sources.get(header.run) ?? this.#meet(header)
    state.heardAt = ++this.#observed
    state.heard = true
    this.#credit(state, header)
    if (header.seq >= state.next) this.#advance(state, header)
    // The last word on a source that has ended may come from its successor, which does not know how far it got.
    else if (header.heldFrom <= header.seq) this.#fill(state, header)
    this.#giveUp(state, header)
  }

  /**
   * What the next process must know to go on counting, a line of text a source: of those heard since this was last asked for, or of all.
   *
   * @param clean that nothing more is taken in; otherwise the marks are of a process that may be killed later
   */
  marks(of: 'heard' | 'all', clean: boolean, nowMs: number): Map<string, string> {
    const marks = new Map<string, string>()
    for (const [source, state] of this.#sources) {
      if (state.heard) state.markedAtMs = nowMs
      if (state.heard || of === 'all') marks.set(source, writeMark(state, clean))
      state.heard = false
    }
    return marks
  }

  /**
   * Goes on from the marks of an earlier process. To be called before the first message.
   *
   * @param oldestMs sources last heard before this are left out, ms since the epoch
   * @returns the sources left out: those, what is no mark, and the quietest where they are too many
   */
  restore(marks: ReadonlyMap<string, string>, oldestMs = 0): string[] {
    const states: Array<[string, RunState]> = []
    for (const [source, mark] of marks) {
      const state = readMark(mark)
      if (state !== undefined && state.markedAtMs >= oldestMs) states.push([source, state])
    }
    states.sort(([, a], [, b]) => b.markedAtMs - a.markedAtMs)
    for (const [source, state] of states.slice(0, this.#maxSources)) this.#sources.set(source, state)
    return [...marks.keys()].filter((source) => !this.#sources.has(source))
  }

  /** Sources that have become too many since this was last asked: their marks are of no use any more. */
  takeForgotten(): string[] {
    const forgotten = this.#forgotten
    this.#forgotten = []
    return forgotten
  }

  #meet({ run: source, seq, firstSample, ...header }: Readonly<MessageHeader>): RunState {
    if (this.#sources.size >= this.#maxSources) this.#forgetQuietest()
    const state: RunState = {
      ...{ next: seq, nextSample: firstSample, certain: true, gaps: [] },
      ...{ withdrawnMessages: header.withdrawnMessages, withdrawnSamples: header.withdrawnSamples },
      ...{ creditMessages: 0, creditSamples: 0, heardAt: 0, heard: true, markedAtMs: 0 },
    }
    // What the source held for a server to come is not missing yet, and may come.
    if (header.heldFrom < seq) {
      state.gaps.push({
        ...{ from: header.heldFrom, to: seq, firstSample: header.heldFirstSample, endSample: firstSample },
        certain: true,
      })
    }
    this.#sources.set(source, state)
    return state
  }

  /**
   * What was withdrawn since the newest word on it. It is told no later than by the message whose `heldFrom` passes it. What was withdrawn because
   * nobody answered, and had come all the same, pays for a loss to come: so received and lost still make up what was sent.
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

  /** Nothing of the gap will come: what was not withdrawn is lost. */
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

  /** A tenth of all at once, so that strangers in any number do not make each message search through them. */
  #forgetQuietest(): void {
    const byQuiet = [...this.#sources].sort(([, a], [, b]) => a.heardAt - b.heardAt)
    for (const [source, state] of byQuiet.slice(0, Math.ceil(this.#maxSources / 10))) {
      for (const gap of state.gaps) this.#close(state, gap)
      this.#sources.delete(source)
      this.#forgotten.push(source)
    }
  }
}

function samplesIn({ firstSample, endSample }: Gap): number {
  return Math.max(0, endSample - firstSample)
}
