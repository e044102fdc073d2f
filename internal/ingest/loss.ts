import type { MessageHeader } from '../codec/codec.ts'

/** Messages of one source that have not come yet: seqs `[from, to)`, and the numbers of the samples in them, `[firstSample, endSample)`. */
interface Gap {
  readonly from: number
  readonly to: number
  /** UNKNOWN at the beginning of what a source held when it was first seen. */
  readonly firstSample: number
  readonly endSample: number
}

const UNKNOWN = -1

interface SourceState {
  /** The seq that should come next, and the samples that should have been sent before it. */
  next: number
  nextSample: number
  /** Which message of all was its last. */
  heardAt: number
  /** Ascending, apart from each other. */
  readonly gaps: Gap[]
}

/** Holes that one source may have open. Beyond it the oldest is counted as lost: 64 outages at once are not held together by hope. */
const MAX_GAPS = 64

/**
 * Finds what never arrived, by the numbers in the messages of each source.
 *
 * A seq that comes too early leaves a gap; a message that comes late fills its place in it, and one that is neither next nor missing
 * is a duplicate. A gap is **lost** only once the source says, by `heldFrom`, that it will not send it any more. Counting begins with the
 * first message seen of a source and what that source still holds: what a server missed before it started is not known to it.
 */
export class LossTracker {
  readonly #sources = new Map<string, SourceState>()
  readonly #maxSources: number
  #observed = 0
  /** Samples that are gone for good, and the messages that they were in. */
  lostSamples = 0
  lostMessages = 0
  /** What came twice: written again, it changes nothing. */
  duplicateSamples = 0
  duplicateMessages = 0
  /** Messages without a seq: nothing can be said of their loss. */
  unnumberedMessages = 0

  constructor(maxSources = 10_000) {
    this.#maxSources = maxSources
  }

  /** Samples that may still come. */
  get missingSamples(): number {
    let samples = 0
    for (const { gaps } of this.#sources.values()) for (const gap of gaps) samples += samplesIn(gap)
    return samples
  }

  observe(header: Readonly<MessageHeader>): void {
    if (header.source === '' || header.seq < 0) {
      this.unnumberedMessages++
      return
    }
    const state = this.#sources.get(header.source) ?? this.#meet(header)
    state.heardAt = ++this.#observed
    if (header.seq >= state.next) this.#advance(state, header)
    else this.#fill(state, header)
    this.#giveUp(state, header.heldFrom)
  }

  #meet({ source, seq, firstSample, heldFrom }: Readonly<MessageHeader>): SourceState {
    if (this.#sources.size >= this.#maxSources) this.#forgetQuietest()
    const state: SourceState = { next: seq, nextSample: firstSample, heardAt: 0, gaps: [] }
    // What the source held for a server to come is not missing yet, but how many samples it is shows only as it arrives.
    if (heldFrom < seq) state.gaps.push({ from: heldFrom, to: seq, firstSample: UNKNOWN, endSample: firstSample })
    this.#sources.set(source, state)
    return state
  }

  #advance(state: SourceState, { seq, firstSample, sampleCount }: Readonly<MessageHeader>): void {
    if (seq > state.next) {
      state.gaps.push({ from: state.next, to: seq, firstSample: state.nextSample, endSample: firstSample })
      if (state.gaps.length > MAX_GAPS) this.#lose(state.gaps.shift()!)
    }
    state.next = seq + 1
    state.nextSample = firstSample + sampleCount
  }

  #fill(state: SourceState, { seq, firstSample, sampleCount }: Readonly<MessageHeader>): void {
    const index = state.gaps.findIndex((gap) => gap.from <= seq && seq < gap.to)
    const gap = state.gaps[index]
    if (gap === undefined) {
      this.duplicateMessages++
      this.duplicateSamples += sampleCount
      return
    }
    const before: Gap = { ...gap, to: seq, endSample: firstSample }
    const after: Gap = { ...gap, from: seq + 1, firstSample: firstSample + sampleCount }
    state.gaps.splice(index, 1, ...[before, after].filter(({ from, to }) => from < to))
    // Samples in no message that may still come were in those given up before.
    if (before.from === before.to) this.lostSamples += samplesIn(before)
  }

  #giveUp(state: SourceState, heldFrom: number): void {
    while (state.gaps[0] !== undefined && state.gaps[0].to <= heldFrom) this.#lose(state.gaps.shift()!)
    const cut = state.gaps[0]
    if (cut === undefined || cut.from >= heldFrom) return
    // How many samples were in the part that is given up shows when the message after it comes, or the rest is given up too.
    this.lostMessages += heldFrom - cut.from
    state.gaps[0] = { ...cut, from: heldFrom }
  }

  #lose(gap: Gap): void {
    this.lostMessages += gap.to - gap.from
    this.lostSamples += samplesIn(gap)
  }

  /** A tenth of all at once, so that strangers in any number do not make each message search through them. */
  #forgetQuietest(): void {
    const byQuiet = [...this.#sources].sort(([, a], [, b]) => a.heardAt - b.heardAt)
    for (const [source, { gaps }] of byQuiet.slice(0, Math.ceil(this.#maxSources / 10))) {
      for (const gap of gaps) this.#lose(gap)
      this.#sources.delete(source)
    }
  }
}

function samplesIn({ firstSample, endSample }: Gap): number {
  return firstSample === UNKNOWN ? 0 : Math.max(0, endSample - firstSample)
}
