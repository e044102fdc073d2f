import type { Logger } from 'pino'
import { type Broker, BrokerError } from '../broker/broker.ts'
import { type Codec, NOTHING_MORE } from '../codec/codec.ts'
import type { LogThrottle } from '../observe/log-throttle.ts'
import type { DropReason, PublisherLedger } from '../sample/ledger.ts'
import type { Clock } from '../time/clock.ts'
import { BurstPace } from './burst-pace.ts'
import { DiskKeeper } from './disk-keeper.ts'
import { freeBytes } from './free-bytes.ts'
import { FreshRate } from './fresh-rate.ts'
import { InFlight } from './in-flight.ts'
import type { Journal } from './journal.ts'
import type { OutgoingMessage } from './message.ts'
import { Outbox, type OutboxBounds } from './outbox.ts'
import { ResendPace } from './resend-pace.ts'
import type { Run } from './run.ts'

export interface SenderOptions {
  readonly broker: Broker
  readonly codec: Codec
  /** Chooses the partition; the run id of each message unless told otherwise. */
  readonly key: string | undefined
  readonly clock: Clock
  readonly uptimeUs: () => number
  readonly logger: Logger
  readonly throttle: LogThrottle
  readonly ledger: PublisherLedger
  readonly outboxBounds: OutboxBounds
  readonly journal: Journal | undefined
  /** Whether messages are awaited to be durable, and never given up once they are. Needs a journal. */
  readonly isDurable: boolean
  /** Called for each message that is sent, with the time from its making to the broker's answer, µs. */
  readonly onSent: (publishUs: number) => void
}

/** At a stop so many leave before the answers are waited for. */
const LAST_BURST_MESSAGES = 32
/** With more than this many messages in flight, the oldest of them is looked for only once in as many messages. */
const SEARCHED_IN_FLIGHT = 64

/**
 * What the newest answer of the broker said. Any state may follow any other.
 *
 * | flow         | the newest answer                               | what happens to held messages        |
 * |--------------|-------------------------------------------------|--------------------------------------|
 * | flowing      | the broker took a message, and a server listens | they leave, as `ResendPace` allows   |
 * | noSubscriber | the broker took a message, and nobody listens   | one is tried at each heartbeat       |
 * | away         | the broker did not answer, or takes nothing now | one is tried at each heartbeat       |
 */
type Flow = 'flowing' | 'noSubscriber' | 'away'

/**
 * outbox → broker. Sends each message when it is made. A message that no server took is held in the outbox. Held
 * messages follow in bursts once a server listens again, at a pace that finds out what is taken. They leave room in
 * flight, so fresh messages never wait behind old ones.
 */
