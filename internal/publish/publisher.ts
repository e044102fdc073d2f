import type { Logger } from 'pino'
import type { Broker } from '../broker/broker.ts'
import type { Codec, Encoder } from '../codec/codec.ts'
import { checkTransition, type Transitions } from '../lifecycle/transition.ts'
import type { LogThrottle } from '../observe/log-throttle.ts'
import type { PublisherLedger } from '../sample/ledger.ts'
import type { Sample } from '../sample/sample.ts'
import type { SegmentLog } from '../spool/segment-log.ts'
import type { Clock } from '../time/clock.ts'
import { machineUptimeUs } from '../time/uptime.ts'
import { Journal } from './journal.ts'
import { type Durable, endMarker, NotDurableError, OutgoingMessage } from './message.ts'
import type { OutboxBounds } from './outbox.ts'
import { Run } from './run.ts'
import { Sender } from './sender.ts'
import { takeOver } from './take-over.ts'

export interface PublisherOptions {
  readonly broker: Broker
  readonly codec: Codec
  /** Names the run of this process among all runs: see `runId`. */
  readonly runId: string
  /** Chooses the partition; the run id of each message unless told otherwise. */
  readonly key?: string
  readonly clock: Clock
  readonly logger: Logger
  readonly throttle: LogThrottle
  readonly ledger: PublisherLedger
  /** Bounds of the outbox: 64 MiB and one hour unless told otherwise. */
  readonly outboxMaxBytes?: number
  readonly outboxMaxAgeMs?: number
  /**
   * Whether it takes messages by `sendDurably`. Then nothing is given up for its age or for room: the caller asks for
   * `pendingBytes` before it sends. Needs a log, and a broker that keeps messages or tells of acks (streams, memory).
   */
  readonly isDurable?: boolean
  /**
   * Keeps what is held on disk, over the end of the process; for a codec of frames. Without it, what is held at the end
   * is dropped, and counted.
   */
  readonly log?: SegmentLog | undefined
  /** After a silence of this length an empty frame shows that the run lives, and which of its messages are lost. */
  readonly heartbeatMs?: number
  /** Called for each message that is sent, with the time from its making to the broker's answer, µs. */
  readonly onSent?: (publishUs: number) => void
  /** Another timer for the ages of messages than `machineUptimeUs`. */
  readonly uptimeUs?: () => number
}

/** What makes a message of the samples that it has gathered. */
type FinishedBy = Pick<Encoder, 'count' | 'finish'>

/** How long `stop` waits for a broker that does not take what is left. */
const STOP_MS = 5000

type PublisherState = 'created' | 'takingOver' | 'running' | 'stopping' | 'stopped'

const TRANSITIONS: Transitions<PublisherState> = {
  created: ['takingOver', 'stopping'],
  takingOver: ['running', 'stopping'],
  running: ['stopping'],
  stopping: ['stopped'],
  stopped: [],
}

