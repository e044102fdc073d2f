/** A run id, and the index of the first sample of the span. */
type Span = readonly [run: string, from: number]

/**
 * The run of each sample of a batch, so that a sample that the store refuses can be traced to its publisher. A span
 * ends where the next begins. Two arrays that are used again: where runs take turns, an object for each span was a
 * quarter of all garbage.
 */
export class RunSpans {
  readonly #runs: string[] = []
  readonly #from: number[] = []
  #count = 0

  constructor(spans: readonly Span[] = []) {
    for (const [run, from] of spans) this.note(run, from)
  }

  /** The samples from `index` on have this run. Costs nothing while the run stays the same. */
  note(run: string, index: number): void {
    if (this.#count > 0 && this.#runs[this.#count - 1] === run) return
    this.#runs[this.#count] = run
    this.#from[this.#count++] = index
  }

  /** '' where no run was noted, and for a negative index: the store did not say which sample it refused. */
  of(index: number): string {
    if (index < 0) return ''
    for (let i = this.#count - 1; i >= 0; i--) if (this.#from[i]! <= index) return this.#runs[i]!
    return ''
  }

  /** Forgets all spans, for the next batch. */
  clear(): void {
    this.#count = 0
  }

  toJSON(): readonly Span[] {
    return Array.from({ length: this.#count }, (_, i) => [this.#runs[i]!, this.#from[i]!])
  }

  /** @throws RangeError or SyntaxError when it is not what `toJSON` gave */
  static parse(text: string): RunSpans {
    const spans: unknown = JSON.parse(text)
    if (!Array.isArray(spans) || !spans.every(isSpan)) throw new RangeError('not the spans of a batch')
    return new RunSpans(spans)
  }
}

function isSpan(value: unknown): value is Span {
  return Array.isArray(value) && typeof value[0] === 'string' && Number.isSafeInteger(value[1])
}
