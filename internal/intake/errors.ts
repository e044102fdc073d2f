/** What keeps samples that are durable: Redis Streams, or the journal of this process. */
export type KeptBy = 'redis' | 'disk'

/** Why a request is not taken. */
export class IntakeError extends Error {
  /**
   * - `full`: what waits has its bound; the sender should come again
   * - `too_large`: the request is over a bound of its own
   * - `bad`: the body cannot be read as what it is said to be
   * - `not_durable`: neither the broker nor the disk has the samples for certain; sending them again is safe
   */
  readonly kind: 'full' | 'too_large' | 'bad' | 'not_durable'

  constructor(kind: IntakeError['kind'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'IntakeError'
    this.kind = kind
  }
}
