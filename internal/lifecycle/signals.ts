import { closeSync } from 'node:fs'
import { constants } from 'node:os'
import { isatty } from 'node:tty'
import type { Logger } from 'pino'
import { exitNow, exitSoon, LINGER_MS } from './exit.ts'

/** The callbacks of a program that runs until a signal. */
export interface Run {
  /** Opens everything. `stop` is called even when a signal arrives before `start` resolves. */
  start(): Promise<void>
  /** Closes everything within the deadline. Called once. Rejects with what failed to close. */
  stop(deadlineMs: number): Promise<void>
  /** Reads the settings again, at SIGHUP without a terminal. May be called while `start` runs, but not after `stop`. */
  reload(): void
  /** How long `stop` may take. Read when the stop begins. */
  readonly deadlineMs: number
  readonly logger: Logger
}

/**
 * Runs a program until a signal ends it. It installs handlers for the whole process: call it once, from a program's
 * main.
 *
 * - SIGTERM or SIGINT stops the program gracefully, with exit code 0.
 * - A second signal ends it immediately, with 128 + the signal's number: 143 or 130.
 * - A stop that fails or misses the deadline ends it with 1. So does one that dropped samples: `stop` sets the code.
 * - An uncaught exception stops it, with exit code 1.
 * - A call that hangs in a thread (a dead NFS server) delays none of these endings.
 * - SIGHUP at a terminal means that the terminal was closed: the program stops as at Ctrl-C (129 at the second signal).
 * - SIGHUP without a terminal means reload, as for every daemon.
 *
 * @throws the error of `start`, after everything that it opened is closed; the caller chooses the exit code
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

  const signalled = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', ...(atTerminal ? ['SIGHUP' as const] : [])] as const) {
      process.on(signal, () => {
        if (stopping !== undefined) {
          logger.warn({ signal }, 'second signal: ending at once; samples that are only in memory may be lost')
          exitNow(128 + constants.signals[signal])
        }
        logger.info({ signal, deadlineMs: run.deadlineMs }, 'stopping; a second signal ends at once')
        if (signal === 'SIGHUP') process.once('exit', () => closeAll(terminals))
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
    process.on('uncaughtException', fail('uncaught exception'))
    process.on('unhandledRejection', fail('unhandled rejection'))
  })

  try {
    // A start that hangs must not hold up the stop.
    await Promise.race([run.start(), signalled])
  } catch (error) {
    if (stopping === undefined) {
      await stop()
      throw error
    }
    logger.debug({ err: error }, 'the stop interrupted the start')
  }
  await signalled
}

async function stopAll(run: Run): Promise<void> {
  const { deadlineMs } = run
  const deadline = setTimeout(() => {
    run.logger.fatal(
      { deadlineMs },
      'not stopped within the deadline: ending at once; samples that are only in memory may be lost',
    )
    exitNow(1)
  }, deadlineMs)
  try {
    await run.stop(deadlineMs)
  } catch (error) {
    run.logger.error({ err: error }, 'some parts failed to stop')
    process.exitCode = 1
  }
  clearTimeout(deadline)
  // After a stop nothing should keep the process alive.
  setTimeout(() => {
    run.logger.warn(
      { keptAliveBy: process.getActiveResourcesInfo() },
      'stopped, but something keeps the process alive: ending it',
    )
    void exitSoon(Number(process.exitCode ?? 0))
  }, LINGER_MS).unref()
}

/**
 * When Node.js exits it resets the terminal, and aborts with a core dump if the terminal is gone. Closed descriptors
 * prevent that.
 */
function closeAll(descriptors: readonly number[]): void {
  for (const descriptor of descriptors) closeSync(descriptor)
}
