/** Why nothing of a request is taken. */
export class IntakeError extends Error {
  /**
   * - `full`: what waits has its bound; the sender should come again
   * - `too_large`: the request is over a bound of its own
   * - `bad`: the body cannot be read as what it is said to be
   */
  readonly kind: 'full' | 'too_large' | 'bad'

  constructor(kind: IntakeError['kind'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'IntakeError'
    this.kind = kind
  }
}
