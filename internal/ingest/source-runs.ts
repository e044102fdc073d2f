/** A source, and the first of its samples in a row. */
type Run = readonly [source: string, from: number]

/** Which source each sample of a batch came from, so that one that the store refuses can be traced. A run ends where the next begins. */
export class SourceRuns {
  readonly #runs: Run[]
  #newest: string | undefined

  constructor(runs: readonly Run[] = []) {
    this.#runs = [...runs]
    this.#newest = runs.at(-1)?.[0]
  }

  /** From the sample `index` on they are of this source. Costs nothing while it stays the same. */
  note(source: string, index: number): void {
    if (source === this.#newest) return
    this.#newest = source
    this.#runs.push([source, index])
  }

  /** '' where nothing was noted, and for an index that is none. */
  of(index: number): string {
    if (index < 0) return ''
    return this.#runs.findLast(([, from]) => from <= index)?.[0] ?? ''
  }

  toJSON(): readonly Run[] {
    return this.#runs
  }

  /** @throws RangeError when it is not what `toJSON` gave */
  static parse(text: string): SourceRuns {
    const runs: unknown = JSON.parse(text)
    if (!Array.isArray(runs) || !runs.every(isRun)) throw new RangeError('no runs of sources')
    return new SourceRuns(runs)
  }
}

function isRun(value: unknown): value is Run {
  return Array.isArray(value) && typeof value[0] === 'string' && Number.isSafeInteger(value[1])
}
