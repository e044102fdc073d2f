import type { RedisConnection } from '../redis/connection.ts'
import { PreparedCommand } from '../redis/prepared-command.ts'
import { bulkOf } from './entry.ts'
import type { Unacked } from './unacked.ts'

/** A round costs about as much as a read. What is not acked in time is only stored once more. */
const ACK_INTERVAL_MS = 250
/** So many entries are acked before. */
const ENOUGH = 4000
/** Redis does nothing else meanwhile: 1 ms. */
const ACKS_A_COMMAND = 2000
/** After a refusal, and while Redis is away, the next round comes this much later. */
const RETRY_MS = 500

export interface AckSenderOptions {
  readonly keys: readonly string[]
  readonly group: string
  readonly commands: RedisConnection
  readonly unacked: Unacked
  /** At so many unacked entries the consumer stops reading. */
  readonly maxUnacked: number
  /** Called when Redis has answered: there may be fewer unacked entries. */
  readonly answered: () => void
}

/**
 * Tells Redis which entries are acked: 250 ms after the first one, or as soon as 4,000 wait. One round sends one XACK
 * a partition, all in one write. A failed XACK is sent again in the next round: acking twice does no harm.
 */
export class AckSender {
  readonly #options: AckSenderOptions
  #timer: NodeJS.Timeout | undefined
  #sending: Promise<boolean> | undefined

  constructor(options: AckSenderOptions) {
    this.#options = options
  }

  /** To be called when entries have been acked. */
  schedule(): void {
    const { unacked, maxUnacked } = this.#options
    const waiting = unacked.ackingCount
    if (waiting === 0) return
    if (waiting >= Math.min(ENOUGH, maxUnacked / 2)) this.#send()
    else this.#sendLater(ACK_INTERVAL_MS)
  }

  /** Sends all acks that wait, unless Redis does not answer. */
  async close(): Promise<void> {
    const { unacked } = this.#options
    clearTimeout(this.#timer)
    while (unacked.ackingCount > 0 && (await this.#send())) clearTimeout(this.#timer)
    clearTimeout(this.#timer)
  }

  #sendLater(waitMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#send()
    }, waitMs).unref()
  }

  /** @returns false when Redis did not take all of them */
  #send(): Promise<boolean> {
    this.#sending ??= this.#sendRound().finally(() => {
      this.#sending = undefined
    })
    return this.#sending
  }

  async #sendRound(): Promise<boolean> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const { keys, group, commands, unacked, answered } = this.#options
    const sent = keys.map(async (key, partition) => {
      const count = Math.min(ACKS_A_COMMAND, unacked.ackingOf(partition))
      if (count === 0) return
      const command = ackCommand(key, group, count, unacked.peekAcking(partition, count))
      await commands.send(`XACK ${key}`, (client) => client.sendCommand(command) as Promise<unknown>)
      unacked.acked(partition, count)
    })
    const results = await Promise.allSettled(sent)
    answered()
    const allTaken = results.every((result) => result.status === 'fulfilled')
    if (unacked.ackingCount > 0) this.#sendLater(allTaken ? ACK_INTERVAL_MS : RETRY_MS)
    return allTaken
  }
}

/** XACK with ids that are bulk strings of RESP already: the client would make strings of them, at twice the cost of all else of an ack. */
function ackCommand(key: string, group: string, count: number, ids: Buffer): PreparedCommand {
  const head = Buffer.from(`*${3 + count}\r\n`)
  return new PreparedCommand('XACK', key, Buffer.concat([head, bulkOf('XACK'), bulkOf(key), bulkOf(group), ids]))
}
