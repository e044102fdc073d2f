import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)
/** An engine that takes longer counts as absent. */
const ANSWER_LIMIT_MS = 15_000

/** @returns the output of the command; rejects with its error text if it fails or takes too long */
export async function docker(
  args: readonly string[],
  env: Readonly<NodeJS.ProcessEnv>,
  limitMs = ANSWER_LIMIT_MS,
): Promise<string> {
  const { stdout } = await run('docker', args, { env, timeout: limitMs })
  return stdout.trim()
}

/**
 * @returns the first words of the Docker Compose command (version 2 is a subcommand of `docker`, version 1 a separate
 *   program), or why there is no Compose
 */
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
