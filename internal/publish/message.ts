import { checkTransition, type Transitions } from '../lifecycle/transition.ts'
import type { Run } from './run.ts'

/** What keeps a message that a `kill -9` of this process must not take: the broker, or this process's journal. */
export type Durable = 'broker' | 'disk'

/** Neither the broker nor the disk has a message for certain. It may still arrive: sending its samples again is safe. */
export class NotDurableError extends Error {
  override readonly name = 'NotDurableError'
}

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
 *
 * Who sent a message may wait until it is durable (`onDurable`, called once): `sent` makes it so, and so does its record
 * in the journal once it is written, in whatever state the message is then (`DiskKeeper`). `withdrawn`, or a disk that
 * does not take the record, make it not durable.
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
  #onDurable: ((result: Durable | NotDurableError) => void) | undefined
  #isDurable = false

  constructor(parts: {
    readonly payload: Buffer
    readonly run: Run
    readonly seq: number
    readonly firstSample: number
    readonly samples: number
    readonly madeAt: number
    readonly madeAtUptimeUs: number
    readonly record?: number
    readonly onDurable?: ((result: Durable | NotDurableError) => void) | undefined
  }) {
    this.payload = parts.payload
    this.run = parts.run
    this.seq = parts.seq
    this.firstSample = parts.firstSample
    this.samples = parts.samples
    this.madeAt = parts.madeAt
    this.madeAtUptimeUs = parts.madeAtUptimeUs
    this.record = parts.record
    this.#onDurable = parts.onDurable
  }

  get state(): MessageState {
    return this.#state
  }

  get isEndMarker(): boolean {
    return this.payload.length === 0
  }

  /** Whether its sender waits to hear that it is durable. */
  get isAwaited(): boolean {
    return this.#onDurable !== undefined
  }

  /** Whether its sender was told that it is durable. Such a message must not be given up. */
  get isDurable(): boolean {
    return this.#isDurable
  }

  moveTo(state: MessageState): void {
    if (!checkTransition('a message', TRANSITIONS, this.#state, state)) return
    this.#state = state
    if (state === 'sent') this.settle('broker')
    else if (state === 'withdrawn') this.settle(new NotDurableError('the message was given up'))
  }

  /** Tells the sender what became of it. Only the first call counts. */
  settle(result: Durable | NotDurableError): void {
    const tell = this.#onDurable
    if (tell === undefined) return
    this.#onDurable = undefined
    this.#isDurable = !(result instanceof NotDurableError)
    tell(result)
  }
}

/** The message by which a run says that nothing more follows. */
export function endMarker(run: Run, madeAt: number, madeAtUptimeUs: number): OutgoingMessage {
  const { seq, firstSample } = run.header
  return new OutgoingMessage({
    ...{ payload: Buffer.alloc(0), run, seq, firstSample, samples: 0, madeAt, madeAtUptimeUs },
  })
}
