import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import type { RedisConnection } from '../redis/connection.ts'
import { serversKey } from './names.ts'

export interface NamesakeOptions {
  readonly keys: readonly string[]
  readonly group: string
  readonly consumer: string
  readonly commands: RedisConnection
  readonly logger: Logger
}

/** What a server that was killed has left goes after this. */
const KEPT_MS = 24 * 3_600_000
/** So many looks without a sign of another process, and there is none. */
const LOOKS = 3

/**
 * Finds another process that reads as the same consumer: two machines of one host name without `broker.consumer`. Redis
 * sees one consumer, so each process would count what the other takes as lost, and one that starts would take what the
 * other has under way.
 *
 * Each process writes a mark of its own under the name of its consumer, every few seconds, and looks whether its last
 * one is still there. Only a process that lives can have replaced it.
 */
export class Namesake {
  readonly #options: NamesakeOptions
  readonly #key: string
  readonly #field: string
  readonly #mark = randomUUID()
  /** The looks that may still show another process: it may have left its mark before it died. */
  #unsureLooks = 0
  #looksSinceSeen = LOOKS

  constructor(options: NamesakeOptions) {
    this.#options = options
    this.#key = serversKey(options.keys[0]!)
    this.#field = `${options.group} ${options.consumer}`
  }

  /** Whether another process was seen of late. */
  get isThere(): boolean {
    return this.#looksSinceSeen < LOOKS
  }

  /** Whether another process may be there that was not seen yet. */
  get isUnsure(): boolean {
    return this.#unsureLooks > 0
  }

  /** To be called before anything is read. Never fails: then the first look tells. */
  async announce(): Promise<void> {
    try {
      if ((await this.#replaceMark()) !== null) this.#unsureLooks = LOOKS
    } catch (err) {
      this.#unsureLooks = LOOKS
      this.#options.logger.debug({ err }, 'whether another server has the same name is not known yet')
    }
  }

  /** @throws BrokerError */
  async look(): Promise<void> {
    const wasThere = this.isThere
    const found = await this.#replaceMark()
    const isOther = found !== null && found !== this.#mark
    this.#looksSinceSeen = isOther ? 0 : this.#looksSinceSeen + 1
    this.#unsureLooks--
    const { consumer, logger } = this.#options
    if (this.isThere && !wasThere) {
      logger.error(
        { consumer },
        'another server reads under the same name: give each server a --broker-consumer of its own. Until then neither can tell what is lost',
      )
    }
    if (!this.isThere && wasThere) logger.info({ consumer }, 'no other server reads under the same name any more')
  }

  /** The next process of this name need not ask itself whether this one lives. */
  async leave(): Promise<void> {
    const { commands, logger } = this.#options
    try {
      if (!this.isThere) await commands.send(`HDEL ${this.#key}`, (client) => client.hdel(this.#key, this.#field))
    } catch (err) {
      logger.debug({ err }, 'the mark of this server stays in Redis')
    }
  }

  /** @returns the mark that was there; null where none was */
  async #replaceMark(): Promise<string | null> {
    const { commands } = this.#options
    const key = this.#key
    const [[found]] = await Promise.all([
      commands.send(`HMGET ${key}`, (client) => client.hmget(key, this.#field)),
      commands.send(`HSET ${key}`, (client) => client.hset(key, this.#field, this.#mark)),
      commands.send(`PEXPIRE ${key}`, (client) => client.pexpire(key, KEPT_MS)),
    ])
    return found ?? null
  }
}
