interface Reading {
  readonly offsetMs: number
  readonly roundTripMs: number
}

const READINGS_KEPT = 8

/** A clock that is off by less is not spoken of: samples may take that long. */
const NOTICED_OFFSET_MS = 10_000

/** The offset of a host's clock, in whole seconds as ms; 0 where it is unknown, or too small to matter. */
export function noticedOffset(offsetMs: number | null): number {
  const offset = offsetMs ?? 0
  return Math.abs(offset) < NOTICED_OFFSET_MS ? 0 : Math.round(offset / 1000) * 1000
}

/**
 * The clock of the server, so that ages are right on a computer whose own clock is wrong. It compares the server's `now` with the
 * middle of the round trip, and uses the quickest of the last eight: the error is at most half of that round trip.
 */
export class ServerClock {
  #readings: Reading[] = []
  #offsetMs = performance.timeOrigin

  /** Milliseconds since the Unix epoch, by the clock of the server. */
  now(): number {
    return performance.now() + this.#offsetMs
  }

  /** Both times of the round trip are those of `performance.now()`. */
  observe(serverNowUs: number, sentAtMs: number, receivedAtMs: number): void {
    const roundTripMs = receivedAtMs - sentAtMs
    const reading = { offsetMs: serverNowUs / 1000 - (sentAtMs + receivedAtMs) / 2, roundTripMs }
    // No round trip explains such a difference: somebody set one of the clocks, or this computer slept.
    if (Math.abs(reading.offsetMs - this.#offsetMs) > 1000 + roundTripMs) this.#readings = []
    this.#readings.push(reading)
    if (this.#readings.length > READINGS_KEPT) this.#readings.shift()
    this.#offsetMs = this.#readings.reduce((best, next) => (next.roundTripMs < best.roundTripMs ? next : best)).offsetMs
  }
}
