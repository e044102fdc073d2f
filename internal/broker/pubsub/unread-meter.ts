import type { Redis } from 'ioredis'
import type { Logger } from 'pino'
import type { OutputLimit, Unread } from '../broker.ts'
import type { RedisConnection } from '../redis/connection.ts'
import { isReply } from '../redis/problem.ts'
import { bytesReadOf } from '../redis/read-past.ts'
import type { Reading } from './hold-back.ts'
import { DEFAULT_OUTPUT_LIMIT, readOutputLimit } from './output-limit.ts'
import { UnreadGrowth } from './unread-growth.ts'

export interface UnreadMeterOptions {
  readonly subscriber: Pick<RedisConnection, 'client' | 'up' | 'id'>
  readonly commands: Pick<RedisConnection, 'client' | 'up'>
  readonly logger: Logger
}

interface Ping {
  readonly stream: Redis['stream']
  readonly atMs: number
  /** What the connection had read when it was sent. */
  readonly bytesRead: number
}

interface Answered extends Ping {
  readonly tookMs: number
  /** What came before its answer: so much was unread when it was sent. */
  readonly bytes: number
}

/** Redis is asked how much waits in it while an answer is missing for longer than this. */
const PATIENCE_MS = 40
/** The highest rate of late counts, and half of it after so long: while the subscriber holds back, nothing comes. */
const HALVED_MS = 10_000
/** The present rate is a mean over about so long: agents that all measure on the second send nothing between. */
const PRESENT_MS = 1000
/** `CONFIG SET` may change the limit at any time. What is refused is asked again, because a right may be given. */
const ASK_AGAIN_MS = 15_000

/**
 * Measures what a subscriber has not read yet. A PING travels behind all that Redis has for the connection, in its own
 * buffers and in those of the kernels. So the time to its answer is the time by which messages are read late, whatever
 * the clocks of their publishers say, and also where they come out of an outbox. While an answer is missing, CLIENT LIST
 * says how much of it is in Redis (`omem`), which is what Redis' limit counts. Without that right it is estimated.
 */
export class UnreadMeter {
  readonly #options: UnreadMeterOptions
  #ping: Ping | undefined
  #answered: Answered | undefined
  /** The highest of late, and the present one. */
  #arrivingPerMs = 0
  #bytesPerMs = 0
  readonly #growth = new UnreadGrowth()
  readonly #heard: () => void
  #omem = 0
  /** The estimate, and what the connection had read, when the subscriber stopped to listen. */
  #atStop: { readonly bytes: number; readonly bytesRead: number } | undefined
  #limit = DEFAULT_OUTPUT_LIMIT
  #isAsking = false
  #isRefused = false
  #nextLimitAtMs = 0
  #hasLogged = false

  /** @param heard called when Redis has said between two looks how much is unread */
  constructor(options: UnreadMeterOptions, heard: () => void) {
    this.#options = options
    this.#heard = heard
  }

  get limit(): OutputLimit {
    return this.#limit
  }

  /** Whether an answer is missing. */
  get isWaiting(): boolean {
    return this.#ping !== undefined
  }

  /** All is read that Redis had at this moment. */
  get readUpToMs(): number {
    return this.#answered?.atMs ?? 0
  }

  /** What came in a ms at the highest rate of late, in bytes. */
  get arrivingPerMs(): number {
    return this.#arrivingPerMs
  }

