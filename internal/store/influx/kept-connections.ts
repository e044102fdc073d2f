import type { InfluxAnswer, Timeouts } from './exchange.ts'
import { KeptConnection, type Place } from './kept-connection.ts'

/** As many connections to one server as there are posts at the same time. */
export class KeptConnections {
  readonly #place: Place
  readonly #timeouts: Timeouts
  readonly #open = new Set<KeptConnection>()
  readonly #idle: KeptConnection[] = []
  readonly #onIdle = (connection: KeptConnection): void => void this.#idle.push(connection)
  readonly #onClose = (connection: KeptConnection): void => void this.#open.delete(connection)

  constructor(place: Place, timeouts: Timeouts) {
    this.#place = place
    this.#timeouts = timeouts
  }

  /** As `KeptConnection.post`, on one that is open if there is any. */
  post(head: string, body: Buffer, signal: AbortSignal): Promise<InfluxAnswer> {
    return this.#take().post(head, body, signal)
  }

  /** The server has closed one that was idle, so all others may be closed too. */
  closeIdle(): void {
    for (const connection of this.#idle.splice(0)) connection.close()
  }

  close(): void {
    this.#idle.length = 0
    for (const connection of this.#open) connection.close()
  }

  #take(): KeptConnection {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) if (idle.isOpen) return idle
    const connection = new KeptConnection(this.#place, this.#timeouts, this.#onIdle, this.#onClose)
    this.#open.add(connection)
    return connection
  }
}
