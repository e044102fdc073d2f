import type { Redis } from 'ioredis'
import { type GenerationHead, nameOf, parseHead, type SnapshotName, type TargetHead } from '../../fabric/generation.ts'
import type { BrokerHealth, BrokerUse, HeadListener, Snapshots } from '../broker.ts'
import { SNAPSHOTS_KEPT_MS } from '../broker.ts'
import { ChannelListener } from './channel-listener.ts'
import type { SharedConnection } from './connection.ts'
import { sendPayload } from './prepared-command.ts'
import { allOf, hdel, hmget, hscan, hset, type NeededRights, pexpire } from './rights.ts'
import { ValueConnection } from './value-connection.ts'

const CHANNEL = 'fabric:announce'
const PUBLISH = `PUBLISH ${CHANNEL}`
/** Fabric and publisher, as JSON → newest head. */
const INDEX = 'fabric:generations'
const [HSET, HDEL, HMGET, HSCAN, PEXPIRE] = [hset(INDEX), hdel(INDEX), hmget(INDEX), hscan(INDEX), pexpire(INDEX)]
/** A larger value would hold up Redis, and every PUBLISH, for over a millisecond. */
const PART_BYTES = 2 ** 20
/** So many parts are under way at once: 26 MB of 100,000 ports would else wait in the memory of the process a second time. */
const PARTS_AT_ONCE = 4
/** An API that is still reading a generation when the next one comes has so long. */
const REPLACED_KEPT_MS = 60_000
const SWEEP_INTERVAL_MS = 3_600_000

/** The rights for the two ends of the way of generations. */
export function snapshotRights(uses: readonly BrokerUse[]): NeededRights {
  const snapshot = { commands: [HSET, HMGET, HSCAN, HDEL, PEXPIRE], publishes: [CHANNEL], subscribes: [] }
  const watch = { commands: [HSCAN, HMGET], publishes: [], subscribes: [CHANNEL] }
  return allOf([...(uses.includes('snapshot') ? [snapshot] : []), ...(uses.includes('watch') ? [watch] : [])])
}

/**
 * Snapshots in Redis, for both engines: a hash for each, with its parts by number, so that putting a part twice changes
 * nothing. A hash of the newest heads, for those who start later, and a channel for those who listen.
 */
export class RedisSnapshots implements Snapshots {
  readonly #options: SharedConnection
  readonly #now: () => number
  readonly #listeners = new Set<ChannelListener>()
  readonly #values: ValueConnection
  #sweptAtMs = Number.NEGATIVE_INFINITY

  constructor(options: SharedConnection) {
    this.#options = options
    this.#values = new ValueConnection({ ...options, purpose: 'snapshots' })
    this.#now = options.now ?? Date.now
  }

