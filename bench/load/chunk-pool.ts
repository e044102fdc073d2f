const CHUNK_BYTES = 64 * 1024
const MOST_BYTES = 8 * 1024 * 1024
/** Of messages that are large themselves there can be no fewer, or the socket would wait for the writer. */
const FEWEST = 4

/** Buffers to write messages into, used again once the socket has taken what is in them; bounded, so that a slow Redis makes the sender late, not large. */
export class ChunkPool {
  readonly #chunkBytes: number
  readonly #free: Buffer[] = []
  #room: number

  /** @param leastBytes a chunk holds so much at least */
  constructor(leastBytes: number) {
    this.#chunkBytes = Math.max(CHUNK_BYTES, leastBytes)
    this.#room = Math.max(FEWEST, Math.floor(MOST_BYTES / this.#chunkBytes))
  }

  /** Undefined while all are in use. */
  take(): Buffer | undefined {
    const chunk = this.#free.pop()
    if (chunk !== undefined || this.#room === 0) return chunk
    this.#room--
    return Buffer.allocUnsafeSlow(this.#chunkBytes)
  }

  give(chunk: Buffer): void {
    this.#free.push(chunk)
  }
}
