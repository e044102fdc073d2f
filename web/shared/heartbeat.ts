// The samples of one tick come in several events within a few milliseconds. Waiting for all of them saves draws.
const GATHER_MS = 120
const SHORTEST_MS = 900
// Longer than the second of the agents, so that arriving samples set the pace. Without samples the ages still grow on the page.
const LONGEST_MS = 1200

/** Calls `draw` about once a second: soon after samples came, or by itself. */
export class Heartbeat {
  readonly #draw: () => void
  #timer: ReturnType<typeof setTimeout> | undefined
  #drawnAtMs = -Infinity
  #nudged = false

  constructor(draw: () => void) {
    this.#draw = draw
  }

  /** Says that samples came: draws soon, but at most about once a second. */
  nudge(): void {
    if (this.#nudged) return
    this.#nudged = true
    this.#arm(Math.max(GATHER_MS, this.#drawnAtMs + SHORTEST_MS - performance.now()))
  }

  /** Draws now, and about once a second from then on. */
  beat(): void {
    this.#nudged = false
    this.#drawnAtMs = performance.now()
    this.#arm(LONGEST_MS)
    this.#draw()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#nudged = false
  }

  #arm(delayMs: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.beat(), delayMs)
  }
}
