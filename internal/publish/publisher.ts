import type { Logger } from 'pino'
import { type Broker, BrokerError } from '../broker/broker.ts'
import { type Codec, type Encoder, NOTHING_MORE } from '../codec/codec.ts'
import type { LogThrottle } from '../observe/log-throttle.ts'
import type { DropReason, PublisherLedger } from '../sample/ledger.ts'
import type { Sample } from '../sample/sample.ts'
import type { SegmentLog } from '../spool/segment-log.ts'
import type { Clock } from '../time/clock.ts'
import { InFlight } from './in-flight.ts'
import { Journal } from './journal.ts'
import { Outbox, type OutboxBounds } from './outbox.ts'
import { isLastWord, lastWord, newRun, type OutgoingMessage, type Run, ticks, withdraw } from './message.ts'
import { restore } from './take-over.ts'

export interface PublisherOptions {
  readonly broker: Broker
  readonly codec: Codec
  /** Names this process among all sources: see `runId`. */
  readonly runId: string
  /** What partitions are chosen by; each message's source id unless told otherwise. */
  readonly key?: string
  readonly clock: Clock
  readonly logger: Logger
  readonly throttle: LogThrottle
  readonly ledger: PublisherLedger
  /** What is kept while nobody listens: 64 MiB and one hour unless told otherwise. */
  readonly outboxMaxBytes?: number
  readonly outboxMaxAgeMs?: number
  /** Keeps what is held on disk, over the end of the process; for a codec of frames. Without it what is held at the end is dropped, and counted. */
  readonly log?: SegmentLog | undefined
  /** After so long a silence an empty frame shows that this source lives, and what of it was lost. */
  readonly heartbeatMs?: number
  /** Called for each message with the time from its making to the broker's answer, µs. */
  readonly onSent?: (publishUs: number) => void
  /** µs by a timer that no setting of the clock moves, the same for all processes of the machine. */
  readonly ticks?: () => number
}

/**
 * What of the outbox is sent at a time, and the pause after it: at most 640 messages and 5 MiB a second and source, so that a server
 * that comes back to many full outboxes is not cut off by Redis for being slow (8 MiB unread for 60 s).
 */
const TURN_MESSAGES = 32
const TURN_BYTES = 256 * 1024
const TURN_MS = 50
/** With more than this many on their way, the oldest of them is looked for only once in as many messages. */
const SEARCHED_IN_FLIGHT = 64
/** How long `stop` waits for a broker that does not take what is left. */
const STOP_MS = 5000

