import type { Logger } from 'pino'
import { type Broker, BrokerError } from '../broker/broker.ts'
import { blankHeader, type Codec, type Encoder, type MessageHeader } from '../codec/codec.ts'
import type { Clock } from '../observe/clock.ts'
import type { LogThrottle } from '../observe/log-throttle.ts'
import type { DropReason, PublisherLedger } from '../sample/ledger.ts'
import type { Sample } from '../sample/sample.ts'
import { Outbox, type OutgoingMessage } from './outbox.ts'

export interface PublisherOptions {
  readonly broker: Broker
  readonly codec: Codec
  /** Names this process among all sources: see `sourceId`. */
  readonly sourceId: string
  /** What partitions are chosen by; the source id unless told otherwise. */
  readonly key?: string
  readonly clock: Clock
  readonly logger: Logger
  readonly throttle: LogThrottle
  readonly ledger: PublisherLedger
  /** What is kept while nobody listens: 64 MiB and one hour unless told otherwise. */
  readonly outboxMaxBytes?: number
  readonly outboxMaxAgeMs?: number
  /** After so long a silence an empty frame shows that this source lives, and what of it was lost. */
  readonly heartbeatMs?: number
  /** Called for each message with the time from its making to the broker's answer, µs. */
  readonly onSent?: (publishUs: number) => void
}

