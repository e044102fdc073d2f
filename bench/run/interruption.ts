import { constants } from 'node:os'

/** The user, or the system, wants the program to end. */
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
 * Runs what has an end of its own, unlike the roles, which `runUntilSignal` is for. The first signal aborts it, so that it can remove what
 * it made; a second one ends the process at once.
 *
 * @param onFirst is told that the first has come
 * @throws Interrupted once the work has ended after a signal, whatever came of it
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
