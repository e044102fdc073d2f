/**
 * A wait must bring so many messages. It takes the place of as many reads at most, and costs one more turn of the event
 * loop and two commands to the kernel: at 1,000 messages a second, two in a wait, it gained 5 to 10 % of CPU, at 4,000
 * 30 %.
 */
const MIN_GATHERED = 4
/**
 * After a read of so many bytes none waits: some 200 messages, beside which it costs little. It is as much as TLS hands
 * over at once, so under full load nothing waits there either.
 */
const ENOUGH_BYTES = 16 * 1024
/** The rate is that of the last span, of at least so long: two messages that come close together are no rate. */
const SPAN_MS = 20

/**
 * Says after each read of a subscriber's connection whether the next one waits a moment, so that more is read at once.
 *
 * Redis hands on what it has at each turn of its own loop: 25,000 messages a second come in 4,000 pieces. A read costs
 * 20–40 µs besides its messages (waiting for events, the read, the way into JavaScript). With waits of 2 ms there are 450
 * reads, and a message takes three quarters of the CPU. A few messages a second are taken at once, and under full load,
 * where reads are large anyway, nothing waits.
 */
export class Gathering {
  readonly #waitMs: number
  #messages = 0
  #sinceMs: number
  #perMs = 0

  /**
   * @param waitMs how long a wait is; 0: there is none
   * @param nowMs a monotonic clock, as in `waits`
   */
  constructor(waitMs: number, nowMs: number) {
    this.#waitMs = waitMs
    this.#sinceMs = nowMs
  }

  /**
   * @param messages how many the read has brought
   * @param bytes how long it was
   */
  waits(messages: number, bytes: number, nowMs: number): boolean {
    this.#messages += messages
    const spanMs = nowMs - this.#sinceMs
    if (spanMs >= SPAN_MS) {
      this.#perMs = this.#messages / spanMs
      this.#messages = 0
      this.#sinceMs = nowMs
    }
    return bytes < ENOUGH_BYTES && this.#perMs * this.#waitMs >= MIN_GATHERED
  }
}
