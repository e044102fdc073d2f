/** A source, and the first of its samples in a row. */
type Run = readonly [source: string, from: number]

/**
 * Which source each sample of a batch came from, so that one that the store refuses can be traced. A run ends where the next begins. Two arrays that
 * are used again: where sources take turns, an object a run was a quarter of all garbage.
 */
export class RunSpans {
  readonly #sources: string[] = []
  readonly #from: number[] = []
  #count = 0

  constructor(runs: readonly Run[] = []) {
    for (const [source, from] of runs) this.note(source, from)
  }

  /** From the sample `index` on they are of this source. Costs nothing while it stays the same. */
  note(source: string, index: number): void {
    if (this.#count > 0 && this.#sources[this.#count - 1] === source) return
    this.#sources[this.#count] = source
    this.#from[this.#count++] = index
  }

  /** '' where nothing was noted, and for an index that is none. */
  of(index: number): string {
    if (index < 0) return ''
    for (let i = this.#count - 1; i >= 0; i--) if (this.#from[i]! <= index) return this.#sources[i]!
    return ''
  }

  /** For the next batch. */
  clear(): void {
    this.#count = 0
  }

  toJSON(): readonly Run[] {
    return Array.from({ length: this.#count }, (_, i) => [this.#sources[i]!, this.#from[i]!])
  }

  /** @throws RangeError when it is not what `toJSON` gave */
  static parse(text: string): RunSpans {
    const runs: unknown = JSON.parse(text)
    if (!Array.isArray(runs) || !runs.every(isRun)) throw new RangeError('no runs of sources')
    return new RunSpans(runs)
  }
}

function isRun(value: unknown): value is Run {
  return Array.isArray(value) && typeof value[0] === 'string' && Number.isSafeInteger(value[1])
}
