import type { MessageHeader } from '../../internal/codec/codec.ts'

export interface Numbered {
  readonly seq: number
  readonly firstSample: number
  readonly sampleCount: number
}

/**
 * A run of a publisher by docs/wire-format.md: each message is numbered, then sent, kept for later, lost on the way, or
 * withdrawn.
 */
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

  /** Takes out the oldest kept message, to be sent or withdrawn. */
  takeKept(): Numbered | undefined {
    return this.#kept.shift()
  }

  withdraw({ sampleCount }: Numbered): void {
    this.withdrawn += sampleCount
    this.#withdrawnMessages++
  }

  /** The header of a message that is sent now. */
  header(message: Numbered): MessageHeader {
    const [kept] = this.#kept
    const oldest = kept !== undefined && kept.seq < message.seq ? kept : message
    return {
      ...{ run: 'a', ...message, sentAt: 1, heldFrom: oldest.seq, heldFirstSample: oldest.firstSample },
      ...{ withdrawnMessages: this.#withdrawnMessages, withdrawnSamples: this.withdrawn },
    }
  }
}
