import { closeSync } from 'node:fs'
import { constants } from 'node:os'
import { isatty } from 'node:tty'
import type { Logger } from 'pino'

export interface Run {
  /** Opens everything. A signal may come before it resolves: `stop` is called all the same. */
  start(): Promise<void>
  /** Ends everything within the deadline; called once. Rejects with what could not be ended well. */
  stop(deadlineMs: number): Promise<void>
  /** Reads the settings again: SIGHUP, where no terminal is. It may come while `start` runs, and comes no more once `stop` is called. */
  reload(): void
  /** Looked at when the stop begins. */
  readonly deadlineMs: number
  readonly logger: Logger
}

/** After a clean stop nothing should be left to keep the process alive; after this long, what does is named and ended. */
const LINGER_MS = 1000

/**
 * Runs a program until it is told to end: SIGTERM or SIGINT stops it gracefully (exit code 0), a second one ends it at once (128 +
 * the signal's number: 143, 130), a stop that fails or misses the deadline ends it with 1, and so does an exception that nobody
 * caught, after a try at stopping. It takes the process over: call it once, from a program's main.
 *
 * SIGHUP has two meanings. To a process at a terminal it says that the terminal was closed: that drains like Ctrl-C, for samples
 * on their way are worth as much (129 at the second). To a process without one it says, as to every daemon, to reload.
 *
 * @throws what `start` threw, once all that it had opened is stopped; the exit code is then the caller's to choose
 */
export async function runUntilSignal(run: Run): Promise<void> {
  const { logger } = run
  const terminals = [0, 1, 2].filter((descriptor) => isatty(descriptor))
  const atTerminal = terminals.length > 0
  let stopping: Promise<void> | undefined

  const stop = (): Promise<void> => {
    stopping ??= stopAll(run)
    return stopping
  }

  const told = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', ...(atTerminal ? ['SIGHUP' as const] : [])] as const) {
      process.on(signal, () => {
        if (stopping !== undefined) {
          logger.warn({ signal }, 'second signal: ending at once, what is still held is lost')
          process.exit(128 + constants.signals[signal])
        }
        logger.info({ signal, deadlineMs: run.deadlineMs }, 'stopping; a second signal ends at once')
        if (signal === 'SIGHUP') process.once('exit', () => letGoOf(terminals))
        process.exitCode ??= 0
        stop().then(resolve)
      })
    }
    if (!atTerminal) {
      process.on('SIGHUP', () => {
        if (stopping === undefined) run.reload()
      })
    }
    const fail = (what: string) => (error: unknown) => {
      logger.fatal({ err: error }, what)
      process.exitCode = 1
      stop().then(resolve)
    }
    process.on('uncaughtException', fail('an exception that nobody caught'))
    process.on('unhandledRejection', fail('a rejection that nobody caught'))
  })

  try {
    // Whoever was told to end need not wait for a start that hangs.
    await Promise.race([run.start(), told])
  } catch (error) {
    if (stopping === undefined) {
      await stop()
      throw error
    }
    logger.debug({ err: error }, 'the start was cut off by the stop')
  }
  await told
}

async function stopAll(run: Run): Promise<void> {
  const { deadlineMs } = run
  const deadline = setTimeout(() => {
    run.logger.fatal({ deadlineMs }, 'not stopped within the deadline: ending with what is still held')
    process.exit(1)
  }, deadlineMs)
  try {
    await run.stop(deadlineMs)
  } catch (error) {
    run.logger.error({ err: error }, 'not everything stopped well')
    process.exitCode = 1
  }
  clearTimeout(deadline)
  setTimeout(() => {
    run.logger.warn({ heldBy: process.getActiveResourcesInfo() }, 'stopped, but something holds the process: ending it')
    process.exit()
  }, LINGER_MS).unref()
}

/** At its end Node.js resets the terminal, and aborts with a core dump where that is gone: unless the descriptors are closed. */
function letGoOf(descriptors: readonly number[]): void {
  for (const descriptor of descriptors) closeSync(descriptor)
}
