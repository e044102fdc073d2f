import { type Command, CommanderError, Option } from 'commander'
import { errorText } from '../text/error-text.ts'
import { defaultInWords } from './describe.ts'
import { ConfigError, EXIT } from './error.ts'
import { flagOf, variableOf } from './names.ts'
import type { Role } from './role.ts'
import type { Setting } from './setting.ts'
import { GROUPS, settingsOf } from './settings.ts'
import { CONFIG_VARIABLE, type FlagValues } from './written.ts'

const FOOTER = `
Each setting can be written as a flag (--agent-interval-ms 500ms), as a variable (SENTINEL_AGENT_INTERVAL_MS), or in a YAML file
(agent: { intervalMs: 500ms }) given by --config. Flags win over variables, variables over the file, the file over defaults.
SIGHUP reads the file and all files of secrets again. What is marked ↻ takes effect at once, the rest at the next start.`

const EXIT_CODES = `
Exit codes: 0 ended well, 1 failed, 2 wrong command line, 78 settings that cannot work; 130 and 143 ended by a second signal.`

/**
 * Adds --config and a flag for every setting of a role, grouped, each with its default and its variables.
 *
 * @param examples whole command lines, for the end of the help
 * @param uses says of a key whether a program that is no role itself uses that setting of the role; the others get no flag
 */
export function addSettingFlags(
  command: Command,
  role: Role,
  examples: readonly string[] = [],
  uses: (key: string) => boolean = () => true,
): Command {
  command.addOption(new Option('--config <path>', `a YAML file of settings (${CONFIG_VARIABLE})`).helpGroup('Options:'))
  for (const [key, setting] of settingsOf(role)) {
    if (!uses(key)) continue
    const group = GROUPS[key.slice(0, key.indexOf('.')) as keyof typeof GROUPS]
    const option = new Option(`${flagOf(key)} ${setting.placeholder}`, describe(key, setting, role)).helpGroup(
      `${group}:`,
    )
    command.addOption(option)
  }
  const shown = examples.map((example) => `\n  ${example}`).join('')
  return command.addHelpText('after', `${shown === '' ? '' : `\nExamples:${shown}\n`}${FOOTER}`)
}

function describe(key: string, setting: Setting<unknown>, role: Role): string {
  const variables = [variableOf(key), ...setting.alsoFrom].join(', ')
  const mark = setting.reloads ? ' ↻' : ''
  return `${setting.description.replace(/\.$/, '')}${mark} (default: ${defaultInWords(setting, [role])}; ${variables})`
}

/** What the command line of a parsed command says, by key, for `loadSettings`. */
export function flagValues(command: Command, role: Role): FlagValues {
  const values: Record<string, string> = {}
  const options: Readonly<Record<string, unknown>> = command.optsWithGlobals()
  for (const key of ['config', ...settingsOf(role).map(([name]) => name)]) {
    const value = options[new Option(flagOf(key)).attributeName()]
    // A switch without a value is `true`, everything else a text.
    if (typeof value === 'string' || value === true) values[key] = String(value)
  }
  return values
}

/** `sentinel 1.2.0 (commit 1a2b3c4, Node.js v20.20.2)`. */
export function versionText(program: string, version: string, commit?: string): string {
  const origin = commit === undefined || commit === '' ? '' : `commit ${commit.slice(0, 7)}, `
  return `${program} ${version} (${origin}Node.js ${process.version})`
}

/**
 * Runs a program's commands to their end, and says on stderr in words what went wrong.
 *
 * @returns the exit code; what an action set as `process.exitCode` is left alone
 */
export async function runProgram(
  program: Command,
  argv: readonly string[],
  say: (text: string) => void,
): Promise<number> {
  prepare(program)
  try {
    await program.parseAsync(inTwoWords(argv), { from: 'user' })
    return EXIT.ok
  } catch (error) {
    // Commander has said by itself what is wrong with the command line, and shown the help where that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    if (error instanceof ConfigError) {
      say(
        `${program.name()}: these settings cannot work:\n${error.problems.map((problem) => `  ${problem}\n`).join('')}`,
      )
      return EXIT.config
    }
    say(`${program.name()}: ${errorText(error)}\n`)
    return EXIT.failed
  }
}

/** What is the same for a program and all of its subcommands. */
function prepare(command: Command): void {
  command.exitOverride().helpOption('-h, --help', 'show this help').addHelpText('after', EXIT_CODES)
  command.showHelpAfterError('--help shows what there is')
  if (command.commands.length > 0) command.helpCommand('help [command]', 'show the help of a command')
  for (const subcommand of command.commands) prepare(subcommand)
}

/** `--name=value` as `--name value`: of a name that it does not know commander would show the value too, which may be a secret. */
function inTwoWords(argv: readonly string[]): string[] {
  const end = argv.indexOf('--')
  const isOption = (at: number): boolean => end === -1 || at < end
  return argv.flatMap((word, at) => {
    const [, name, value] = (isOption(at) && /^(--[^=]+)=(.*)$/s.exec(word)) || []
    return name === undefined ? [word] : [name, value!]
  })
}