/**
 * source → encode → outbox → broker.
 *
 * | state      | means                                                      | next                 |
 * |------------|------------------------------------------------------------|----------------------|
 * | created    | sends what is added                                        | takingOver, stopping |
 * | takingOver | reads the journal, if there is one                         | running, stopping    |
 * | running    | sends what is added, what is held, and heartbeats          | stopping             |
 * | stopping   | sends what is left, and that the run ends; 5 s at most     | stopped              |
 * | stopped    | sends nothing: what is left is on disk, or dropped         |                      |
 *
 * `start` and `stop` decide, and the end of the work that they wait for. `OutgoingMessage` lists the states of a
 * message, `Run` those of a run, and `Sender` says when held messages leave.
 *
 * Every sample is at each moment sent, dropped or held: `ledger.produced + ledger.takenOver = ledger.sent +
 * ledger.dropped + held`.
 *
 * With a log, what is in the outbox survives the process, `kill -9` too. What is in flight does not. The next process
 * sends it unchanged, under the run id and the numbers that it had, so that a server knows what it has already. Behind
 * it the next process sends the end marker of that run.
 */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #ledger: PublisherLedger
  readonly #encoder: Encoder
  readonly #journal: Journal | undefined
  readonly #sender: Sender
  readonly #uptimeUs: () => number
  /** The run of this process. */
  readonly #run: Run
  #state: PublisherState = 'created'
  /** Settled once the journal is read; `stop` waits for it. */
  #takenOver: Promise<void> | undefined
  /** Settled once the publisher is stopped: the answer to every call of `stop`. */
  #stopped: Promise<void> | undefined
  #heartbeat: NodeJS.Timeout | undefined

  constructor(options: PublisherOptions) {
    const { broker, codec, key, clock, logger, throttle, ledger, onSent, isDurable = false } = options
    if (isDurable && (broker.kind === 'pubsub' || options.log === undefined)) {
      throw new Error('a durable publisher needs a log, and a broker that keeps messages or tells of acks')
    }
    this.#options = options
    this.#ledger = ledger
    this.#encoder = codec.encoder()
    this.#journal = options.log && new Journal(options.log)
    this.#uptimeUs = options.uptimeUs ?? machineUptimeUs
    this.#run = new Run(options.runId, Infinity, 'running')
    this.#sender = new Sender({
      ...{ broker, codec, key, clock, uptimeUs: this.#uptimeUs, logger, throttle, ledger, journal: this.#journal },
      isDurable,
      outboxBounds: isDurable
        ? { maxBytes: Infinity, maxAgeMs: Infinity }
        : { maxBytes: options.outboxMaxBytes ?? 64 * 2 ** 20, maxAgeMs: options.outboxMaxAgeMs ?? 3_600_000 },
      onSent: (publishUs) => {
        this.#heartbeat?.refresh()
        onSent?.(publishUs)
      },
    })
  }

  /**
   * Samples in flight, and in the outbox. Those of the unfinished message are not produced yet: the agent's own sample
   * is one of them, and would always say that its own tick is held.
   */
  get held(): number {
    return this.#sender.heldSamples
  }

  setOutboxBounds(bounds: OutboxBounds): void {
    this.#sender.outbox.setBounds(bounds)
  }

  /** Bytes in the outbox. */
  get outboxBytes(): number {
    return this.#sender.outbox.bytes
  }

  /** Bytes of all messages that no server has for certain. */
  get pendingBytes(): number {
    return this.#sender.pendingBytes
  }

  /**
   * Why what is held would not survive the process, in words; '' while it would, and where no log is asked to keep it.
   */
  get problem(): string {
    return this.#journal?.problem ?? ''
  }

  /**
   * Takes over what earlier processes left, and begins with heartbeats. To be called once, before `stop`, and to be
   * waited for before samples are added.
   */
  async start(): Promise<void> {
    if (!this.#setState('takingOver')) return
    if (this.#journal !== undefined) {
      this.#takenOver = this.#takeOver(this.#journal)
      await this.#takenOver
      if (this.#state !== 'takingOver') return
    }
    this.#setState('running')
    if (this.#sendsFrames) this.#journal?.openRun(() => this.#endMarker())
    this.#heartbeat = setInterval(() => this.#beat(), this.#options.heartbeatMs ?? 5000)
  }

  /** Takes a sample into the message that is being made, and sends that when it is full. */
  add(sample: Sample): void {
    if (!this.#encoder.add(sample)) {
      this.flush()
      if (!this.#encoder.add(sample)) {
        this.#ledger.produced++
        this.#sender.drop('message_too_large', 1)
        return
      }
    }
    if (this.#encoder.count >= this.#options.codec.maxSamples) this.flush()
  }

  /**
   * Sends what was added: the end of a tick. Never waits; what the broker does not take is held. Samples that come after
   * the end of the run, from a source that a stop did not wait for, are dropped.
   */
  flush(): void {
    this.send(this.#encoder)
  }

  /** Sends what another encoder of frames has gathered, as a message of its own. The rest as `flush`. */
  send(encoder: FinishedBy): void {
    if (encoder.count === 0) return
    if (this.#run.isRunning) this.#sender.send(this.#finishMessage(encoder))
    else this.#dropUnfinished(encoder)
  }

  /**
   * Sends what an encoder of frames has gathered, of a durable publisher. Resolves once a `kill -9` cannot take it: the
   * broker has answered that it keeps it, or the journal has it on disk. From then on it is never given up. It may be
   * sent twice.
   *
   * @throws NotDurableError neither is certain: it may arrive or not, and sending the samples again is safe
   */
  sendDurably(encoder: FinishedBy): Promise<Durable> {
    if (!this.#run.isRunning) {
      this.#dropUnfinished(encoder)
      return Promise.reject(new NotDurableError('the process is stopping'))
    }
    return new Promise((resolve, reject) => {
      const message = this.#finishMessage(encoder, (result) =>
        result instanceof NotDurableError ? reject(result) : resolve(result),
      )
      this.#sender.send(message)
    })
  }

  /**
   * For who makes many messages at once: resolves when some more of them find room, or at the signal. What is sent
   * without waiting goes to the outbox, and over its bound.
   */
  room(signal: AbortSignal): Promise<void> {
    return this.#sender.room(signal)
  }

  /**
   * Sends what is left, then an empty frame that tells the servers that nothing follows. Waits for the broker until the
   * signal, and 5 s at most. What is still held then stays in the log for the next process; without a log it is
   * dropped, and counted.
   *
   * A second call gets the promise of the first.
   */
  stop(signal: AbortSignal): Promise<void> {
    this.#stopped ??= this.#stop(AbortSignal.any([signal, AbortSignal.timeout(STOP_MS)]))
    return this.#stopped
  }

  /** @returns whether the publisher has this state now */
  #setState(state: PublisherState): boolean {
    if (!checkTransition('a publisher', TRANSITIONS, this.#state, state)) return false
    this.#state = state
    return true
  }

  async #takeOver(journal: Journal): Promise<void> {
    const now = { nowUs: this.#options.clock.now(), uptimeUs: this.#uptimeUs() }
    const { messages, samples, damaged } = await takeOver(journal, this.#sender.outbox, now)
    this.#ledger.takenOver += samples + damaged.samples
    if (damaged.records > 0) this.#sender.drop('outbox_damaged', damaged.samples)
    if (samples > 0) this.#options.logger.info({ messages, samples }, 'an earlier process left samples: they are sent')
  }

  /** The message of all samples that were added since the last one. */
  #finishMessage(
    encoder: FinishedBy = this.#encoder,
    onDurable?: (result: Durable | NotDurableError) => void,
  ): OutgoingMessage {
    const run = this.#run
    this.#sender.updateStanding(run)
    const { header } = run
    header.sentAt = this.#options.clock.now()
    header.sampleCount = encoder.count
    const { seq, firstSample, sampleCount: samples, sentAt: madeAt } = header
    const payload = encoder.finish(header)
    run.countMessage(samples)
    this.#ledger.produced += samples
    const madeAtUptimeUs = this.#uptimeUs()
    return new OutgoingMessage({ payload, run, seq, firstSample, samples, madeAt, madeAtUptimeUs, onDurable })
  }

  #dropUnfinished(encoder: FinishedBy): void {
    const samples = encoder.count
    encoder.finish(this.#run.header)
    this.#ledger.produced += samples
    this.#sender.drop('stopped', samples)
  }

  /**
   * Shows that the run lives: sends a held message, or an empty frame if none is held. An empty frame that no server
   * takes is held itself, so there is never more than one.
   */
  #beat(): void {
    if (this.#sender.outbox.size > 0) this.#sender.sendHeld()
    else if (this.#sendsFrames && this.#sender.isEmpty) this.#sender.send(this.#finishMessage())
  }

  /** Only a frame can be without samples. */
  get #sendsFrames(): boolean {
    return this.#options.codec.name === 'frame'
  }

  async #stop(signal: AbortSignal): Promise<void> {
    this.#setState('stopping')
    clearInterval(this.#heartbeat)
    this.#heartbeat = undefined
    await this.#takenOver
    this.flush()
    await this.#sender.sendAllHeld(signal)
    await this.#endRun(signal)
    this.#sender.close()
    await this.#leaveHeld()
    this.#setState('stopped')
  }

  /**
   * The servers hear of the end by an empty frame; behind held messages, which the next process sends, by the end
   * marker.
   */
  async #endRun(signal: AbortSignal): Promise<void> {
    const { outbox } = this.#sender
    if (this.#journal === undefined) outbox.abandon()
    if (outbox.size > 0) outbox.put(this.#endMarker())
    else if (this.#sendsFrames) await this.#sender.sendLast(this.#finishMessage(), signal)
    this.#run.moveTo('ending')
    if (outbox.size === 0) this.#run.moveTo('ended')
  }

  /** Leaves what is held to the next process; without a disk it is dropped. */
  async #leaveHeld(): Promise<void> {
    const { outbox } = this.#sender
    if (this.#journal === undefined) return outbox.abandon()
    this.#journal.closeRun()
    await outbox.leave(this.#journal)
  }

  #endMarker(): OutgoingMessage {
    return endMarker(this.#run, this.#options.clock.now(), this.#uptimeUs())
  }
}