  /**
   * To be called several times a second.
   *
   * @param everyMs the least time from one PING to the next
   */
  probe(nowMs: number, everyMs: number): void {
    this.#growth.looked(nowMs)
    const { client, up } = this.#options.subscriber
    if (this.#answered !== undefined && this.#answered.stream !== client.stream) this.#forget()
    if (this.#ping !== undefined && this.#ping.stream !== client.stream) this.#ping = undefined
    if (!up) return
    if (nowMs >= this.#nextLimitAtMs) this.#askLimit(nowMs)
    if (this.#ping !== undefined) {
      if (nowMs - this.#ping.atMs >= PATIENCE_MS) this.#askOmem()
    } else if (nowMs - this.readUpToMs >= everyMs) this.#send(client, nowMs)
  }

  unread(nowMs: number): Unread {
    const waitsMs = this.#waitsMs(nowMs)
    const bytes = this.#isRefused ? this.#estimate(waitsMs) : this.#omem
    return { ageMs: Math.max(waitsMs, this.#answered?.tookMs ?? 0), bytes }
  }

  /** The same, with where it leads to. */
  reading(nowMs: number): Reading {
    const unread = this.unread(nowMs)
    const soonBytes = this.#isRefused ? unread.bytes : this.#growth.soonBytes
    return { ...unread, soonBytes, bytesPerMs: this.#bytesPerMs }
  }

  /** The subscriber does not listen from now on (true), or listens again: what comes then is no part of the estimate. */
  heldBack(isHeldBack: boolean, nowMs: number): void {
    const bytesRead = bytesReadOf(this.#options.subscriber.client.stream)
    this.#atStop = isHeldBack ? { bytes: this.#estimate(this.#waitsMs(nowMs)), bytesRead } : undefined
  }

  #estimate(waitsMs: number): number {
    if (this.#atStop === undefined) return Math.max(this.#answered?.bytes ?? 0, this.#arrivingPerMs * waitsMs)
    return Math.max(
      0,
      this.#atStop.bytes - bytesReadOf(this.#options.subscriber.client.stream) + this.#atStop.bytesRead,
    )
  }

  /** How long the PING has had no answer. Redis itself may stand still: then nothing waits that could be read. */
  #waitsMs(nowMs: number): number {
    const ping = this.#ping
    return ping !== undefined && bytesReadOf(ping.stream) > ping.bytesRead ? nowMs - ping.atMs : 0
  }

  #send(client: Redis, atMs: number): void {
    const { stream } = client
    const ping = { stream, atMs, bytesRead: bytesReadOf(stream) }
    this.#ping = ping
    client.ping().then(
      () => this.#take(ping),
      () => {
        if (this.#ping === ping) this.#ping = undefined
      },
    )
  }

  #take(ping: Ping): void {
    if (this.#ping !== ping) return
    const before = this.#answered
    const tookMs = performance.now() - ping.atMs
    const bytes = bytesReadOf(ping.stream) - ping.bytesRead
    // What is read between two answers is what came between their PINGs.
    if (before !== undefined) {
      const betweenMs = ping.atMs - before.atMs
      const came = ping.bytesRead + bytes - before.bytesRead - before.bytes
      this.#arrivingPerMs = Math.max(came / betweenMs, this.#arrivingPerMs * 0.5 ** (betweenMs / HALVED_MS))
      this.#bytesPerMs += (came / betweenMs - this.#bytesPerMs) * (1 - Math.exp(-betweenMs / PRESENT_MS))
    }
    if (tookMs < PATIENCE_MS) this.#sees(0)
    this.#answered = { ...ping, tookMs, bytes }
    this.#ping = undefined
  }

  /** A new connection has nothing unread. */
  #forget(): void {
    this.#answered = undefined
    this.#sees(0)
    this.#arrivingPerMs = 0
    this.#bytesPerMs = 0
  }

  #sees(omem: number): void {
    this.#omem = omem
    this.#growth.seen(omem, performance.now())
  }

  #askOmem(): void {
    const { subscriber, commands } = this.#options
    if (this.#isAsking || this.#isRefused || !commands.up || subscriber.id === undefined) return
    this.#isAsking = true
    const { stream } = subscriber.client
    commands.client
      .call('CLIENT', 'LIST', 'ID', `${subscriber.id}`)
      .then(
        (reply) => {
          const omem = Number(/\bomem=(\d+)/.exec(String(reply))?.[1] ?? 0)
          if (stream !== subscriber.client.stream || this.#ping === undefined) return
          this.#sees(omem)
          this.#heard()
        },
        (error: unknown) => {
          if (!isReply(error)) return
          this.#isRefused = true
          this.#logRefused(error)
        },
      )
      .finally(() => {
        this.#isAsking = false
      })
  }

  #askLimit(nowMs: number): void {
    const { commands } = this.#options
    if (!commands.up) return
    this.#nextLimitAtMs = nowMs + ASK_AGAIN_MS
    this.#isRefused = false
    readOutputLimit(commands.client).then(
      (limit) => {
        this.#limit = limit
      },
      (error: unknown) => {
        if (isReply(error)) this.#logRefused(error)
      },
    )
  }

  /** Once: all works without, a little less exactly. */
  #logRefused(err: Error): void {
    if (this.#hasLogged) return
    this.#hasLogged = true
    this.#options.logger.info(
      { err, rights: '+client|list +config|get' },
      'Redis does not say how much waits in it for this server, or how much it lets wait: estimated, and taken as 32 MiB; docs/redis.md has the rights',
    )
  }
}
