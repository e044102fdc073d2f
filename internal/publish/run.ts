import { blankHeader, type MessageHeader } from '../codec/codec.ts'
import { checkTransition, type Transitions } from '../lifecycle/transition.ts'

type RunState = 'running' | 'ending' | 'ended'

const TRANSITIONS: Transitions<RunState> = {
  running: ['ending'],
  ending: ['ended'],
  ended: [],
}

/**
 * One run of a publisher, as the servers know it: the run of this process, or one that an earlier process left behind.
 *
 * | state   | means                         | the journal has of it                         | next   |
 * |---------|-------------------------------|-----------------------------------------------|--------|
 * | running | numbers messages              | held messages, and its end marker in reserve  | ending |
 * | ending  | numbers no more messages      | held messages, and behind them its end marker | ended  |
 * | ended   | nothing of it is left to send | nothing                                       |        |
 *
 * Who decides:
 * - running → ending: `Publisher.stop`. When the process is killed, the next one takes the run over, and begins with
 *   `ending`.
 * - ending → ended: the broker takes its end marker (`Sender`), or `Publisher.stop` finds nothing of it held.
 *
 * An end marker may grow too old, or find no room, before a server listens. Then its run stays `ending`, and no server
 * is told of its end.
 */
export class Run {
  /** Of its next message. Its standing is the one that was sent last, or is sent next. */
  readonly header: MessageHeader
  /** The held messages of a run with a lower order are sent first: an earlier run has the lower one. */
  readonly order: number
  #state: RunState
  /** Withdrawn, in the order of their places; no server is told of them yet. */
  #untold: Array<{ readonly behindSeq: number; readonly messages: number; readonly samples: number }> = []

  constructor(id: string, order: number, state: 'running' | 'ending') {
    this.header = { ...blankHeader(), run: id, seq: 0 }
    this.order = order
    this.#state = state
  }

  get id(): string {
    return this.header.run
  }

  /** Whether it numbers messages. */
  get isRunning(): boolean {
    return this.#state === 'running'
  }

  moveTo(state: RunState): void {
    if (checkTransition('a run', TRANSITIONS, this.#state, state)) this.#state = state
  }

  /** The message of `header` is made: the next one gets the next number. */
  countMessage(samples: number): void {
    if (this.#state !== 'running') throw new Error(`run ${this.id} is ${this.#state}: it numbers no more messages`)
    this.header.seq++
    this.header.firstSample += samples
  }

  /** Counts messages that the run gives up after it numbered them. Its next message tells the servers. */
  withdraw(messages: number, samples: number): void {
    this.header.withdrawnMessages += messages
    this.header.withdrawnSamples += samples
  }

  /**
   * The same, where the messages had a place behind `seq`. The servers are told once the run has passed that place. A
   * server that first hears of the run before the place counts from there what is missing, and would not subtract what
   * it was told at the beginning.
   */
  withdrawBehind(seq: number, messages: number, samples: number): void {
    this.#untold.push({ behindSeq: seq, messages, samples })
  }

  /** The run sends nothing below this seq any more. */
  pass(seq: number): void {
    for (let next = this.#untold[0]; next !== undefined && next.behindSeq < seq; next = this.#untold[0]) {
      this.#untold.shift()
      this.withdraw(next.messages, next.samples)
    }
  }
}
