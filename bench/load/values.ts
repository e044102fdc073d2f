/**
 * A power of two. Numbers and texts together exceed any cache, so reading them costs as much as reading fresh values.
 */
const COUNT = 2 ** 16
const LEAST = 10
const MOST = 99.99
/** The largest step of a walk from one value to the next. */
const STEP = 0.5

export type ValueKind = 'walk' | 'full'

/** The digits behind the point. All values have two digits before it, so all texts have one length. */
const DECIMALS: Readonly<Record<ValueKind, number>> = { walk: 2, full: 14 }

/**
 * The values of all messages, drawn once: a walk with two decimals, like measured percentages, or doubles of sixteen
 * digits, which cost the most to write. Formatting them for each message would cost the sender more than all its other
 * work (0.2 µs).
 */
export class Values {
  /** The length of each text. */
  readonly textBytes: number
  readonly #numbers = new Float64Array(COUNT)
  readonly #texts: Buffer

  /** @param random returns a number from 0 to below 1 */
  constructor(kind: ValueKind, random: () => number = Math.random) {
    this.textBytes = 3 + DECIMALS[kind]
    this.#texts = Buffer.allocUnsafe(COUNT * this.textBytes)
    let value = (LEAST + MOST) / 2
    for (let i = 0; i < COUNT; i++) {
      value = kind === 'walk' ? step(value, random()) : LEAST + random() * (MOST - LEAST)
      const text = value.toFixed(DECIMALS[kind])
      this.#numbers[i] = Number(text)
      this.#texts.write(text, i * this.textBytes, 'latin1')
    }
  }

  /** @param index from 0; after the last value the first one follows */
  number(index: number): number {
    return this.#numbers[index & (COUNT - 1)]!
  }

  /** Writes the same value as text. For so few bytes a loop costs less than a call of `copy`. */
  writeText(index: number, out: Buffer, at: number): void {
    const from = (index & (COUNT - 1)) * this.textBytes
    for (let i = 0; i < this.textBytes; i++) out[at + i] = this.#texts[from + i]!
  }
}

function step(from: number, random: number): number {
  const next = from + (random * 2 - 1) * STEP
  return next < LEAST || next > MOST ? 2 * from - next : next
}
