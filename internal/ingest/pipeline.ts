import type { Logger } from 'pino'
import type { MessageHandler, Subscription } from '../broker/broker.ts'
import type { Decoder, MessageHeader } from '../codec/codec.ts'
import type { Clock } from '../observe/clock.ts'
import type { LatencyRecorder } from '../observe/latency.ts'
import type { LogThrottle } from '../observe/log-throttle.ts'
import { type Refusal, refuseTime, type TimeWindow } from '../sample/border.ts'
import type { ServerLedger } from '../sample/ledger.ts'
import type { Sample, SampleSink } from '../sample/sample.ts'
import type { StoreWriter } from '../store/store.ts'
import { Batcher, type SettledBatch } from './batcher.ts'
import type { LossTracker } from './loss.ts'

/** The three latencies of a server, µs. */
export interface Latencies {
  /** Message received → its samples stand in a batch. */
  readonly internal: LatencyRecorder
  /** `sentAt` → the same moment. */
  readonly e2e: LatencyRecorder
  /** `sentAt` → the store acknowledged the batch. */
  readonly durable: LatencyRecorder
}

export interface PipelineOptions {
  readonly decoder: Decoder
  /** Takes each good sample for the live view; must not throw. */
  readonly live: SampleSink
  /** Told of each message once it is through, good or bad. */
  readonly onMessage?: () => void
  readonly writer: StoreWriter
  readonly ledger: ServerLedger
  readonly loss: LossTracker
  readonly latencies: Latencies
  readonly clock: Clock
  readonly logger: Logger
  readonly throttle: LogThrottle
  readonly timeWindow: TimeWindow
  readonly flushMinMs: number
  readonly flushMaxMs: number
  readonly queueMaxBytes: number
  /** Whether the broker gives unacked messages again to whoever comes next (Streams). */
  readonly brokerKeepsUnacked: boolean
}

/**
 * broker → decode → live → batch → store → ack.
 *
 * Every sample that comes in ends in exactly one column of the ledger; the message it came in is acked once that is so for all of its
 * samples, and for all messages before it.
 */
export class Pipeline {
  readonly #options: PipelineOptions
  readonly #ledger: ServerLedger
  readonly #clock: Clock
  readonly #batcher: Batcher
  #subscription: Subscription | undefined
  #finished = false
  #givenUp = 0
  #receivedAt = 0
  /** Samples of the current message that stand in a batch. */
  #taken = 0

