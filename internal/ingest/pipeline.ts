import type { Logger } from 'pino'
import type { MessageHandler, SubscribeOptions, Subscription } from '../broker/broker.ts'
import type { Arrival, Decoder, RefusedPart } from '../codec/codec.ts'
import type { DeadLetters } from '../dead-letters/dead-letters.ts'
import type { LatencyRecorder } from '../observe/latency.ts'
import type { LogThrottle } from '../observe/log-throttle.ts'
import { type Refusal, type RejectReason, refuseTime, type TimeWindow } from '../sample/border.ts'
import type { DropReason, ServerLedger } from '../sample/ledger.ts'
import type { Sample } from '../sample/sample.ts'
import type { Series } from '../sample/series.ts'
import type { StoreWriter } from '../store/store.ts'
import type { Clock } from '../time/clock.ts'
import type { Identities } from './identities.ts'
import type { LossTracker } from './loss/loss.ts'
import { RefusedMeasurements } from './refused-measurements.ts'
import { Rejects } from './rejects.ts'
import type { AgeBounds } from './write-queue/batch-age.ts'
import { BatchSpool, type BatchSpoolOptions } from './write-queue/batch-spool.ts'
import type { CircuitBreaker } from './write-queue/circuit-breaker.ts'
import type { SettledBatch, WriteQueueLimits, WriteQueueOptions } from './write-queue/options.ts'
import { WriteQueue } from './write-queue/write-queue.ts'

/** The least that a sample takes in a message: its time. */
const TIME_BYTES = 8

/** The three latencies of a server, µs. */
export interface Latencies {
  /** Message received → its samples are in a batch. */
  readonly internal: LatencyRecorder
  /** `sentAt` → the same moment. */
  readonly e2e: LatencyRecorder
  /** `sentAt` → the store acknowledged the batch. */
  readonly durable: LatencyRecorder
}

export interface PipelineOptions extends AgeBounds {
  readonly decoder: Decoder
  /** Takes each sample for the live feed that is good, or has a wrong time alone, with the arrival of its message (µs); must not throw. */
  readonly live: (sample: Sample, receivedAt: number) => void
  /** Called once for each message, good or bad, when it is dealt with. */
  readonly onMessage?: () => void
  /** Told of each delivery that is taken in, and of the delivery up to which all are acked. */
  readonly checkpoints?: undefined | { delivered(id: number): void; acked(upTo: number): void }
  readonly writer: StoreWriter
  readonly ledger: ServerLedger
  readonly loss: LossTracker
  /** Told of each message with samples. */
  readonly identities?: Pick<Identities, 'observe'> | undefined
  readonly latencies: Latencies
  readonly clock: Clock
  readonly logger: Logger
  readonly throttle: LogThrottle
  readonly timeWindow: TimeWindow
  readonly queueMaxBytes: number
  /** Whether the broker keeps unacked messages, and delivers them again (Streams). */
  readonly brokerKeepsUnacked: boolean
  /** Where batches wait that the store does not take. Without it they wait in memory. `finish` closes it. */
  readonly spool?: Pick<BatchSpoolOptions, 'log' | 'maxBytes' | 'whenFull'> | undefined
  readonly replayBytesPerSecond: number
  readonly deadLetters: Pick<DeadLetters, 'add' | 'written'>
  /** As in `WriteQueueOptions`. Without it `throttle` logs the bug: each batch may repeat it. */
  readonly onBug?: WriteQueueOptions['onBug']
}

/** What may change while the pipeline runs. */
export type PipelineLimits = WriteQueueLimits &
  Pick<PipelineOptions, 'timeWindow'> & { readonly spool: Pick<BatchSpoolOptions, 'maxBytes' | 'whenFull'> }

/** So many series of a message are compared with those of other sources. */
const MAX_FIRST_SERIES = 16

const WRONG_TIME: ReadonlySet<RejectReason> = new Set(['time_in_future', 'time_too_old'])

/**
 * broker → decode → live feed → batch → store → ack.
 *
 * Every sample that is received ends in exactly one column of the ledger. A message is acked once each of its samples
 * is settled or on disk, and each message before it is acked.
 */
