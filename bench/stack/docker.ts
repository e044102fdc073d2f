import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)
/** An engine that hangs is none. */
const ANSWER_LIMIT_MS = 15_000

/** @returns what the command prints; rejects with what it says when it fails, or takes too long */
export async function docker(
  args: readonly string[],
  env: Readonly<NodeJS.ProcessEnv>,
  limitMs = ANSWER_LIMIT_MS,
): Promise<string> {
  const { stdout } = await run('docker', args, { env, timeout: limitMs })
  return stdout.trim()
}

/** @returns the first words of Docker Compose: version 2 is a part of `docker`, version 1 a program of its own; or why there is none */
export async function findCompose(env: Readonly<NodeJS.ProcessEnv>): Promise<readonly string[] | string> {
  const answers = async (program: string, ...args: string[]): Promise<boolean> => {
    try {
      await run(program, args, { env, timeout: ANSWER_LIMIT_MS })
      return true
    } catch {
      return false
    }
  }
  if (!(await answers('docker', 'info'))) return 'no Docker engine answers'
  if (await answers('docker', 'compose', 'version')) return ['docker', 'compose']
  if (await answers('docker-compose', 'version')) return ['docker-compose']
  return 'Docker Compose is missing (apt-get install docker-compose)'
}