export class Sender {
  readonly outbox: Outbox
  readonly #options: SenderOptions
  readonly #ledger: PublisherLedger
  readonly #inFlight: InFlight
  readonly #disk: DiskKeeper | undefined
  /** The broker is only memory: each message is on disk before it leaves, until the server has acked it. */
  readonly #diskFirst: boolean
  readonly #freshRate = new FreshRate()
  readonly #pace = new ResendPace()
  readonly #burst = new BurstPace()
  /** Held messages that the broker has not answered. */
  #heldInFlight = 0
  #flow: Flow = 'flowing'
  #nextBurst: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: SenderOptions) {
    this.#options = options
    this.#ledger = options.ledger
    this.#diskFirst = options.isDurable && options.broker.publishUntilAcked !== undefined
    this.#inFlight = new InFlight(this.#diskFirst ? Infinity : undefined)
    if (options.isDurable && options.journal !== undefined) {
      this.#disk = new DiskKeeper(options.journal, this.#inFlight)
    }
    this.outbox = new Outbox({
      ...options.outboxBounds,
      onDrop: (reason, message) => this.#withdraw(reason, message),
      journal: options.journal,
    })
  }

  /** Samples in flight and in the outbox. */
  get heldSamples(): number {
    return this.#inFlight.samples + this.outbox.samples
  }

  /** Bytes in flight and in the outbox. */
  get pendingBytes(): number {
    return this.#inFlight.bytes + this.outbox.bytes
  }

  /** Nothing is in flight, and the outbox is empty. */
  get isEmpty(): boolean {
    return this.#inFlight.size === 0 && this.outbox.size === 0
  }

  /** Sends a new message; holds it where too many are in flight, or the broker is silent. Never waits. */
  send(message: OutgoingMessage): void {
    const nowMs = performance.now()
    this.#freshRate.count(nowMs)
    this.#burst.count(message.payload.length, nowMs)
    if (this.#diskFirst) this.#disk?.keep(message)
    if (this.#inFlight.hasRoom(nowMs)) this.#publish(message, message.payload, nowMs)
    else this.#putAside(message)
    this.#disk?.watch()
  }

  /**
   * Resolves when few enough messages are in flight that some more find room, and the disk has taken most of what is
   * held, or at the signal. Over Pub/Sub, which tells nobody how far a server has read, not before the pace of a burst
   * allows it.
   */
  async room(signal: AbortSignal): Promise<void> {
    while (this.#inFlight.isBusy && !signal.aborted) await beforeAbort(signal, this.#inFlight.oneAnswered())
    const { journal, broker } = this.#options
    if (journal !== undefined && !signal.aborted) await beforeAbort(signal, journal.room())
    const waitMs = broker.kind === 'pubsub' ? this.#burst.waitMs(performance.now()) : 0
    if (waitMs > 0 && !signal.aborted) await beforeAbort(signal, new Promise((resolve) => setTimeout(resolve, waitMs)))
  }

  /**
   * Sends the next burst of held messages, oldest first, once all of the last one are answered: so what thousands of
   * publishers have in flight together is one burst each, however slow Redis is. It sends a single one while it is
   * unknown whether a server takes it.
   */
  sendHeld(): void {
    clearTimeout(this.#nextBurst)
    this.#nextBurst = undefined
    if (this.#flow !== 'flowing') this.#sendOldest(1)
    else if (this.#heldInFlight === 0) this.#sendOldest(this.#pace.take(performance.now(), this.#freshRate.perSecond))
    this.#scheduleHeld()
  }

  /**
   * Sends all that is held while the broker takes it, and waits for the answers. At the signal, what has no answer is
   * held.
   */
  async sendAllHeld(signal: AbortSignal): Promise<void> {
    await this.#untilAborted(signal, async () => {
      do {
        this.#sendOldest(LAST_BURST_MESSAGES)
        await this.#inFlight.answered()
      } while (this.outbox.size > 0 && this.#flow === 'flowing' && !signal.aborted)
    })
  }

  /** Sends the last message of a run, and waits for the answer. At the signal, it is held if it has none. */
  async sendLast(message: OutgoingMessage, signal: AbortSignal): Promise<void> {
    await this.#untilAborted(signal, () => {
      this.#publish(message, message.payload, performance.now())
      return this.#inFlight.answered()
    })
  }

  /** Sends nothing more. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#nextBurst)
    this.#disk?.close()
  }

  /**
   * Writes into the header of a run, which is that of its next message, the oldest message that the run may still send.
   * That never goes down, so an earlier answer is still true: with many messages in flight it is looked up only now and
   * then.
   */
  updateStanding(run: Run): void {
    if (this.#inFlight.size < SEARCHED_IN_FLIGHT || run.header.seq % SEARCHED_IN_FLIGHT === 0) {
      this.#setOldest(run, run.header)
    }
  }

  /** @param next the message that is about to leave */
  #setOldest(run: Run, next: Pick<OutgoingMessage, 'seq' | 'firstSample'>): void {
    let oldest = next
    for (const other of [this.outbox.oldestOf(run), this.#inFlight.oldestOf(run)]) {
      if (other !== undefined && other.seq < oldest.seq) oldest = other
    }
    run.pass(oldest.seq)
    run.header.heldFrom = oldest.seq
    run.header.heldFirstSample = oldest.firstSample
  }

  #sendOldest(most: number): void {
    this.outbox.expire(this.#options.uptimeUs())
    const nowMs = performance.now()
    for (let sent = 0; sent < most && this.#inFlight.hasRoomForHeld(nowMs); sent++) {
      const message = this.outbox.oldest
      if (message === undefined || this.#mustWait(message)) return
      this.outbox.take()
      this.#heldInFlight++
      this.#publish(message, this.#restamp(message), nowMs, () => this.#heldInFlight--)
    }
  }

  #scheduleHeld(): void {
    if (this.#flow !== 'flowing' || this.#isClosed) return
    if (this.outbox.size === 0) this.#pace.emptied()
    else this.#nextBurst ??= setTimeout(() => this.sendHeld(), this.#pace.nextMs)
  }

  #publish(message: OutgoingMessage, payload: Buffer, nowMs: number, onAnswer?: () => void): void {
    const answered = this.#deliver(this.#options.key ?? message.run.id, payload).then(
      (receivers) => {
        onAnswer?.()
        if (!this.#inFlight.remove(message)) return
        if (receivers > 0) this.#sent(message)
        else this.#hold(message, 'noSubscriber')
      },
      (error: unknown) => {
        onAnswer?.()
        if (!this.#inFlight.remove(message)) return
        const isRefused = error instanceof BrokerError && error.kind === 'refused'
        if (isRefused && !message.isDurable) this.#refused(message, error)
        // After `unknown` the broker may have taken the message. Sending it again then makes a duplicate, which its seq
        // shows.
        else this.#hold(message, 'away', error)
      },
    )
    this.#inFlight.add(message, answered, nowMs)
  }

  #deliver(key: string, payload: Buffer): Promise<number> {
    const { broker } = this.#options
    return (this.#diskFirst ? broker.publishUntilAcked?.(key, payload) : undefined) ?? broker.publish(key, payload)
  }

  #sent(message: OutgoingMessage): void {
    // What a broker of memory answers is the ack of the server: the store has it, or the spool.
    if (this.#diskFirst) message.settle('disk')
    message.moveTo('sent')
    if (message.isEndMarker) message.run.moveTo('ended')
    this.#ledger.sent += message.samples
    this.outbox.forget(message)
    // A memory broker may still hand it on, and a disk may still write what was held.
    if (this.#options.broker.kind !== 'memory' && message.record === undefined) freeBytes(message.payload)
    this.#options.onSent(Math.max(0, this.#options.clock.now() - message.madeAt))
    this.#setFlow('flowing')
    this.#scheduleHeld()
  }

  #hold(message: OutgoingMessage, flow: 'noSubscriber' | 'away', error?: unknown): void {
    this.#putAside(message)
    this.#setFlow(flow, error)
  }

  #putAside(message: OutgoingMessage): void {
    this.outbox.put(message)
    this.#disk?.keep(message)
  }

  #refused(message: OutgoingMessage, error: BrokerError): void {
    this.outbox.forget(message)
    this.#withdraw('broker_refused', message)
    this.#options.throttle.error('refused', { err: error }, 'the broker refuses a message for good')
  }

  #setFlow(flow: Flow, error?: unknown): void {
    if (this.#flow === flow) return
    this.#flow = flow
    if (flow !== 'flowing') this.#pace.interrupted()
    const { throttle } = this.#options
    switch (flow) {
      case 'flowing':
        throttle.info(flow, { messages: this.outbox.size, samples: this.outbox.samples }, 'samples are taken again')
        break
      case 'noSubscriber':
        throttle.warn(flow, {}, 'no server listens: samples are kept until one does')
        break
      case 'away':
        throttle.warn(flow, { err: error }, 'the broker takes no samples: they are kept until it does')
    }
  }

  /** Gives a numbered message up. Its run tells the servers, so that they do not count it as lost. */
  #withdraw(reason: DropReason, message: OutgoingMessage): void {
    message.moveTo('withdrawn')
    if (message.isEndMarker) return
    message.run.withdraw(1, message.samples)
    if (message.samples > 0) this.drop(reason, message.samples)
  }

  /** Counts samples as dropped, and says so in the log. */
  drop(reason: DropReason, samples: number): void {
    this.#ledger.drop(reason, samples)
    this.#options.throttle.error(`drop ${reason}`, { reason, samples }, 'samples were dropped')
  }

  /** An end marker is only true once no other message of its run can come back from the broker. */
  #mustWait(message: OutgoingMessage): boolean {
    return message.isEndMarker && this.#inFlight.oldestOf(message.run) !== undefined
  }

  /** The bytes of a held message, with what is true of its run now. */
  #restamp(message: OutgoingMessage): Buffer {
    const { codec, clock } = this.#options
    const { run, payload } = message
    if (!message.isEndMarker) {
      this.#setOldest(run, message)
      return codec.restamp(payload, run.header)
    }
    run.pass(NOTHING_MORE)
    const { header } = run
    return codec
      .encoder()
      .finish({ ...header, sentAt: clock.now(), heldFrom: NOTHING_MORE, heldFirstSample: header.firstSample })
  }

  /** Waits for the work, but not beyond the signal. What the broker has not answered then is held again. */
  async #untilAborted(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    await beforeAbort(signal, work())
    for (const message of this.#inFlight.removeAll()) this.#putAside(message)
  }
}

/** Waits for the work, but not beyond the signal. */
async function beforeAbort(signal: AbortSignal, work: Promise<void>): Promise<void> {
  let stop = (): void => {}
  const aborted = new Promise<void>((resolve) => {
    stop = resolve
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', stop, { once: true })
  })
  await Promise.race([work, aborted])
  signal.removeEventListener('abort', stop)
}
