/** How long a request may wait for room, ms. Its sender has not sent much of its body by then: nobody reads it. */
const PATIENCE_MS = 5_000

interface Waiting {
  readonly bytes: number
  readonly resolve: (hasRoom: boolean) => void
}

/**
 * Memory for the bodies of requests. A request that finds no room waits, and its body stays in the connection: so the
 * sender feels it. First come, first served.
 */
export class Room {
  readonly #maxBytes: () => number
  #usedBytes = 0
  readonly #waiting: Waiting[] = []

  constructor(maxBytes: () => number) {
    this.#maxBytes = maxBytes
  }

  /** @returns false when there was no room in time. Otherwise `free` is to be called with the same number. */
  async take(bytes: number): Promise<boolean> {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#usedBytes += bytes
      return true
    }
    return new Promise((resolve) => {
      const waiting: Waiting = {
        bytes,
        resolve: (hasRoom) => {
          clearTimeout(timer)
          resolve(hasRoom)
        },
      }
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
        resolve(false)
        this.#admit()
      }, PATIENCE_MS)
      this.#waiting.push(waiting)
    })
  }

  free(bytes: number): void {
    this.#usedBytes -= bytes
    this.#admit()
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift()
      this.#usedBytes += next.bytes
      next.resolve(true)
    }
  }

  /** One that is larger than all the room gets it alone. */
  #fits(bytes: number): boolean {
    return this.#usedBytes === 0 || this.#usedBytes + bytes <= this.#maxBytes()
  }
}
