import {
  type BrokerHealth,
  type BrokerUse,
  type KeptReading,
  type LatestReading,
  LIVE_KEPT_MS,
  type LiveChannel,
} from '../broker.ts'
import { ChannelListener } from './channel-listener.ts'
import type { SharedConnection } from './connection.ts'
import { allOf, hdel, hscan, hset, type NeededRights, pexpire } from './rights.ts'

const CHANNEL = 'live'
const PUBLISH = `PUBLISH ${CHANNEL}`
const LATEST_KEY = 'live:latest'
const [HSET, HDEL, HSCAN, PEXPIRE] = [hset(LATEST_KEY), hdel(LATEST_KEY), hscan(LATEST_KEY), pexpire(LATEST_KEY)]
const SWEEP_INTERVAL_MS = 3_600_000
/**
 * Limit of the payloads that Redis has not confirmed. Beyond it Redis is too slow for the live view, and messages are
 * dropped.
 */
const MAX_PENDING_BYTES = 8 * 2 ** 20
/** One HSET of more fields would block Redis, and every PUBLISH, for over a millisecond. */
const FIELDS_A_COMMAND = 256
/**
 * Precedes each value in the hash: when it arrived, in ms, a double. Redis 7.0 cannot expire single fields of a
 * hash.
 */
const STAMP_BYTES = 8

/** The rights for the two ends of the live channel. */
export function liveRights(uses: readonly BrokerUse[]): NeededRights {
  const announce = { commands: [HSET, PEXPIRE, HSCAN, HDEL], publishes: [CHANNEL], subscribes: [] }
  const watch = { commands: [HSCAN], publishes: [], subscribes: [CHANNEL] }
  return allOf([...(uses.includes('announce') ? [announce] : []), ...(uses.includes('watch') ? [watch] : [])])
}

/** The live channel of both engines on Redis: a Pub/Sub channel, and a hash with the latest values. */
export class RedisLiveChannel implements LiveChannel {
  readonly #options: SharedConnection
  readonly #now: () => number
  readonly #listeners = new Set<ChannelListener>()
  isHeard = true
  #pendingBytes = 0
  #sweeper: NodeJS.Timeout | undefined

  constructor(options: SharedConnection) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  publish(payload: Buffer, latest: readonly LatestReading[]): void {
    const { commands, stats } = this.#options
    if (!commands.up || this.#pendingBytes > MAX_PENDING_BYTES) {
      stats.liveDropped++
      return
    }
    let bytes = payload.length
    const published = commands
      .send(PUBLISH, (client) => client.publish(CHANNEL, payload))
      .then((receivers) => {
        this.isHeard = receivers > 0
      })
    const sent: Array<Promise<unknown>> = [published]
    for (let from = 0; from < latest.length; from += FIELDS_A_COMMAND) {
      const fields: Array<string | Buffer> = []
      for (const { key, payload: kept, ageMs } of latest.slice(from, from + FIELDS_A_COMMAND)) {
        fields.push(key, stamped(kept, this.#now() - ageMs))
        bytes += kept.length
      }
      sent.push(commands.send(HSET.name, (client) => client.hset(LATEST_KEY, ...fields)))
    }
    if (latest.length > 0) {
      sent.push(commands.send(PEXPIRE.name, (client) => client.pexpire(LATEST_KEY, LIVE_KEPT_MS)))
      this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS).unref()
    }
    this.#pendingBytes += bytes
    Promise.all(sent).then(
      () => {
        this.#pendingBytes -= bytes
      },
      () => {
        this.#pendingBytes -= bytes
        stats.liveDropped++
      },
    )
  }

  async subscribe(handler: (payload: Buffer) => void): Promise<() => Promise<void>> {
    const { redis, stats, logger } = this.#options
    const listener = new ChannelListener({ redis, purpose: 'live', logger, stats }, [CHANNEL], (payload) => {
      try {
        handler(payload)
      } catch (error) {
        logger.error({ err: error }, 'a live message was lost because its handler threw an error')
      }
    })
    this.#listeners.add(listener)
    await listener.connection.whenUp()
    return async () => {
      this.#listeners.delete(listener)
      await listener.close()
    }
  }

  /** Of the first subscriber that is not connected; undefined where all are. */
  health(): BrokerHealth | undefined {
    const healths = Array.from(this.#listeners, ({ connection }) => connection.health())
    return healths.find(({ connected }) => !connected)
  }

  /** To be called when another connection was lost and came back: see `ChannelListener`. */
  follow(lostAtMs: number): void {
    for (const listener of this.#listeners) listener.follow(lostAtMs)
  }

  async recall(): Promise<KeptReading[]> {
    const kept = new Map<string, KeptReading>()
    const now = this.#now()
    for await (const [field, value] of this.#scan()) {
      if (value.length < STAMP_BYTES) continue
      const ageMs = now - value.readDoubleBE(0)
      if (ageMs > LIVE_KEPT_MS) continue
      kept.set(field.toString('latin1'), { payload: value.subarray(STAMP_BYTES), ageMs: Math.max(0, ageMs) })
    }
    return [...kept.values()]
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper)
    await Promise.all(Array.from(this.#listeners, (listener) => listener.close()))
    this.#listeners.clear()
  }

  /**
   * Removes stale fields. A field that is renewed in between is lost until its next change: `recall` returns one value
   * less.
   */
  async #sweep(): Promise<void> {
    const oldest = this.#now() - LIVE_KEPT_MS
    try {
      for await (const [field, value] of this.#scan()) {
        const fresh = value.length >= STAMP_BYTES && value.readDoubleBE(0) >= oldest
        if (!fresh) await this.#options.commands.send(HDEL.name, (client) => client.hdel(LATEST_KEY, field))
      }
    } catch (error) {
      this.#options.logger.debug(
        { err: error },
        'stale live values could not be removed; the next attempt follows in an hour',
      )
    }
  }

  /** Reads the hash in steps: HGETALL of 100,000 series would block Redis for some 50 ms. A field may come twice. */
  async *#scan(): AsyncGenerator<readonly [field: Buffer, value: Buffer]> {
    let cursor = '0'
    do {
      const from = cursor
      const [next, pairs]: [Buffer, Buffer[]] = await this.#options.commands.send(HSCAN.name, (client) =>
        client.hscanBuffer(LATEST_KEY, from, 'COUNT', 1000),
      )
      for (let i = 0; i + 1 < pairs.length; i += 2) yield [pairs[i]!, pairs[i + 1]!]
      cursor = next.toString()
    } while (cursor !== '0')
  }
}

function stamped(value: Buffer, nowMs: number): Buffer {
  const stamp = Buffer.allocUnsafe(STAMP_BYTES + value.length)
  stamp.writeDoubleBE(nowMs, 0)
  value.copy(stamp, STAMP_BYTES)
  return stamp
}