/** Messages on their way at a time, and their bytes: beyond them a broker that is slow or paused fills the outbox. */
const MAX_IN_FLIGHT = 1000
const MAX_IN_FLIGHT_BYTES = 16 * 2 ** 20
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
 * held here: `ledger.produced = ledger.sent + ledger.dropped + held`.
 */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #key: string
  readonly #ledger: PublisherLedger
  readonly #encoder: Encoder
  readonly #outbox: Outbox
  readonly #header: MessageHeader
  /** Messages that the broker has not answered to, each with the end of its handling. */
  readonly #inFlight = new Map<OutgoingMessage, Promise<void>>()
  #inFlightBytes = 0
  #inFlightSamples = 0
  /** What became of the newest answer: taken, nobody was there, or the broker is away. */
  #state: 'flowing' | 'unheard' | 'away' = 'flowing'
  #heartbeat: NodeJS.Timeout | undefined
  #nextTurn: NodeJS.Timeout | undefined
  #stopped: Promise<void> | undefined

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#key = options.key ?? options.sourceId
    this.#ledger = options.ledger
    this.#encoder = options.codec.encoder()
    this.#outbox = new Outbox(
      { maxBytes: options.outboxMaxBytes ?? 64 * 2 ** 20, maxAgeMs: options.outboxMaxAgeMs ?? 3_600_000 },
      (reason, message) => this.#withdraw(reason, message),
    )
    this.#header = { ...blankHeader(), source: options.sourceId, seq: 0 }
  }

  /** Samples in the unfinished message, on their way, and in the outbox. */
  get held(): number {
    return this.#encoder.count + this.#inFlightSamples + this.#outbox.samples
  }

  /** Bytes in the outbox. */
  get outboxBytes(): number {
    return this.#outbox.bytes
  }

  start(): void {
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
   * 5 s, for a broker that does not take it; what is still here then is dropped and counted.
   */
  stop(signal: AbortSignal): Promise<void> {
    this.#stopped ??= this.#stop(AbortSignal.any([signal, AbortSignal.timeout(STOP_MS)]))
    return this.#stopped
  }

  #encode(sample: Sample): boolean {
    const before = this.#encoder.count
    const taken = this.#encoder.add(sample)
    this.#ledger.produced += this.#encoder.count - before
    return taken
  }

  #finish(): OutgoingMessage {
    const header = this.#header
    if (this.#inFlight.size < SEARCHED_IN_FLIGHT || header.seq % SEARCHED_IN_FLIGHT === 0) this.#updateHeldFrom(header)
    header.sentAt = this.#options.clock.now()
    header.sampleCount = this.#encoder.count
    const message = {
      payload: this.#encoder.finish(header),
      seq: header.seq,
      firstSample: header.firstSample,
      samples: header.sampleCount,
      madeAt: header.sentAt,
    }
    header.seq++
    header.firstSample += header.sampleCount
    return message
  }

  /** From the oldest message that may still be sent, `next` among them. It never goes down, so an earlier answer is still true. */
  #updateHeldFrom(next: Pick<OutgoingMessage, 'seq' | 'firstSample'>): void {
    let oldest = next
    if ((this.#outbox.oldest?.seq ?? next.seq) < next.seq) oldest = this.#outbox.oldest!
    for (const message of this.#inFlight.keys()) if (message.seq < oldest.seq) oldest = message
    this.#header.heldFrom = oldest.seq
    this.#header.heldFirstSample = oldest.firstSample
  }

  #send(message: OutgoingMessage): void {
    if (this.#hasRoom()) this.#publish(message)
    else this.#outbox.put(message)
  }

  #hasRoom(): boolean {
    return this.#inFlight.size < MAX_IN_FLIGHT && this.#inFlightBytes < MAX_IN_FLIGHT_BYTES
  }

  #publish(message: OutgoingMessage): void {
    this.#inFlightBytes += message.payload.length
    this.#inFlightSamples += message.samples
    const answered = this.#options.broker.publish(this.#key, message.payload).then(
      (receivers) => {
        if (!this.#landed(message)) return
        if (receivers > 0) this.#sent(message)
        else this.#keep(message, 'unheard')
      },
      (error: unknown) => {
        if (!this.#landed(message)) return
        if (error instanceof BrokerError && error.kind === 'refused') this.#refused(message, error)
        // After an `unknown` the message may be there already: a second one is a duplicate, which its seq shows.
        else this.#keep(message, 'away', error)
      },
    )
    this.#inFlight.set(message, answered)
  }

  /** @returns false when it was given up at the end, and counted then */
  #landed(message: OutgoingMessage): boolean {
    if (!this.#inFlight.delete(message)) return false
    this.#inFlightBytes -= message.payload.length
    this.#inFlightSamples -= message.samples
    return true
  }

  #sent(message: OutgoingMessage): void {
    const { clock, onSent, logger } = this.#options
    this.#ledger.sent += message.samples
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
    this.#withdraw('broker_refused', message)
    this.#options.throttle.error('refused', { err: error }, 'the broker refuses a message for good')
  }

  /** Gives a numbered message up, and has the servers told, so that they do not count it as lost. */
  #withdraw(reason: DropReason, message: OutgoingMessage): void {
    this.#header.withdrawnMessages++
    this.#header.withdrawnSamples += message.samples
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
    const most = this.#state === 'flowing' ? TURN_MESSAGES : 1
    let bytes = 0
    for (let sent = 0; sent < most && bytes < TURN_BYTES && this.#hasRoom(); sent++) {
      const message = this.#outbox.take(this.#options.clock.now())
      if (message === undefined) return
      this.#updateHeldFrom(message)
      const payload = this.#options.codec.restamp(message.payload, this.#header)
      bytes += payload.length
      this.#publish({ ...message, payload })
    }
  }

  /** What is held serves as the sign of life; one that nobody hears is held itself, so there is never more than one. */
  #beat(): void {
    if (this.#outbox.size > 0) this.#sendHeld()
    else if (this.#options.codec.name === 'frame' && this.#inFlight.size === 0) this.#send(this.#finish())
  }

  async #stop(signal: AbortSignal): Promise<void> {
    clearInterval(this.#heartbeat)
    this.#heartbeat = undefined
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve(), { once: true })
    })
    this.flush()
    await Promise.race([this.#sendAllHeld(signal), aborted])
    this.#abandon()
    if (this.#options.codec.name === 'frame') {
      this.#publish(this.#finish())
      await Promise.race([Promise.all(this.#inFlight.values()), aborted])
    }
    clearTimeout(this.#nextTurn)
    this.#abandon()
  }

  async #sendAllHeld(signal: AbortSignal): Promise<void> {
    do {
      this.#sendHeld()
      await Promise.all(this.#inFlight.values())
    } while (this.#outbox.size > 0 && this.#state === 'flowing' && !signal.aborted)
  }

  #abandon(): void {
    this.#outbox.abandon('stopped')
    for (const message of this.#inFlight.keys()) {
      this.#landed(message)
      this.#withdraw('stopped', message)
    }
  }
}
