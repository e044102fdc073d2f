import type { Writable } from 'node:stream'
import { Command, type Redis } from 'ioredis'

/** A command whose bytes are there already: the client would make a string of them, argument by argument. */
export class PreparedCommand extends Command {
  readonly #bytes: Buffer

  /** @param bytes the whole command in RESP; the key is for what the client says of it */
  constructor(name: string, key: string, bytes: Buffer) {
    super(name, [key])
    this.#bytes = bytes
  }

  override toWritable(): Buffer {
    return this.#bytes
  }
}

/** Below it a copy costs less than two more pieces in a write. */
const LARGE_BYTES = 64 * 1024

/**
 * Sends a command whose last argument may be large.
 *
 * @param args those before it
 * @returns the reply
 */
export function sendPayload<T>(client: Redis, name: string, args: readonly string[], payload: Buffer): Promise<T> {
  const command =
    payload.length < LARGE_BYTES
      ? new Command(name, [...args, payload], { replyEncoding: 'utf8' })
      : new LargeCommand(name, args, payload)
  return client.sendCommand(command) as Promise<T>
}

/** Its last argument is written from where it is: the client would copy it, and V8 learns late of such copies, which lie outside of the heap. */
class LargeCommand extends Command {
  readonly #payload: Buffer

  constructor(name: string, args: readonly string[], payload: Buffer) {
    super(name, [...args], { replyEncoding: 'utf8' })
    this.#payload = payload
  }

  override toWritable(stream: Writable): string {
    const bulks = [this.name, ...this.args].map((part) => `$${Buffer.byteLength(`${part}`)}\r\n${part}\r\n`)
    stream.write(`*${bulks.length + 1}\r\n${bulks.join('')}$${this.#payload.length}\r\n`)
    stream.write(this.#payload)
    return '\r\n'
  }
}

/** A command in RESP. */
export function commandBytes(...parts: readonly (string | number)[]): Buffer {
  const bulks = parts.map((part) => `$${Buffer.byteLength(`${part}`)}\r\n${part}\r\n`)
  return Buffer.from(`*${parts.length}\r\n${bulks.join('')}`)
}