export class Pipeline {
  #options: PipelineOptions
  readonly #ledger: ServerLedger
  readonly #clock: Clock
  readonly #rejects: Rejects
  readonly #refused = new RefusedMeasurements()
  readonly #queue: WriteQueue
  readonly spool: BatchSpool | undefined
  #subscription: Subscription | undefined
  #isFinished = false
  /** Samples in memory that are counted as dropped, because the pipeline has ended. */
  #droppedAtEnd = 0
  /** Samples that `finish` dropped, without the server's own where the broker keeps all others. */
  droppedAtStop = 0
  /** When the current message arrived. One object, used again for each message. */
  readonly #arrival: Arrival = { receivedAt: 0, tie: 0 }
  /** Samples of the current message that are in a batch. */
  #taken = 0
  /**
   * The first series of each measurement in the current message: so many at the front of an array that is used again.
   * To set its length to 0 gives its memory up: that and the next `push` were 3 % of a server at 25,000 messages a second.
   */
  readonly #firstSeries: Series[] = []
  #measurements = 0
  #measurement = ''

  constructor(options: PipelineOptions) {
    this.#options = options
    this.#ledger = options.ledger
    this.#clock = options.clock
    this.#rejects = new Rejects(options)
    this.spool = this.#openSpool()
    this.#queue = new WriteQueue({
      ...options,
      spool: this.spool,
      onBug:
        options.onBug ??
        ((err) => options.throttle.error(err.message, { err }, 'a bug: the write queue goes on as before')),
      on: {
        settled: (batch) => this.#settled(batch),
        ack: (upTo) => this.#ack(upTo),
        full: (isFull) => this.#holdBack(isFull),
        away: (isAway) => this.#subscription?.storeAway(isAway),
      },
    })
    this.spool?.reportDamage()
  }

  /** Applies other limits. What is held stays held. */
  reconfigure({ timeWindow, spool, ...limits }: PipelineLimits): void {
    this.#options = { ...this.#options, timeWindow }
    this.spool?.reconfigure(spool)
    this.#queue.reconfigure(limits)
  }

  get queue(): Pick<WriteQueue, 'bytes' | 'replayedSamples' | 'waitsMs' | 'batchAgeMs'> {
    return this.#queue
  }

  /** Whether the broker is held back because there is no room for more. */
  get isFull(): boolean {
    return this.#queue.modes.intake === 'full'
  }

  get breaker(): Pick<CircuitBreaker, 'problem' | 'awayForMs' | 'writes' | 'retries' | 'writeTime'> {
    return this.#queue.breaker
  }

  /** Samples in memory and on disk, counted where they are: the ledger must say the same. */
  /** Measurements of which the store has taken no sample of late. */
  get refusedMeasurements(): string[] {
    return this.#refused.at(this.#clock.now())
  }

  get held(): number {
    return this.heldInMemory + this.heldOnDisk
  }

  get heldInMemory(): number {
    return this.#queue.samples - this.#droppedAtEnd
  }

  get heldOnDisk(): number {
    return this.spool?.samples ?? 0
  }

  /** Starts to write what an earlier process left on disk, then subscribes. */
  async start(subscribe: (handler: MessageHandler, options: SubscribeOptions) => Promise<Subscription>): Promise<void> {
    this.#queue.ask()
    const subscription = await subscribe(this.#message, { onPoison: this.#poison, timing: this.#queue })
    // `finish` was called while the broker was away. Messages delivered now would not be written.
    if (this.#isFinished) return subscription.close()
    this.#subscription = subscription
    if (this.#queue.modes.store !== 'available') subscription.storeAway(true)
  }

  /** Asks a store that is away at once, however long the pause was to be. */
  askStore(): void {
    this.#queue.ask()
  }

  /** Takes in what was sent before the call, and nothing more. */
  async stopIntake(): Promise<void> {
    await this.#subscription?.stop()
  }

  /**
   * Waits until the store has all that was taken in, acks it, and closes the subscription. When the signal fires first,
   * or the store is away, the rest goes to the spool. Without a spool the rest stays with a broker that keeps it, or is
   * counted as dropped.
   */
  async finish(signal: AbortSignal): Promise<void> {
    this.#isFinished = true
    const { brokerKeepsUnacked, logger } = this.#options
    try {
      await this.#queue.drain(signal, brokerKeepsUnacked)
    } catch (error) {
      logger.warn({ err: error, held: this.held }, 'the stop goes on, though the store has not taken everything')
    } finally {
      const unwritten = await this.#queue.close()
      const { ownSamples, samples } = this.#queue
      this.#droppedAtEnd = brokerKeepsUnacked ? ownSamples : samples
      const dropped = this.#droppedAtEnd + unwritten
      this.droppedAtStop = dropped - (brokerKeepsUnacked ? ownSamples : 0)
      if (dropped > 0) {
        this.#ledger.drop('stopped', dropped)
        logger.error({ dropped }, 'samples dropped: neither the store nor the disk took them')
      }
      // The acks of what was rejected last wait for its dead letters.
      await new Promise<void>((resolve) => this.#rejects.whenKept(resolve))
      await this.#subscription?.close()
    }
  }

  /** Takes a sample that the server made itself. */
  take(sample: Sample): void {
    this.#ledger.own++
    this.#ledger.received++
    const now = this.#clock.now()
    const refusal = refuseTime(sample.at, now, this.#options.timeWindow)
    const answer = refusal ?? this.#queue.addOwn(sample)
    if (answer === 'full') {
      this.#ledger.ownDropped++
      this.#drop('queue_full', 1)
    }
    this.#account(sample, answer === 'full' ? undefined : answer, '', now)
  }

  readonly #message: MessageHandler = (payload, delivery) => {
    const { decoder, latencies, loss, checkpoints, identities } = this.#options
    const receivedAt = this.#clock.now()
    this.#arrival.receivedAt = receivedAt
    this.#arrival.tie = delivery.tie
    this.#taken = 0
    this.#measurements = 0
    this.#measurement = ''
    this.#ledger.messages++
    const refusal = decoder.decode(payload, this.#arrival, this.#sample)
    if (refusal === undefined) {
      loss.observe(decoder.header, delivery.redelivered, receivedAt)
      if (decoder.refusedParts !== undefined && decoder.refusedParts.length > 0) this.#refuseParts(decoder.refusedParts)
    } else this.#refuseMessage(refusal, payload, delivery.redelivered)
    for (let i = 0; i < this.#measurements; i++) identities?.observe(this.#firstSeries[i]!, decoder.header, receivedAt)
    const inBatchAt = this.#clock.now()
    const sentAt = this.#taken > 0 ? decoder.header.sentAt : 0
    checkpoints?.delivered(delivery.id)
    this.#queue.endMessage(delivery.id, sentAt)
    if (this.#taken > 0) latencies.internal.record(inBatchAt - receivedAt)
    if (sentAt > 0) latencies.e2e.record(inBatchAt - sentAt)
    this.#options.onMessage?.()
  }

  readonly #sample = (sample: Sample): void => {
    this.#ledger.received++
    if (sample.series.measurement !== this.#measurement) this.#noteSeries(sample.series)
    const refusal = refuseTime(sample.at, this.#arrival.receivedAt, this.#options.timeWindow)
    const { run } = this.#options.decoder.header
    const answer = refusal ?? this.#queue.add(sample, run)
    if (answer === undefined) this.#taken++
    // A host whose clock is hours wrong is shown with what it sends now, though nothing of that is stored.
    else if (WRONG_TIME.has(answer.reason)) this.#options.live(sample, this.#arrival.receivedAt)
    this.#account(sample, answer, run, this.#arrival.receivedAt)
  }

  #noteSeries(series: Series): void {
    this.#measurement = series.measurement
    if (this.#measurements < MAX_FIRST_SERIES) this.#firstSeries[this.#measurements++] = series
  }

  #account(sample: Sample, refusal: Refusal | undefined, run: string, receivedAt: number): void {
    if (refusal === undefined) this.#options.live(sample, receivedAt)
    else this.#rejects.sample(refusal, sample, run)
  }

  /** Each counts as one sample: of a part that is none, what would have become of it is not known. */
  #refuseParts(parts: readonly RefusedPart[]): void {
    const { run } = this.#options.decoder.header
    for (const part of parts) {
      this.#ledger.received++
      if ('sample' in part) this.#rejects.sample(part.refusal, part.sample, run)
      else this.#rejects.message(part.refusal, 1, run, part.payload)
    }
  }

  /**
   * All samples that the message claims to carry are rejected. So they are not counted as lost. It cannot carry more
   * than it has room for: a header of 72 bytes may claim 65,536.
   */
  #refuseMessage(refusal: Refusal, payload: Buffer, redelivered: boolean): void {
    const { decoder, loss } = this.#options
    const sampleCount = Math.max(1, Math.min(decoder.header.sampleCount, Math.floor(payload.length / TIME_BYTES)))
    this.#ledger.received += sampleCount
    this.#rejects.message(refusal, sampleCount, decoder.header.run, payload)
    if (decoder.header.seq >= 0) loss.observe({ ...decoder.header, sampleCount }, redelivered, this.#arrival.receivedAt)
  }

  /** A poison message is not decoded, because decoding it may be what kills servers. It counts as one sample. */
  readonly #poison: NonNullable<SubscribeOptions['onPoison']> = (payload, id, deliveries, problem) => {
    this.#ledger.messages++
    this.#ledger.received++
    // Only an engine that keeps messages has ids for them, and delivers them more than once.
    const detail = id === '' ? problem : `${problem} (message ${id}, delivered ${deliveries} times)`
    this.#rejects.message({ reason: 'poison', detail }, 1, '', payload)
    return new Promise((resolve) => this.#rejects.whenKept(resolve))
  }

  #settled({ result, samples, sentAt, spans }: SettledBatch): void {
    this.#ledger.written += samples - result.rejected.length
    for (const rejected of result.rejected) this.#rejects.line(rejected, spans.of(rejected.index))
    for (const measurement of result.refusedMeasurements ?? []) this.#refuse(measurement)
    const storedAt = this.#clock.now()
    const { durable } = this.#options.latencies
    for (let i = 0; i < sentAt.length; i++) durable.record(storedAt - sentAt[i]!)
  }

  #refuse(measurement: string): void {
    this.#refused.note(measurement, this.#clock.now())
    const next = 'see the reason with "sentinel dead-letters list": often a field has another type in the store'
    this.#options.throttle.warn(
      'measurement refused',
      { measurement, next },
      'the store takes no sample of a measurement',
    )
  }

  #ack(upTo: number): void {
    this.#rejects.whenKept(() => {
      this.#subscription?.ack(upTo)
      this.#options.checkpoints?.acked(upTo)
    })
  }

  #holdBack(isFull: boolean): void {
    const { logger } = this.#options
    const fields = { held: this.held, problem: this.breaker.problem }
    if (isFull) logger.warn(fields, 'the broker is not read for now: the queue for the store is full')
    else logger.info(fields, 'the broker is read again')
    if (isFull) this.#subscription?.pause()
    else this.#subscription?.resume()
  }

  #openSpool(): BatchSpool | undefined {
    const { spool, writer, logger } = this.#options
    if (spool === undefined) return undefined
    const opened = new BatchSpool({ ...spool, writer, onLoss: (reason, samples) => this.#drop(reason, samples) })
    this.#ledger.takenOver = opened.takenOver
    if (opened.takenOver > 0)
      logger.info({ samples: opened.takenOver }, 'samples of an earlier process are taken over from the spool')
    return opened
  }

  #drop(reason: DropReason, samples: number): void {
    this.#ledger.drop(reason, samples)
    const fields = { reason, dropped: this.#ledger.droppedBy.get(reason), problem: this.breaker.problem }
    this.#options.throttle.error(`dropped ${reason}`, fields, 'samples dropped')
  }
}
