import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** CPU that a process and those of its children that have ended used so far, µs; known to 10 ms. */
export function cpuUsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const [utime, stime, cutime, cstime] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15)
    .map(Number)
  return ((utime! + stime! + cutime! + cstime!) / TICKS_PER_SECOND) * 1e6
}

/** Memory of a process that is in RAM, MB (10^6 bytes). */
export function rssMBOf(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))!
  return (Number(kib) * 1024) / 1e6
}

/** A program beside this one. It ends with `stop`, and when this process does. */
export interface Helper {
  readonly pid: number
  /** Its first line. */
  readonly line: string
  /** @throws Error when it ends before it prints another one */
  nextLine(): Promise<string>
  stop(): Promise<void>
}

/** Starts a program of this folder (`bare-http`), and waits for its first line. */
export async function startHelper(name: string, args: readonly string[], signal: AbortSignal): Promise<Helper> {
  const file = fileURLToPath(new URL(`${name}-process.mjs`, import.meta.url))
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const kill = (): void => void child.kill('SIGKILL')
  const ended = once(child, 'exit')
  process.once('exit', kill)
  signal.addEventListener('abort', kill, { once: true })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const nextLine = async (): Promise<string> => {
    const { done, value } = await lines.next()
    if (done) throw new Error(`${name} ended before it said what it found`)
    return value
  }
  return {
    pid: child.pid!,
    line: await nextLine(),
    nextLine,
    async stop() {
      kill()
      await ended
      process.removeListener('exit', kill)
      signal.removeEventListener('abort', kill)
    },
  }
}

/** Runs a program of this folder to its end. @returns its first line, which is JSON */
export async function runHelper<T>(name: string, args: readonly string[], signal: AbortSignal): Promise<T> {
  const helper = await startHelper(name, args, signal)
  await helper.stop()
  return JSON.parse(helper.line) as T
}
