import type { Series } from '../sample/series.ts'

/** Since when a run sends a series, and until when, by the clock of the run. */
export interface Span {
  readonly run: string
  readonly fromUs: number
  readonly toUs: number
  /** When its first and its last message arrived, by our clock. */
  readonly firstHeardUs: number
  readonly heardUs: number
}

/** The times of a span, by their places. */
const [FROM, TO, FIRST_HEARD, HEARD, TIMES] = [0, 1, 2, 3, 4]

/**
 * The span of the run that sent a series last, for each series of a table: side by side in one array, by the number of
 * the series. A server with 10,000 hosts has 110,000 of them: 40 bytes each, and no object.
 */
export class NewestSpans {
  /** '' where nothing is known. */
  readonly #runs: string[] = []
  #times = new Float64Array(64 * TIMES)

  /** The run that sent a series last. */
  runOf(series: Series): string | undefined {
    return this.#runs[series.number] || undefined
  }

  get(series: Series): Span | undefined {
    const run = this.runOf(series)
    if (run === undefined) return undefined
    const at = series.number * TIMES
    const times = this.#times
    return {
      run,
      fromUs: times[at + FROM]!,
      toUs: times[at + TO]!,
      firstHeardUs: times[at + FIRST_HEARD]!,
      heardUs: times[at + HEARD]!,
    }
  }

  set(series: Series, { run, fromUs, toUs, firstHeardUs, heardUs }: Span): void {
    const { number } = series
    while (this.#runs.length <= number) this.#runs.push('')
    if ((number + 1) * TIMES > this.#times.length) this.#widen((number + 1) * TIMES)
    this.#runs[number] = run
    this.#times.set([fromUs, toUs, firstHeardUs, heardUs], number * TIMES)
  }

  /** The run that sent a series last has sent it again. On the hot path: no allocation. */
  extend(series: Series, atUs: number, nowUs: number): void {
    const at = series.number * TIMES
    if (atUs > this.#times[at + TO]!) this.#times[at + TO] = atUs
    this.#times[at + HEARD] = nowUs
  }

  /** To be called when the table gives a series up: its number will be that of another one. */
  forget({ number }: Series): void {
    if (number < this.#runs.length) this.#runs[number] = ''
  }

  #widen(least: number): void {
    const times = new Float64Array(2 * least)
    times.set(this.#times)
    this.#times = times
  }
}
