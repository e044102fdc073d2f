import type { Round } from './round.ts'

/** Takes the bytes for a client, such as a ServerResponse. */
export interface FeedSink {
  /** @returns false when the bytes wait in memory: write no more until the sink has drained */
  write(chunk: Buffer): boolean
  end(chunk: Buffer): void
  destroy(): void
}

/** One client of the feed, whatever it wants to see. While its sink is full, nothing is written to it. */
export abstract class StreamClient {
  /** When its sink became full, ms; undefined while it is ready. */
  waitingSinceMs: number | undefined
  lastWriteMs = 0

  readonly #sink: FeedSink

  constructor(sink: FeedSink) {
    this.#sink = sink
  }

  /** It has just joined: sends the first event. */
  abstract begin(nowMs: number): void
  /** Sends what the round brings it. @returns whether there was anything */
  abstract send(round: Round, nowMs: number): boolean
  /** Notes what the round brings it, because its sink is full. @returns how many readings it will never get */
  abstract wait(round: Round): number
  /** The sink has drained: sends what it missed. */
  abstract resume(nowMs: number): void

  write(chunk: Buffer, nowMs: number): void {
    this.lastWriteMs = nowMs
    if (!this.#sink.write(chunk)) this.waitingSinceMs = nowMs
  }

  end(chunk: Buffer): void {
    this.#sink.end(chunk)
  }

  destroy(): void {
    this.#sink.destroy()
  }
}
