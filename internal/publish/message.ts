import { checkTransition, type Transitions } from '../lifecycle/transition.ts'
import type { Run } from './run.ts'

export type MessageState = 'made' | 'inFlight' | 'held' | 'sent' | 'withdrawn'

const TRANSITIONS: Transitions<MessageState> = {
  made: ['inFlight', 'held'],
  inFlight: ['sent', 'held', 'withdrawn'],
  held: ['inFlight', 'withdrawn'],
  sent: [],
  withdrawn: [],
}

/**
 * A message with what must be known of it until it is sent.
 *
 * | state     | means                                            | next                  |
 * |-----------|--------------------------------------------------|-----------------------|
 * | made      | it has its number                                | inFlight, held        |
 * | inFlight  | the broker has not answered                      | sent, held, withdrawn |
 * | held      | it is in the outbox, and in the journal if any   | inFlight, withdrawn   |
 * | sent      | the broker took it, and a server listens         |                       |
 * | withdrawn | it is given up, and its samples count as dropped |                       |
 *
 * Who decides:
 * - made → inFlight: `Sender.send`. Made → held: the same, when too many messages are in flight.
 * - inFlight → sent, held, withdrawn: the answer of the broker is taken, not taken now, refused for good.
 * - inFlight → held: a stop does not wait any longer for the answer.
 * - held → inFlight: it is the oldest in the outbox, and `Sender.sendHeld` sends a burst.
 * - held → withdrawn: `Outbox`, when the message is too old or has no room; and a stop without a disk to leave it on.
 *
 * What is held when the process ends stays in the journal. The next process takes it over as a held message of its own.
 */
export class OutgoingMessage {
  /** Empty for an end marker: its bytes are made when it is sent. */
  readonly payload: Buffer
  readonly run: Run
  readonly seq: number
  /** How many samples the run numbered before those of this message. */
  readonly firstSample: number
  /** How many samples it carries. A heartbeat or an end marker carries none. */
  readonly samples: number
  /** When it was made, µs since the epoch. */
  readonly madeAt: number
  /** The same by the uptime of the machine (`machineUptimeUs`). */
  readonly madeAtUptimeUs: number
  /** Its record in the journal, if it has one. */
  record: number | undefined
  #state: MessageState = 'made'

  constructor(parts: {
    readonly payload: Buffer
    readonly run: Run
    readonly seq: number
    readonly firstSample: number
    readonly samples: number
    readonly madeAt: number
    readonly madeAtUptimeUs: number
    readonly record?: number
  }) {
    this.payload = parts.payload
    this.run = parts.run
    this.seq = parts.seq
    this.firstSample = parts.firstSample
    this.samples = parts.samples
    this.madeAt = parts.madeAt
    this.madeAtUptimeUs = parts.madeAtUptimeUs
    this.record = parts.record
  }

  get state(): MessageState {
    return this.#state
  }

  get isEndMarker(): boolean {
    return this.payload.length === 0
  }

  moveTo(state: MessageState): void {
    if (checkTransition('a message', TRANSITIONS, this.#state, state)) this.#state = state
  }
}

/** The message by which a run says that nothing more follows. */
export function endMarker(run: Run, madeAt: number, madeAtUptimeUs: number): OutgoingMessage {
  const { seq, firstSample } = run.header
  return new OutgoingMessage({
    ...{ payload: Buffer.alloc(0), run, seq, firstSample, samples: 0, madeAt, madeAtUptimeUs },
  })
}
