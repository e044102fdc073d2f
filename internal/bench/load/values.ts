/** A power of two. More than fits a cache line by line, so that reading them costs the sender and the server what fresh values would. */
const COUNT = 2 ** 16
const STEP = 0.5
const LEAST = 10
const MOST = 99.99
/** A double as text, such as 12.345678901234567. */
export const MAX_VALUE_BYTES = 20

export type ValueKind = 'walk' | 'full'

/**
 * The values of all messages, drawn once: a walk with two decimals, as measured percentages are, or doubles with all their digits, which are the
 * dearest to write. Formatting them for each message would cost the sender more than all the rest (0.2 µs).
 */
export class Values {
  readonly #numbers = new Float64Array(COUNT)
  readonly #text: Buffer
  readonly #ends = new Uint32Array(COUNT + 1)

  /** @param random from 0 to below 1 */
  constructor(kind: ValueKind, random: () => number = Math.random) {
    const texts: string[] = []
    let last = (LEAST + MOST) / 2
    for (let i = 0; i < COUNT; i++) {
      last = kind === 'walk' ? step(last, random()) : LEAST + random() * (MOST - LEAST)
      this.#numbers[i] = last
      const text = String(last)
      texts.push(text)
      this.#ends[i + 1] = this.#ends[i]! + text.length
    }
    this.#text = Buffer.from(texts.join(''), 'latin1')
  }

  /** Goes on from the start at the end. */
  number(index: number): number {
    return this.#numbers[index & (COUNT - 1)]!
  }

  /** Writes the same value as text. @returns where it ends */
  write(index: number, out: Buffer, at: number): number {
    const place = index & (COUNT - 1)
    const text = this.#text
    let to = at
    for (let from = this.#ends[place]!; from < this.#ends[place + 1]!; from++) out[to++] = text[from]!
    return to
  }
}

function step(from: number, random: number): number {
  const next = from + (random * 2 - 1) * STEP
  const within = next < LEAST || next > MOST ? 2 * from - next : next
  return Math.round(within * 100) / 100
}
