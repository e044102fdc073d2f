import { existsSync } from 'node:fs'

/** Since Node.js 22.15, and not on Windows; the types are of an older one. */
interface Replaceable {
  execve?(file: string, args: readonly string[], env: NodeJS.ProcessEnv): void
}

/** Whether `replaceProcess` can work here. */
export function canReplaceProcess(): boolean {
  return (process as Replaceable).execve !== undefined && existsSync(process.execPath)
}

/**
 * Replaces this process by Node.js with other arguments: the same process id, standard streams and folder, and nothing
 * of the heap or the threads. Returns only where that cannot be done. Node.js refuses after a terminal was closed,
 * because standard streams are missing then.
 */
export function replaceProcess(args: readonly string[], env: NodeJS.ProcessEnv): void {
  if (!canReplaceProcess()) return
  try {
    ;(process as Replaceable).execve!(process.execPath, [process.execPath, ...args], env)
  } catch {
    // The caller goes on as it would without it.
  }
}
