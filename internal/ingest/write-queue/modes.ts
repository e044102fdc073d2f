/**
 * All that can happen to what waits for the store. A batch moves on by its own machine, and so does one that is
 * `taken` out of the spool. The other five are the modes of a WriteQueue, independent of each other: what the `store`
 * did last, which batches go to the `spool`, whether the `intake` has room, what the `replay` of the spool does, and the
 * `life` of the queue. WriteQueue alone decides. In backquotes: what it tells its owner. Acks go out in the order of the
 * row.
 *
 * | of     | from                | event       | to         | when, and what follows                               |
 * |--------|---------------------|-------------|------------|------------------------------------------------------|
 * | batch  | open                | seal        | waiting    | full; or old enough, while a slot is free            |
 * | batch  | waiting             | write       | writing    | a slot is free; the oldest goes first                |
 * | batch  | writing             | store       | settled    | the store answered for good: `settled`, then `ack`   |
 * | batch  | writing             | retry       | waiting    | the store takes nothing now; or the queue closes     |
 * | batch  | writing             | postpone    | postponed  | not taken, though others are: they go first for 1 s  |
 * | batch  | postponed           | rested      | waiting    | the second is over; or the queue closes              |
 * | batch  | waiting, postponed  | spool       | spooled    | it cannot stay in memory (see `spool`, `life`)       |
 * | batch  | waiting, postponed  | drop        | settled    | the same, but a full spool drops the newest: `ack`   |
 * | batch  | spooled             | confirm     | settled    | the file system has it: `ack`                        |
 * | taken  | waiting             | write       | writing    | the window has room, and nothing fresh waits         |
 * | taken  | writing             | store       | settled    | the store answered for good: `settled`               |
 * | taken  | writing             | retry       | waiting    | the store takes nothing now                          |
 * | taken  | writing             | postpone    | waiting    | not taken, though others are: the replay rests 1 s   |
 * | store  | available           | stored, ask | available  | as many writes side by side as the store takes       |
 * | store  | available           | failed      | paused     | a write said retry or wait: `away`, no write for now |
 * | store  | paused              | failed      | paused     | so did another under way: the longer pause counts    |
 * | store  | paused              | pauseOver   | probing    | one write at a time, the probe                       |
 * | store  | paused, probing     | ask         | probing    | the owner ends the pause: new settings, or a stop    |
 * | store  | probing             | failed      | paused     | the probe was not stored: a longer pause             |
 * | store  | probing             | stored      | available  | the probe was stored: `away(false)`                  |
 * | spool  | surplus, everything | awayLong    | everything | each second of absence: all that waits goes to disk  |
 * | spool  | surplus, everything | back        | surplus    | only what is over the bound of memory goes to disk   |
 * | intake | taking              | full        | full       | memory is over its bound, or the spool full: `full`  |
 * | intake | full                | room        | taking     | memory is below half of its bound: `full(false)`     |
 * | replay | idle                | read        | reading    | none is taken out and waits: takes the oldest out    |
 * | replay | reading             | end         | idle       | it is taken out, or there is none; or it closes      |
 * | replay | idle                | rest        | resting    | as its bound demands; for 1 s after a failure        |
 * | replay | resting             | end         | idle       | the rest is over                                     |
 * | life   | running, draining   | drain       | draining   | no replay begins; the owner waits for the row        |
 * | life   | running, draining   | close       | closed     | no write begins; all in memory goes to the spool     |
 *
 * The same as data: `{ of: { from: { event: to } } }`.
 */
export const TRANSITIONS = {
  batch: {
    open: { seal: 'waiting' },
    waiting: { write: 'writing', spool: 'spooled', drop: 'settled' },
    writing: { store: 'settled', retry: 'waiting', postpone: 'postponed' },
    postponed: { rested: 'waiting', spool: 'spooled', drop: 'settled' },
    spooled: { confirm: 'settled' },
    settled: {},
  },
  taken: {
    waiting: { write: 'writing' },
    writing: { store: 'settled', retry: 'waiting', postpone: 'waiting' },
    settled: {},
  },
  life: {
    running: { drain: 'draining', close: 'closed' },
    draining: { drain: 'draining', close: 'closed' },
    closed: {},
  },
  store: {
    available: { stored: 'available', failed: 'paused', ask: 'available' },
    paused: { failed: 'paused', pauseOver: 'probing', ask: 'probing' },
    probing: { stored: 'available', failed: 'paused', ask: 'probing' },
  },
  spool: {
    surplus: { awayLong: 'everything', back: 'surplus' },
    everything: { awayLong: 'everything', back: 'surplus' },
  },
  intake: {
    taking: { full: 'full' },
    full: { room: 'taking' },
  },
  replay: {
    idle: { read: 'reading', rest: 'resting' },
    reading: { end: 'idle' },
    resting: { end: 'idle' },
  },
} as const

type Table = typeof TRANSITIONS
export type Machine = keyof Table
export type StateOf<M extends Machine> = keyof Table[M]
export type EventOf<M extends Machine> = { [S in StateOf<M>]: keyof Table[M][S] }[StateOf<M>]

/** A state machine of the queue itself. The state of a batch is in the batch. */
type Mode = Exclude<Machine, 'batch' | 'taken'>
type Current = { [M in Mode]: StateOf<M> }

/**
 * The modes of one WriteQueue. `change` is the only way to another one.
 *
 * A transition that is not in the table is a bug. The state then stays as it is and `onBug` is told: a test throws, a
 * server logs it and goes on, because a crash would lose the samples in memory.
 */
export class Modes {
  readonly #current: Current = {
    life: 'running',
    store: 'available',
    spool: 'surplus',
    intake: 'taking',
    replay: 'idle',
  }
  readonly #onBug: (bug: Error) => void

  constructor(onBug: (bug: Error) => void) {
    this.#onBug = onBug
  }

  get life(): StateOf<'life'> {
    return this.#current.life
  }

  get store(): StateOf<'store'> {
    return this.#current.store
  }

  get spool(): StateOf<'spool'> {
    return this.#current.spool
  }

  get intake(): StateOf<'intake'> {
    return this.#current.intake
  }

  get replay(): StateOf<'replay'> {
    return this.#current.replay
  }

  /** @returns whether the mode is another one now */
  change<M extends Mode>(of: M, event: EventOf<M>): boolean {
    const from = this.#current[of] as StateOf<M>
    const to = this.after(of, from, event)
    this.#current[of] = to as Current[M]
    return to !== from
  }

  /** The state of a batch, or of a mode, that follows an event. */
  after<M extends Machine>(of: M, from: StateOf<M>, event: EventOf<M>): StateOf<M> {
    const events: Partial<Record<EventOf<M>, unknown>> = TRANSITIONS[of][from] as object
    const to = events[event] as StateOf<M> | undefined
    if (to === undefined) this.#onBug(new Error(`${of} is ${String(from)}: it knows no "${String(event)}"`))
    return to ?? from
  }
}
