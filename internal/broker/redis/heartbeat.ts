import type { Redis } from 'ioredis'
import { bytesReadOf } from './read-past.ts'

/**
 * Asks something of the server at each interval. Where nothing has come back since the last time, it breaks the
 * connection: the client then makes a new one.
 */
export class Heartbeat {
  readonly #client: Redis
  readonly #ask: () => Promise<unknown>
  readonly #timer: NodeJS.Timeout
  #asked: { readonly stream: Redis['stream']; readonly bytesRead: number } | undefined

  /** @param ask sends a command; a failure is ignored, because any answer will do */
  constructor(client: Redis, intervalMs: number, ask: () => Promise<unknown>) {
    this.#client = client
    this.#ask = ask
    this.#timer = setInterval(() => this.#beat(), intervalMs).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #beat(): void {
    const { status, stream } = this.#client
    if (status !== 'ready' && status !== 'connect') {
      this.#asked = undefined
      return
    }
    const bytesRead = bytesReadOf(stream)
    if (this.#asked?.stream === stream && this.#asked.bytesRead === bytesRead) {
      // After a long pause of this process the answer waits in the socket, because timers run before sockets: look
      // again.
      setImmediate(() => {
        if (bytesReadOf(stream) === bytesRead) stream.destroy(new Error('no answer to PING'))
      })
      return
    }
    this.#asked = { stream, bytesRead }
    this.#ask().catch(() => {})
  }
}
