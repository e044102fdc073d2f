import type { Encoder } from '../codec/codec.ts'
import { mostFrameBytes } from '../codec/frame-encoder.ts'
import { type Durable, NotDurableError } from '../publish/message.ts'
import type { Publisher } from '../publish/publisher.ts'
import type { Sample } from '../sample/sample.ts'
import { type Deferred, deferred } from '../time/deferred.ts'
import { IntakeError, type KeptBy } from './errors.ts'

export interface IntakeOptions {
  /** Of frames, and durable. */
  readonly publisher: Pick<Publisher, 'sendDurably' | 'pendingBytes'>
  readonly encoder: Encoder
  /** The most bytes that wait for the broker. Asked at each request. */
  readonly maxHeldBytes: () => number
}

/**
 * A message is closed at this size. Redis takes no larger ones where `proto-max-bulk-len` has its lowest value of 1 MiB,
 * and what it refused for good after the answer would be lost.
 */
const MESSAGE_BYTES = 512 * 1024
/** How long samples gather for a common message while others are under way, ms. */
const GATHER_MS = 2

/** The message that is being made. */
interface OpenMessage {
  /** An upper bound of its size. */
  bytes: number
  readonly durable: Deferred<Durable>
}

/**
 * Samples of requests → messages → durable. Takes all samples of a call or none, and tells when all of them are durable.
 *
 * Requests share messages: those of one turn of the event loop, and while messages are under way those of up to 2 ms. So
 * a thousand small requests a second cost one XADD for each answer of Redis, not one each.
 */
export class Intake {
  readonly #options: IntakeOptions
  #open: OpenMessage | undefined
  #underWay = 0
  #soon: NodeJS.Immediate | undefined
  #latest: NodeJS.Timeout | undefined

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  /** Bytes that wait for the broker, and the upper bound of those of the message that is being made. */
  get heldBytes(): number {
    return this.#options.publisher.pendingBytes + (this.#open?.bytes ?? 0)
  }

  /**
   * Takes samples, which it reads during the call only. Resolves when a `kill -9` of this process cannot take any of them:
   * with `disk` where at least one is there alone.
   *
   * @throws IntakeError `full`: nothing is taken; `not_durable`: it is uncertain whether they arrive
   */
  async take(samples: readonly Sample[]): Promise<KeptBy> {
    if (samples.length === 0) return 'redis'
    const bytes = samples.reduce((sum, sample) => sum + mostFrameBytes(sample), 0)
    const maxBytes = this.#options.maxHeldBytes()
    if (this.heldBytes + bytes > maxBytes) {
      throw new IntakeError('full', `${maxBytes} bytes may wait for the broker, and there is no room for this request`)
    }
    const messages = this.#add(samples, bytes)
    this.#schedule()
    try {
      const results = await Promise.all(messages.map(({ durable }) => durable.promise))
      return results.includes('disk') ? 'disk' : 'redis'
    } catch (cause) {
      if (!(cause instanceof NotDurableError)) throw cause
      const detail = `neither the broker nor the disk has the samples for certain, send them again: ${cause.message}`
      throw new IntakeError('not_durable', detail, { cause })
    }
  }

  /** Sends what waits to be gathered. */
  flush(): void {
    clearImmediate(this.#soon)
    clearTimeout(this.#latest)
    this.#soon = undefined
    this.#latest = undefined
    const open = this.#open
    if (open === undefined) return
    this.#open = undefined
    this.#underWay++
    this.#options.publisher
      .sendDurably(this.#options.encoder)
      .finally(() => {
        this.#underWay--
        this.flush()
      })
      .then(open.durable.resolve, open.durable.reject)
  }

  /** @returns the messages that got a part of the samples */
  #add(samples: readonly Sample[], bytes: number): OpenMessage[] {
    const { encoder } = this.#options
    let open = this.#begin()
    const messages = [open]
    const isSmall = open.bytes + bytes <= MESSAGE_BYTES
    for (const sample of samples) {
      const sampleBytes = isSmall ? 0 : mostFrameBytes(sample)
      const isFull = open.bytes > 0 && open.bytes + sampleBytes > MESSAGE_BYTES
      if (isFull || !encoder.add(sample)) {
        this.flush()
        open = this.#begin()
        messages.push(open)
        encoder.add(sample)
      }
      if (isFull || !isSmall) open.bytes += sampleBytes
    }
    if (isSmall) open.bytes += bytes
    return messages
  }

  #begin(): OpenMessage {
    this.#open ??= { bytes: 0, durable: deferred() }
    return this.#open
  }

  #schedule(): void {
    if (this.#underWay === 0) this.#soon ??= setImmediate(() => this.flush())
    else this.#latest ??= setTimeout(() => this.flush(), GATHER_MS)
  }
}
