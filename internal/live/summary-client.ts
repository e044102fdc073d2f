import type { Round } from './round.ts'
import { type FeedSink, StreamClient } from './stream-client.ts'

/** What many readings are summed up to, as an event. */
export interface Summary {
  /** The newest event; the same one while nothing changed. */
  event(): Buffer
}

/** A client that wants a summary. The newest one replaces those that it was too slow for, so it is owed nothing. */
export class SummaryClient extends StreamClient {
  readonly #summary: Summary
  #sent: Buffer | undefined

  constructor(sink: FeedSink, summary: Summary) {
    super(sink)
    this.#summary = summary
  }

  begin(nowMs: number): void {
    this.#send(nowMs)
  }

  send(_round: Round, nowMs: number): boolean {
    return this.#send(nowMs)
  }

  wait(): number {
    return 0
  }

  resume(nowMs: number): void {
    this.waitingSinceMs = undefined
    this.#send(nowMs)
  }

  #send(nowMs: number): boolean {
    const event = this.#summary.event()
    if (event === this.#sent) return false
    this.#sent = event
    this.write(event, nowMs)
    return true
  }
}
