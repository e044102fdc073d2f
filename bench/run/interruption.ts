import { constants } from 'node:os'

/** A signal of the user or the system ended the work. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
  /** 128 + the number of the signal: 130 for Ctrl-C. */
  readonly exitCode: number

  constructor(signal: NodeJS.Signals) {
    super(`ended by ${signal}`)
    this.exitCode = 128 + constants.signals[signal]
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Runs work that ends by itself. (Roles run until a signal: `runUntilSignal`.) The first signal aborts the work, so
 * that it can clean up. A second signal ends the process at once.
 *
 * @param onFirst called at the first signal
 * @throws Interrupted when the work has ended after a signal, also if it succeeded
 */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  onFirst: (signal: NodeJS.Signals) => void,
): Promise<T> {
  const controller = new AbortController()
  const interrupt = (signal: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(new Interrupted(signal).exitCode)
    controller.abort(new Interrupted(signal))
    onFirst(signal)
  }
  for (const signal of SIGNALS) process.on(signal, interrupt)
  try {
    const result = await work(controller.signal)
    controller.signal.throwIfAborted()
    return result
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt)
  }
}
