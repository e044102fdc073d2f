const CHUNK_BYTES = 64 * 1024
const MOST_BYTES = 8 * 1024 * 1024
/** The fewest chunks, also where one message is large: with fewer the socket would wait for the sender. */
const FEWEST = 4

/**
 * Buffers for messages. Each is used again when the socket has taken its bytes. Their number is bounded: a slow Redis
 * makes the sender late, not large.
 */
export class ChunkPool {
  readonly #chunkBytes: number
  readonly #free: Buffer[] = []
  #room: number

  /** @param leastBytes the smallest size of a chunk */
  constructor(leastBytes: number) {
    this.#chunkBytes = Math.max(CHUNK_BYTES, leastBytes)
    this.#room = Math.max(FEWEST, Math.floor(MOST_BYTES / this.#chunkBytes))
  }

  /** A chunk to write into; undefined while all are in use. */
  take(): Buffer | undefined {
    const chunk = this.#free.pop()
    if (chunk !== undefined || this.#room === 0) return chunk
    this.#room--
    return Buffer.allocUnsafeSlow(this.#chunkBytes)
  }

  /** Takes a chunk back. */
  give(chunk: Buffer): void {
    this.#free.push(chunk)
  }
}
