import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { BrokerError, type BrokerHealth } from '../broker.ts'
import { type ConnectionOptions, RedisConnection } from './connection.ts'
import { isReply } from './problem.ts'
import { ValueScanner } from './value-scanner.ts'

type Options = Pick<ConnectionOptions, 'redis' | 'purpose' | 'logger' | 'stats'>
type Ask = (client: Redis) => Promise<Array<Buffer | null>>

/**
 * Reads large values of hashes, one after the other, to where they belong: over a connection of its own, so that no
 * other reply waits behind them. It is opened with the first one.
 */
export class ValueConnection {
  readonly #options: Options
  #connection: RedisConnection | undefined
  #scanner: ValueScanner | undefined
  #last: Promise<unknown> = Promise.resolve()
  #isClosed = false

  constructor({ redis, purpose, logger, stats }: Options) {
    this.#options = { redis, purpose, logger, stats }
  }

  /**
   * Stays pending while Redis is away.
   *
   * @param name the command, as in `RedisConnection.send`
   * @param room for the value, which fills it
   * @param ask sends a command that asks for one field of a hash
   * @returns whether it is there, and as long as that
   * @throws BrokerError where Redis refuses it, or this is closed
   */
  read(name: string, room: Buffer, ask: Ask): Promise<boolean> {
    const read = this.#last.then(() => this.#read(name, room, ask))
    this.#last = read.catch(() => {})
    return read
  }

  /** Of the connection, once there is one. */
  get healths(): BrokerHealth[] {
    return this.#connection === undefined ? [] : [this.#connection.health()]
  }

  /** To be called when another connection was lost and came back: it may lead to another Redis by now. */
  follow(lostAtMs: number): void {
    const connection = this.#connection
    if (connection?.up && connection.upSinceMs <= lostAtMs)
      connection.renew(
        new Error('another connection was lost: connecting again too, because the master may have moved'),
      )
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#connection?.close()
  }

  async #read(name: string, room: Buffer, ask: Ask): Promise<boolean> {
    for (;;) {
      const connection = this.#open()
      await connection.whenUp()
      this.#scanner!.room = room
      try {
        const [found] = await connection.send(name, ask)
        return found !== null
      } catch (error) {
        if (this.#isClosed || isReply((error as BrokerError).cause)) throw error
        // The connection ended meanwhile, and its state follows in a moment. To read twice changes nothing.
        await nextTurn()
      } finally {
        this.#scanner!.room = undefined
      }
    }
  }

  #open(): RedisConnection {
    if (this.#isClosed) throw new BrokerError('not_sent', 'the broker is closed')
    this.#connection ??= new RedisConnection({
      ...this.#options,
      newReader: (passOn) => {
        this.#scanner = new ValueScanner(passOn)
        return this.#scanner
      },
    })
    return this.#connection
  }
}