/**
 * source → encode → outbox → broker.
 *
 * Each message is sent when it is made; the outbox is only for those that nobody took, and they follow a few at a time once
 * somebody does, so that fresh samples never wait behind old ones. Every sample is at each moment `sent`, `dropped` or
 * held here: `ledger.produced + ledger.takenOver = ledger.sent + ledger.dropped + held`.
 *
 * With a log, what is in the outbox survives the process, `kill -9` too; what was on its way to a broker that had not answered does not. The next
 * process sends it as what it was, under the source id and the numbers that it had, so that a server knows what it has already, and ends each such
 * source with the word that nothing more of it is to come.
 */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #ledger: PublisherLedger
  readonly #encoder: Encoder
  readonly #journal: Journal | undefined
  readonly #outbox: Outbox
  readonly #ticks: () => number
  /** This process; its header is that of the message being made. */
  readonly #source: Run
  readonly #inFlight = new InFlight()
  /** What became of the newest answer: taken, nobody was there, or the broker is away. */
  #state: 'flowing' | 'unheard' | 'away' = 'flowing'
  #heartbeat: NodeJS.Timeout | undefined
  #nextTurn: NodeJS.Timeout | undefined
  #takenOver: Promise<void> | undefined
  #stopped: Promise<void> | undefined

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#ledger = options.ledger
    this.#encoder = options.codec.encoder()
    this.#journal = options.log && new Journal(options.log)
    this.#outbox = new Outbox({
      maxBytes: options.outboxMaxBytes ?? 64 * 2 ** 20,
      maxAgeMs: options.outboxMaxAgeMs ?? 3_600_000,
      onDrop: (reason, message) => this.#withdraw(reason, message),
      journal: this.#journal,
    })
    this.#ticks = options.ticks ?? ticks
    this.#source = newRun(options.runId, Infinity)
  }

  /** Samples in the unfinished message, on their way, and in the outbox. */
  get held(): number {
    return this.#encoder.count + this.#inFlight.samples + this.#outbox.samples
  }

  setOutboxBounds(bounds: OutboxBounds): void {
    this.#outbox.setBounds(bounds)
  }

  /** Bytes in the outbox. */
  get outboxBytes(): number {
    return this.#outbox.bytes
  }

  /** Why what is held would not survive the process; '' while it would, or where it need not. */
  get problem(): string {
    return this.#journal?.problem ?? ''
  }

  /** Takes over what earlier processes left. To be waited for before samples are added. */
  async start(): Promise<void> {
    this.#takenOver = this.#journal && this.#takeOver(this.#journal)
    if (this.#takenOver !== undefined) await this.#takenOver
    if (this.#stopped !== undefined) return
    if (this.#speaksFrames) this.#journal?.begin(() => this.#lastWord())
    this.#heartbeat ??= setInterval(() => this.#beat(), this.#options.heartbeatMs ?? 5000)
  }

  /** Takes a sample into the message being made, and sends that when it is full. */
  add(sample: Sample): void {
    if (!this.#encode(sample)) {
      this.flush()
      if (!this.#encode(sample)) {
        this.#ledger.produced++
        this.#drop('message_too_large', 1)
        return
      }
    }
    if (this.#encoder.count >= this.#options.codec.maxSamples) this.flush()
  }

  /** Sends what was added: the end of a tick. Never waits; what the broker does not take is kept. */
  flush(): void {
    if (this.#encoder.count > 0) this.#send(this.#finish())
  }

  /**
   * Sends what is left, then an empty frame that tells the servers that nothing follows. Waits until the signal, but not longer than
   * 5 s, for a broker that does not take it; what is still here then is left in the log to the next process, or, without one, dropped and
   * counted.
   */
  stop(signal: AbortSignal): Promise<void> {
    this.#stopped ??= this.#stop(AbortSignal.any([signal, AbortSignal.timeout(STOP_MS)]))
    return this.#stopped
  }

  async #takeOver(journal: Journal): Promise<void> {
    const now = { us: this.#options.clock.now(), ticks: this.#ticks() }
    const { messages, samples, damaged } = await restore(journal, this.#outbox, now)
    this.#ledger.takenOver += samples + damaged.samples
    if (damaged.records > 0) this.#drop('outbox_damaged', damaged.samples)
    if (samples > 0) this.#options.logger.info({ messages, samples }, 'an earlier process left samples: they are sent')
  }

  #encode(sample: Sample): boolean {
    const before = this.#encoder.count
    const taken = this.#encoder.add(sample)
    this.#ledger.produced += this.#encoder.count - before
    return taken
  }

  #finish(): OutgoingMessage {
    const source = this.#source
    const { header } = source
    if (this.#inFlight.size < SEARCHED_IN_FLIGHT || header.seq % SEARCHED_IN_FLIGHT === 0) this.#updateHeldFrom(source)
    header.sentAt = this.#options.clock.now()
    header.sampleCount = this.#encoder.count
    const { seq, firstSample, sampleCount: samples, sentAt: madeAt } = header
    const payload = this.#encoder.finish(header)
    header.seq++
    header.firstSample += samples
    return { payload, run: source, seq, firstSample, samples, madeAt, madeAtTicks: this.#ticks() }
  }

  /**
   * Says of a source what the oldest message is that it may still send: `next` among them, which is about to leave. It never goes down, so an
   * earlier answer is still true.
   */
  #updateHeldFrom(source: Run, next: Pick<OutgoingMessage, 'seq' | 'firstSample'> = source.header): void {
    let oldest = next
    for (const other of [this.#outbox.oldestOf(source), this.#inFlight.oldestOf(source)]) {
      if (other !== undefined && other.seq < oldest.seq) oldest = other
    }
    source.header.heldFrom = oldest.seq
    source.header.heldFirstSample = oldest.firstSample
  }

  #send(message: OutgoingMessage): void {
    if (this.#inFlight.hasRoom) this.#publish(message)
    else this.#outbox.put(message)
  }

  #publish(message: OutgoingMessage, payload = message.payload): void {
    const { run: source } = message.run.header
    const handled = this.#options.broker.publish(this.#options.key ?? source, payload).then(
      (receivers) => {
        if (!this.#inFlight.remove(message)) return
        if (receivers > 0) this.#sent(message)
        else this.#keep(message, 'unheard')
      },
      (error: unknown) => {
        if (!this.#inFlight.remove(message)) return
        if (error instanceof BrokerError && error.kind === 'refused') this.#refused(message, error)
        // After an `unknown` the message may be there already: a second one is a duplicate, which its seq shows.
        else this.#keep(message, 'away', error)
      },
    )
    this.#inFlight.add(message, handled)
  }

  #sent(message: OutgoingMessage): void {
    const { clock, onSent, logger } = this.#options
    this.#ledger.sent += message.samples
    this.#outbox.done(message)
    onSent?.(Math.max(0, clock.now() - message.madeAt))
    if (this.#state !== 'flowing') {
      this.#state = 'flowing'
      logger.info({ messages: this.#outbox.size, samples: this.#outbox.samples }, 'samples are taken again')
    }
    this.#heartbeat?.refresh()
    if (this.#outbox.size > 0) this.#nextTurn ??= setTimeout(() => this.#sendHeld(), TURN_MS)
  }

  #keep(message: OutgoingMessage, state: 'unheard' | 'away', error?: unknown): void {
    this.#outbox.put(message)
    if (this.#state === state) return
    this.#state = state
    const { throttle } = this.#options
    if (state === 'unheard') throttle.warn('unheard', {}, 'no server listens: samples are kept until one does')
    else throttle.warn('away', { err: error }, 'the broker takes no samples: they are kept until it does')
  }

  #refused(message: OutgoingMessage, error: BrokerError): void {
    this.#outbox.done(message)
    this.#withdraw('broker_refused', message)
    this.#options.throttle.error('refused', { err: error }, 'the broker refuses a message for good')
  }

  /** Gives a numbered message up, and has the servers told, so that they do not count it as lost. */
  #withdraw(reason: DropReason, message: OutgoingMessage): void {
    if (isLastWord(message)) return
    withdraw(message.run, 1, message.samples)
    if (message.samples > 0) this.#drop(reason, message.samples)
  }

  #drop(reason: DropReason, samples: number): void {
    this.#ledger.drop(reason, samples)
    this.#options.throttle.error(`drop ${reason}`, { reason, samples }, 'samples were dropped')
  }

  /** The next few of the outbox, oldest first; a single one while it is not known whether anybody takes it. */
  #sendHeld(): void {
    clearTimeout(this.#nextTurn)
    this.#nextTurn = undefined
    this.#outbox.expire(this.#ticks())
    const most = this.#state === 'flowing' ? TURN_MESSAGES : 1
    let bytes = 0
    for (let sent = 0; sent < most && bytes < TURN_BYTES && this.#inFlight.hasRoom; sent++) {
      const message = this.#outbox.oldest
      if (message === undefined || (isLastWord(message) && this.#inFlight.oldestOf(message.run) !== undefined)) return
      this.#outbox.take()
      const payload = this.#stamp(message)
      bytes += payload.length
      this.#publish(message, payload)
    }
  }

  /** A message that was kept, with what is true now. */
  #stamp(message: OutgoingMessage): Buffer {
    const { codec, clock } = this.#options
    const { run: source, payload } = message
    if (!isLastWord(message)) {
      this.#updateHeldFrom(source, message)
      return codec.restamp(payload, source.header)
    }
    const { header } = source
    return codec
      .encoder()
      .finish({ ...header, sentAt: clock.now(), heldFrom: NOTHING_MORE, heldFirstSample: header.firstSample })
  }

  /** What is held serves as the sign of life; one that nobody hears is held itself, so there is never more than one. */
  #beat(): void {
    if (this.#outbox.size > 0) this.#sendHeld()
    else if (this.#speaksFrames && this.#inFlight.size === 0) this.#send(this.#finish())
  }

  /** Only frames can say something without samples. */
  get #speaksFrames(): boolean {
    return this.#options.codec.name === 'frame'
  }

  async #stop(signal: AbortSignal): Promise<void> {
    clearInterval(this.#heartbeat)
    this.#heartbeat = undefined
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve(), { once: true })
    })
    await this.#takenOver
    this.flush()
    await Promise.race([this.#sendAllHeld(signal), aborted])
    this.#takeBack()
    if (this.#journal === undefined) this.#outbox.abandon()
    if (this.#outbox.size > 0) this.#outbox.put(this.#lastWord())
    else if (this.#speaksFrames) {
      this.#publish(this.#finish())
      await Promise.race([this.#inFlight.handled(), aborted])
      this.#takeBack()
    }
    clearTimeout(this.#nextTurn)
    if (this.#journal === undefined) return this.#outbox.abandon()
    this.#journal.end()
    await this.#outbox.leave(this.#journal)
  }

  async #sendAllHeld(signal: AbortSignal): Promise<void> {
    do {
      this.#sendHeld()
      await this.#inFlight.handled()
    } while (this.#outbox.size > 0 && this.#state === 'flowing' && !signal.aborted)
  }

  #lastWord(): OutgoingMessage {
    return lastWord(this.#source, this.#options.clock.now(), this.#ticks())
  }

  /** What the broker has not answered to is held again. */
  #takeBack(): void {
    for (const message of this.#inFlight.removeAll()) this.#outbox.put(message)
  }
}
