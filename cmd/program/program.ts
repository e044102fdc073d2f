import { Command } from 'commander'
import { addSettingFlags, flagValues, runProgram, versionText } from '../../internal/config/cli.ts'
import { EXIT } from '../../internal/config/error.ts'
import { loadSettings } from '../../internal/config/load.ts'
import { endDespiteThreads } from '../../internal/lifecycle/exit.ts'
import type { RoleProgram } from './roles.ts'
import { run } from './run.ts'
import { readVersion } from './version.ts'

/** The command that runs a role: a program by itself, and a subcommand of `sentinel`. */
export function roleCommand(role: RoleProgram): Command {
  const command = new Command(role.name).description(role.description)
  addSettingFlags(command, role, role.examples)
  return command.action(() => run(() => loadSettings(role, flagValues(command, role), process.env), role.open))
}

/** Runs a command as the program of this process. */
export async function main(command: Command): Promise<void> {
  const program = command.name()
  // A reader that has read enough (`| head -1`) closes the pipe, which is not an error. A full disk is one.
  process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE') return
    process.stderr.write(`${program}: cannot write the output: ${message}\n`)
    process.exitCode = EXIT.failed
  })
  process.stderr.on('error', () => {})
  command.version(versionText(program, readVersion()), '--version', 'show the version')
  const code = await runProgram(command, process.argv.slice(2), (text) => void process.stderr.write(text))
  process.exitCode ??= code
  endDespiteThreads()
}
