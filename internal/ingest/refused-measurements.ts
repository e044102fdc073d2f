/** A measurement that is in use appears in a batch at least once in this time, µs. */
const REMEMBERED_US = 300e6
/** A publisher that makes up names must not fill the memory. */
const MAX_MEASUREMENTS = 100

/** The measurements of which the store takes no sample, though it takes others: a field has another type there. Known for five minutes. */
export class RefusedMeasurements {
  readonly #lastAt = new Map<string, number>()

  /** Notes a measurement that had no sample in a batch that the store took. */
  note(measurement: string, atUs: number): void {
    this.#lastAt.delete(measurement)
    if (this.#lastAt.size >= MAX_MEASUREMENTS) this.#lastAt.delete(this.#lastAt.keys().next().value!)
    this.#lastAt.set(measurement, atUs)
  }

  /** The measurements refused of late. */
  at(nowUs: number): string[] {
    for (const [measurement, atUs] of this.#lastAt) {
      if (atUs < nowUs - REMEMBERED_US) this.#lastAt.delete(measurement)
    }
    return [...this.#lastAt.keys()]
  }
}
