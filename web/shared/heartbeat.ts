// What belongs to one tick of the agents comes in several events within a few milliseconds: drawn together, it costs one draw.
const GATHER_MS = 120
const SHORTEST_MS = 900
// Longer than the agents' second, so that arriving samples set the pace; without any the page still counts ages on.
const LONGEST_MS = 1200

/** Calls `draw` about once a second: just after samples came, or by itself. */
export class Heartbeat {
  readonly #draw: () => void
  #timer: ReturnType<typeof setTimeout> | undefined
  #drawnAtMs = -Infinity
  #nudged = false

  constructor(draw: () => void) {
    this.#draw = draw
  }

  /** Samples came. */
  nudge(): void {
    if (this.#nudged) return
    this.#nudged = true
    this.#arm(Math.max(GATHER_MS, this.#drawnAtMs + SHORTEST_MS - performance.now()))
  }

  /** Draws now, and then goes on. */
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
