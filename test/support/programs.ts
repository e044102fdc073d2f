import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startKeeper } from '../../bench/stack/keeper.ts'
import { until } from './servers.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A built program of the project, running as a process. */
export interface Program {
  readonly pid: number
  /** Its output so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  /** Its log lines, parsed; those that are not JSON are left out. */
  readonly log: () => Array<Record<string, unknown>>
  /** Waits for a log line whose message contains the text. */
  logged(text: string, timeoutMs?: number): Promise<Record<string, unknown>>
  signal(name: NodeJS.Signals): void
  /** The exit code, or the name of the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  /** Sends SIGTERM. @returns its exit code */
  stop(): Promise<number | NodeJS.Signals>
}

export interface ProgramOptions {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** The file of a built program. */
export function mainOf(name: string): string {
  const main = `${ROOT}dist/cmd/${name}/main.js`
  if (!existsSync(main)) throw new Error(`${main} is missing: npm run build`)
  return main
}

/** Starts `dist/cmd/<name>/main.js`. Its environment has none of this process's settings. */
export function startProgram(name: string, options: ProgramOptions = {}): Program {
  return startFile(mainOf(name), name, options)
}

/**
 * Starts any file as a program in the same way. Its data folder is removed when it ends, unless the options set a data
 * path.
 *
 * @param name its name in errors
 */
export function startFile(file: string, name: string, options: ProgramOptions = {}): Program {
  const dataPath = hasDataPath(options) ? '' : mkdtempSync(join(tmpdir(), 'sentinel-data-'))
  const child: ChildProcess = spawn(process.execPath, [file, ...(options.args ?? [])], {
    cwd: options.cwd ?? ROOT,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      ...(dataPath === '' ? {} : { SENTINEL_DATA_PATH: dataPath }),
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // The keeper ends process groups.
    detached: true,
  })
  const keeper = startKeeper(dataPath)
  const { pid } = child
  if (pid !== undefined) keeper.watch(pid)
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('close', (code, signal) => {
      if (pid !== undefined) keeper.forget(pid)
      keeper.release().then(() => resolve(code ?? signal ?? -1))
    })
  })
  const log = (): Array<Record<string, unknown>> => stderr.split('\n').flatMap(parseLine)
  return {
    pid: pid ?? -1,
    stdout: () => stdout,
    stderr: () => stderr,
    log,
    async logged(text, timeoutMs = 20_000) {
      const find = (): Record<string, unknown> | undefined => log().find((line) => String(line.msg).includes(text))
      await until(`${name} logs "${text}"`, () => find() !== undefined || child.exitCode !== null, timeoutMs)
      const line = find()
      if (line === undefined) throw new Error(`${name} ended without logging "${text}":\n${stderr}`)
      return line
    },
    signal: (signal) => void child.kill(signal),
    ended,
    async stop() {
      child.kill('SIGTERM')
      return ended
    },
  }
}

/** Runs a program to its end. */
export async function run(
  name: string,
  options: ProgramOptions = {},
): Promise<{ code: number | NodeJS.Signals; stdout: string; stderr: string }> {
  const program = startProgram(name, options)
  const code = await program.ended
  return { code, stdout: program.stdout(), stderr: program.stderr() }
}

function parseLine(line: string): Array<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? [value as Record<string, unknown>] : []
  } catch {
    return []
  }
}

function hasDataPath({ env = {}, args = [] }: ProgramOptions): boolean {
  return 'SENTINEL_DATA_PATH' in env || args.some((arg) => arg.startsWith('--data-path'))
}
