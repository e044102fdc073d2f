import type { MessageHeader } from '../../internal/codec/codec.ts'

export interface Numbered {
  readonly seq: number
  readonly firstSample: number
  readonly sampleCount: number
}

/** A source as docs/wire-format.md says it is: each message is numbered, and then sent, kept for later, lost on the way, or given up. */
export class NumberedSource {
  /** Samples. */
  numbered = 0
  withdrawn = 0
  readonly #kept: Numbered[] = []
  #withdrawnMessages = 0
  #seq = 0

  /** Messages kept. */
  get kept(): number {
    return this.#kept.length
  }

  number(sampleCount: number): Numbered {
    const message = { seq: this.#seq++, firstSample: this.numbered, sampleCount }
    this.numbered += sampleCount
    return message
  }

  keep(message: Numbered): void {
    this.#kept.push(message)
  }

  /** The oldest that is kept, to be sent or given up. */
  takeKept(): Numbered | undefined {
    return this.#kept.shift()
  }

  withdraw({ sampleCount }: Numbered): void {
    this.withdrawn += sampleCount
    this.#withdrawnMessages++
  }

  /** A message as it is sent now. */
  header(message: Numbered): MessageHeader {
    const [kept] = this.#kept
    const oldest = kept !== undefined && kept.seq < message.seq ? kept : message
    return {
      ...{ run: 'a', ...message, sentAt: 1, heldFrom: oldest.seq, heldFirstSample: oldest.firstSample },
      ...{ withdrawnMessages: this.#withdrawnMessages, withdrawnSamples: this.withdrawn },
    }
  }
}
