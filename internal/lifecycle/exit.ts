import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Since Node.js 22.15; the types are of an older one. */
interface Replaceable {
  execve?(file: string, args: readonly string[], env: Readonly<Record<string, string>>): void
}

/** Requests of Node's own that wait for a thread of the pool, as `process.getActiveResourcesInfo` calls them. */
const IN_A_THREAD = /^(FSReq|FileHandle|GetAddrInfoReq|GetNameInfoReq)/

function isWaitingForAThread(): boolean {
  return process.getActiveResourcesInfo().some((name) => IN_A_THREAD.test(name))
}

/** How long a program that has done its work may wait for what it began. */
export const LINGER_MS = 1000

/**
 * Lets a command end that has done its work: it would wait for ever for a call that hangs in a thread, such as the
 * question of `doctor` to a dead NFS server.
 */
export function endDespiteThreads(): void {
  setTimeout(() => {
    if (isWaitingForAThread()) exitNow(Number(process.exitCode ?? 0))
  }, LINGER_MS).unref()
}

/**
 * Ends this process at once, whatever its threads do.
 *
 * `process.exit` waits for the threads of libuv's pool (uv_library_shutdown, libuv issue 364). One that asks a dead NFS
 * server never comes back: the process stayed, heard no signal any more, and kept its lock. The kernel ends all threads
 * when a process is replaced by another program. Node itself is the program that is always there, and it gives the exit
 * code. A Node.js that cannot do this is killed while a thread hangs, and its exit code is that of SIGKILL.
 */
export function exitNow(code: number): never {
  const { execve } = process as Replaceable
  if (execve !== undefined && existsSync(process.execPath)) {
    process.emit('exit', code)
    try {
      execve.call(process, process.execPath, [process.execPath, '--eval', `process.exit(${code})`], {})
    } catch {
      // It refuses after a terminal was closed, because standard streams are missing then.
    }
  }
  if (!isWaitingForAThread()) process.exit(code)
  process.kill(process.pid, 'SIGKILL')
  // The first process of a container ignores its own SIGKILL.
  return process.abort()
}

/** A slow disk is no dead server. */
const SLOW_THREAD_MS = 5_000

/**
 * Ends this process once its threads have ended. Those that hang delay it by 5 s at most, and not at all where `exitNow`
 * can give the exit code.
 */
export async function exitSoon(code: number): Promise<never> {
  const { execve } = process as Replaceable
  const untilMs = performance.now() + SLOW_THREAD_MS
  while (execve === undefined && isWaitingForAThread() && performance.now() < untilMs) await sleep(50)
  return exitNow(code)
}