  async put(name: SnapshotName, bytes: Buffer): Promise<void> {
    const { commands } = this.#options
    const key = keyOf(name)
    await eachPart(bytes.length, async (part, start, end) => {
      const sent: Array<Promise<unknown>> = [
        commands.send(HSET.name, (client) =>
          sendPayload(client, 'hset', [key, String(part)], bytes.subarray(start, end)),
        ),
      ]
      // At once, so that nothing stays for ever where the process ends in between.
      if (part === 0) sent.push(this.#expire(key, SNAPSHOTS_KEPT_MS))
      await Promise.all(sent)
    })
  }

  async announce(head: GenerationHead): Promise<readonly TargetHead[]> {
    const { commands } = this.#options
    const targets = head.targets.map((target) => ({ target, key: keyOf(nameOf(head, target)) }))
    const kept = await Promise.all(targets.map(({ key }) => this.#expire(key, SNAPSHOTS_KEPT_MS)))
    const missing = targets.filter((_, i) => kept[i] === 0).map(({ target }) => target)
    if (missing.length > 0) return missing
    const field = fieldOf(head.fabric, head.publisher)
    const json = JSON.stringify(head)
    const [before] = await commands.send(HMGET.name, (client) => client.hmget(INDEX, field))
    const keys = new Set(targets.map(({ key }) => key))
    await Promise.all([
      commands.send(HSET.name, (client) => client.hset(INDEX, field, json)),
      this.#expire(INDEX, SNAPSHOTS_KEPT_MS),
      commands.send(PUBLISH, (client) => client.publish(CHANNEL, json)),
      ...keysOf(before)
        .filter((key) => !keys.has(key))
        .map((key) => this.#expire(key, REPLACED_KEPT_MS)),
      this.#sweep(),
    ])
    return []
  }

  async newest(fabric: string, publisher: string): Promise<GenerationHead | undefined> {
    const field = fieldOf(fabric, publisher)
    const [json] = await this.#options.commands.send(HMGET.name, (client) => client.hmget(INDEX, field))
    const head = parseHead(json ?? '')
    return head === undefined || this.#isOver(head) ? undefined : head
  }

  async read(
    name: SnapshotName,
    length: number,
    roomFor = (bytes: number): Buffer => Buffer.allocUnsafeSlow(bytes),
  ): Promise<Buffer | undefined> {
    const key = keyOf(name)
    const bytes = roomFor(length)
    for (let part = 0; part < partsOf(length); part++) {
      const room = bytes.subarray(part * PART_BYTES, (part + 1) * PART_BYTES)
      const ask = (client: Redis): Promise<Array<Buffer | null>> => client.hmgetBuffer(key, String(part))
      if (!(await this.#values.read(HMGET.name, room, ask))) return undefined
    }
    return bytes
  }

  async subscribe(tell: HeadListener): Promise<() => Promise<void>> {
    const { redis, stats, logger } = this.#options
    const listener = new ChannelListener(
      { redis, purpose: 'fabric', logger, stats, cameBack: () => this.#tellNewest(listener, tell) },
      [CHANNEL],
      (payload) => this.#tell(tell, payload.toString(), false),
    )
    this.#listeners.add(listener)
    await listener.connection.whenUp()
    await this.#tellNewest(listener, tell)
    return async () => {
      this.#listeners.delete(listener)
      await listener.close()
    }
  }

  /** Of the first subscriber that is not connected; undefined where all are. */
  health(): BrokerHealth | undefined {
    const healths = Array.from(this.#listeners, ({ connection }) => connection.health())
    return [...healths, ...this.#values.healths].find(({ connected }) => !connected)
  }

  /** To be called when another connection was lost and came back: see `ChannelListener`. */
  follow(lostAtMs: number): void {
    for (const listener of this.#listeners) listener.follow(lostAtMs)
    this.#values.follow(lostAtMs)
  }

  async close(): Promise<void> {
    await Promise.all([...Array.from(this.#listeners, (listener) => listener.close()), this.#values.close()])
    this.#listeners.clear()
  }

  /** What was announced while this subscriber did not listen. Tries until Redis has answered. */
  async #tellNewest(listener: ChannelListener, tell: HeadListener): Promise<void> {
    const { commands, logger } = this.#options
    const isLeft = (): boolean => !this.#listeners.has(listener)
    while (!isLeft()) {
      try {
        await commands.whenUp()
        const heads: string[] = []
        for await (const [, json] of this.#scan()) heads.push(json)
        if (!isLeft()) for (const json of heads) this.#tell(tell, json, true)
        return
      } catch (err) {
        // The connection was lost meanwhile, or is closed, or Redis refuses: its health says so.
        if (commands.up) return logger.debug({ err }, 'the newest generations could not be read')
        if (isLeft()) return
      }
    }
  }

  #tell(tell: HeadListener, json: string, isKept: boolean): void {
    const { logger, stats } = this.#options
    const head = parseHead(json)
    if (head === undefined) {
      stats.headsRefused++
      logger.debug({ announcement: json.slice(0, 200) }, 'an announcement that is none of a generation')
      return
    }
    if (this.#isOver(head)) return
    try {
      tell(head, isKept)
    } catch (error) {
      logger.error({ err: error }, 'a generation was lost because its listener threw an error')
    }
  }

  /** Left over from a publisher that is gone. */
  #isOver(head: GenerationHead): boolean {
    return head.checkedAtUs / 1000 < this.#now() - SNAPSHOTS_KEPT_MS
  }

  #expire(key: string, ms: number): Promise<number> {
    return this.#options.commands.send(PEXPIRE.name, (client) => client.pexpire(key, ms))
  }

  /** Removes the heads of publishers that are gone, once an hour: Redis 7.0 cannot expire single fields of a hash. */
  async #sweep(): Promise<void> {
    if (performance.now() < this.#sweptAtMs + SWEEP_INTERVAL_MS) return
    this.#sweptAtMs = performance.now()
    const oldestUs = (this.#now() - SNAPSHOTS_KEPT_MS) * 1000
    for await (const [field, json] of this.#scan()) {
      if ((parseHead(json)?.checkedAtUs ?? 0) >= oldestUs) continue
      await this.#options.commands.send(HDEL.name, (client) => client.hdel(INDEX, field))
    }
  }

  /** The fields of the index. One may come twice. */
  async *#scan(): AsyncGenerator<readonly [field: string, json: string]> {
    let cursor = '0'
    do {
      const from = cursor
      const [next, pairs] = await this.#options.commands.send(HSCAN.name, (client) =>
        client.hscan(INDEX, from, 'COUNT', 100),
      )
      for (let i = 0; i + 1 < pairs.length; i += 2) yield [pairs[i]!, pairs[i + 1]!]
      cursor = next
    } while (cursor !== '0')
  }
}

/** An empty snapshot has one too. */
function partsOf(length: number): number {
  return Math.max(1, Math.ceil(length / PART_BYTES))
}

/** Calls `take` with each part of so many bytes, some at a time. */
async function eachPart(
  length: number,
  take: (part: number, start: number, end: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const parts = partsOf(length)
  const takeNext = async (): Promise<void> => {
    while (next < parts) {
      const part = next++
      await take(part, part * PART_BYTES, Math.min(length, (part + 1) * PART_BYTES))
    }
  }
  await Promise.all(Array.from({ length: PARTS_AT_ONCE }, takeNext))
}

function fieldOf(fabric: string, publisher: string): string {
  return JSON.stringify([fabric, publisher])
}

function keyOf({ fabric, publisher, target, snapshot }: SnapshotName): string {
  return `fabric:rows:${[fabric, publisher, target, snapshot].map((part) => encodeURIComponent(part.toWellFormed())).join(':')}`
}

function keysOf(json: string | null | undefined): string[] {
  const head = parseHead(json ?? '')
  return head === undefined ? [] : head.targets.map((target) => keyOf(nameOf(head, target)))
}
