import { Command } from 'ioredis'

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

/** A command in RESP. */
export function commandBytes(...parts: readonly (string | number)[]): Buffer {
  const bulks = parts.map((part) => `$${Buffer.byteLength(`${part}`)}\r\n${part}\r\n`)
  return Buffer.from(`*${parts.length}\r\n${bulks.join('')}`)
}
