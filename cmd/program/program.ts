import { Command } from 'commander'
import { addSettingFlags, flagValues, runProgram, versionText } from '../../internal/config/cli.ts'
import { EXIT } from '../../internal/config/error.ts'
import { loadSettings } from '../../internal/config/load.ts'
import type { Role } from '../../internal/config/setting.ts'
import type { Context } from './context.ts'
import { run } from './run.ts'
import { readVersion } from './version.ts'

export interface RoleProgram {
  readonly role: Role
  readonly description: string
  readonly examples: readonly string[]
  /**
   * Opens the role's parts, each pushing its undo. It imports them itself, so that a program loads what it runs and no more: an agent
   * with DuckDB and the API in memory was 40 MB larger and started half a second later.
   */
  open(context: Context): Promise<void>
}

/** A long-running role as a command: by itself a program, under `sentinel` a subcommand. */
export function roleCommand({ role, description, examples, open }: RoleProgram): Command {
  const command = new Command(role).description(description)
  addSettingFlags(command, role, examples)
  return command.action(() => run(() => loadSettings(role, flagValues(command, role), process.env), open))
}

/** Runs a command as the program of this process. */
export async function main(command: Command): Promise<void> {
  const program = command.name()
  // Whoever reads may have had enough (`| head -1`), and nobody need be told. That the disk is full is another matter.
  process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE') return
    process.stderr.write(`${program}: what it shows cannot be written: ${message}\n`)
    process.exitCode = EXIT.failed
  })
  process.stderr.on('error', () => {})
  command.version(versionText(program, readVersion()), '--version', 'show the version')
  const code = await runProgram(command, process.argv.slice(2), (text) => void process.stderr.write(text))
  process.exitCode ??= code
}
