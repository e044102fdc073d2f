import { setTimeout as sleep } from 'node:timers/promises'
import { canReplaceProcess, replaceProcess } from './replace.ts'

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
  if (canReplaceProcess()) {
    process.emit('exit', code)
    replaceProcess(['--eval', `process.exit(${code})`], {})
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
  const untilMs = performance.now() + SLOW_THREAD_MS
  while (!canReplaceProcess() && isWaitingForAThread() && performance.now() < untilMs) await sleep(50)
  return exitNow(code)
}