  constructor(options: PipelineOptions) {
    this.#options = options
    this.#ledger = options.ledger
    this.#clock = options.clock
    this.#batcher = new Batcher({
      ...options,
      on: {
        settled: (batch) => this.#settled(batch),
        ack: (upTo) => this.#subscription?.ack(upTo),
        full: (isFull) => this.#holdBack(isFull),
      },
    })
  }

  get batcher(): Pick<Batcher, 'problem' | 'queuedBytes' | 'writes' | 'retries'> {
    return this.#batcher
  }

  /** Samples that stand in batches and were not given up: counted where they are, so that the ledger can be held against it. */
  get held(): number {
    return this.#batcher.queuedSamples - this.#givenUp
  }

  /** Starts to consume what `subscribe` gives. */
  async start(subscribe: (handler: MessageHandler) => Promise<Subscription>): Promise<void> {
    const subscription = await subscribe(this.#message)
    // Told to stop while the broker was away: nobody is left to write what it brings.
    if (this.#finished) return subscription.close()
    this.#subscription = subscription
    this.#batcher.dropsWhenFull = !subscription.canPause
  }

  /** Takes in what was sent before now, and nothing more. */
  async stopIntake(): Promise<void> {
    await this.#subscription?.stop()
  }

  /**
   * Waits until the store has all that was taken in, acks it, and lets the broker go. When the signal fires first, what is left stays
   * with a broker that keeps it, and is counted as dropped where none does.
   */
  async finish(signal: AbortSignal): Promise<void> {
    this.#finished = true
    try {
      await this.#batcher.drain(signal)
    } catch (error) {
      this.#options.logger.error({ err: error, held: this.held }, 'stopped before the store had everything')
    } finally {
      this.#batcher.close()
      const { ownSamples, queuedSamples } = this.#batcher
      this.#givenUp = this.#options.brokerKeepsUnacked ? ownSamples : queuedSamples
      if (this.#givenUp > 0) this.#ledger.drop('stopped', this.#givenUp)
      await this.#subscription?.close()
    }
  }

  /** A sample of the server's own: it takes the way of all others from here on. */
  take(sample: Sample): void {
    this.#ledger.own++
    this.#ledger.received++
    const refusal = refuseTime(sample.at, this.#clock.now(), this.#options.timeWindow)
    this.#account(sample, refusal ?? this.#batcher.addOwn(sample))
  }

  readonly #message: MessageHandler = (payload, delivery) => {
    const { decoder, latencies, loss } = this.#options
    this.#receivedAt = this.#clock.now()
    this.#taken = 0
    this.#ledger.messages++
    const refusal = decoder.decode(payload, { receivedAt: this.#receivedAt, tie: delivery.tie }, this.#sample)
    if (refusal === undefined) loss.observe(decoder.header)
    else this.#refuseMessage(refusal, decoder.header)
    const inBatchAt = this.#clock.now()
    const sentAt = this.#taken > 0 ? decoder.header.sentAt : 0
    this.#batcher.endMessage(delivery.id, sentAt)
    if (this.#taken > 0) latencies.internal.record(inBatchAt - this.#receivedAt)
    if (sentAt > 0) latencies.e2e.record(inBatchAt - sentAt)
    this.#options.onMessage?.()
  }

  readonly #sample = (sample: Sample): void => {
    this.#ledger.received++
    const refusal = refuseTime(sample.at, this.#receivedAt, this.#options.timeWindow)
    const answer = refusal ?? this.#batcher.add(sample)
    if (answer === undefined) this.#taken++
    this.#account(sample, answer)
  }

  #account(sample: Sample, answer: 'full' | Refusal | undefined): void {
    if (answer !== undefined && answer !== 'full') {
      this.#refuse(answer)
      return
    }
    if (answer === 'full') this.#drop()
    this.#options.live(sample)
  }

  #settled({ result, samples, sentAt, messages }: SettledBatch): void {
    this.#ledger.written += samples - result.rejected.length
    for (const { refusal, line } of result.rejected) this.#refuse(refusal, 1, line)
    const storedAt = this.#clock.now()
    const { durable } = this.#options.latencies
    for (let i = 0; i < messages; i++) durable.record(storedAt - sentAt[i]!)
  }

  /** All that it says it carried is rejected, and so not lost on the way. */
  #refuseMessage(refusal: Refusal, header: Readonly<MessageHeader>): void {
    const sampleCount = Math.max(1, header.sampleCount)
    this.#ledger.received += sampleCount
    this.#refuse(refusal, sampleCount)
    if (header.seq >= 0) this.#options.loss.observe({ ...header, sampleCount })
  }

  #refuse({ reason, detail }: Refusal, samples = 1, line?: string): void {
    this.#ledger.reject(reason, samples)
    const fields = { reason, detail, ...(line === undefined ? {} : { line: line.slice(0, 200) }) }
    this.#options.throttle.warn(`rejected ${reason}`, fields, 'sample rejected')
  }

  #drop(): void {
    this.#ledger.drop('queue_full')
    const fields = { reason: 'queue_full', problem: this.#batcher.problem }
    this.#options.throttle.error('dropped queue_full', fields, 'sample dropped: the queue to the store is full')
  }

  #holdBack(isFull: boolean): void {
    const subscription = this.#subscription
    if (subscription === undefined || !subscription.canPause) return
    if (isFull) subscription.pause()
    else subscription.resume()
  }
}
