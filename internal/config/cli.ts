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
Each setting can be a flag (--agent-interval-ms 500ms), a variable (SENTINEL_AGENT_INTERVAL_MS), or an entry of the YAML file that
--config names (agent: { intervalMs: 500ms }). Flags win over variables, variables over the file, the file over defaults.
SIGHUP makes a running program read the file and the files of secrets again. Changes of settings marked ↻ take effect at once, other
changes at the next start.`

const EXIT_CODES = `
Exit codes: 0 success, 1 failure, 2 wrong command line, 78 invalid settings, 130 or 143 ended by a second signal.`

/** Adds the flags of a command. A command has its flags once it is chosen: made for all commands of `sentinel`, they took 0.1 s of each start. */
const FLAGS_TO_COME = new WeakMap<Command, () => void>()

function addFlagsToCome(command: Command): void {
  FLAGS_TO_COME.get(command)?.()
  FLAGS_TO_COME.delete(command)
}

/**
 * Adds `--config` and a flag for every setting of a role, in groups, once `runProgram` has chosen the command. The help shows each
 * default and the variables.
 *
 * @param examples whole command lines, for the end of the help
 * @param uses tells which of the role's settings get a flag, by key; for a command that uses only some of them
 */
export function addSettingFlags(
  command: Command,
  role: Role,
  examples: readonly string[] = [],
  uses: (key: string) => boolean = () => true,
): Command {
  FLAGS_TO_COME.set(command, () => addFlags(command, role, uses))
  const shown = examples.map((example) => `\n  ${example}`).join('')
  return command.addHelpText('after', `${shown === '' ? '' : `\nExamples:${shown}\n`}${FOOTER}`)
}

function addFlags(command: Command, role: Role, uses: (key: string) => boolean): void {
  command.addOption(
    new Option('--config <path>', `the settings file, in YAML (${CONFIG_VARIABLE})`).helpGroup('Options:'),
  )
  for (const [key, setting] of settingsOf(role)) {
    if (!uses(key)) continue
    const group = GROUPS[key.slice(0, key.indexOf('.')) as keyof typeof GROUPS]
    const short = hasShortFlag(setting, role) ? `${setting.shortFlag}, ` : ''
    const option = new Option(`${short}${flagOf(key)} ${setting.placeholder}`, describe(key, setting, role))
    command.addOption(option.helpGroup(`${group}:`))
  }
}

/** `--port` alone is clear where a program has one listener. What only `up` has, nothing else can be taken for. */
function hasShortFlag({ shortFlag, duties }: Setting<unknown>, role: Role): boolean {
  return shortFlag !== undefined && (role.duties.length === 1 || duties?.includes('embed') === true)
}

function describe(key: string, setting: Setting<unknown>, role: Role): string {
  const variables = [variableOf(key), ...setting.alsoFrom].join(', ')
  const mark = setting.reloads ? ' ↻' : ''
  return `${setting.description.replace(/\.$/, '')}${mark} (default: ${defaultInWords(setting, [role])}; ${variables})`
}

/** The values of the flags of a parsed command, by key, for `loadSettings`. */
export function flagValues(command: Command, role: Role): FlagValues {
  const values: Record<string, string> = {}
  const options: Readonly<Record<string, unknown>> = command.optsWithGlobals()
  for (const key of ['config', ...settingsOf(role).map(([name]) => name)]) {
    const value = options[new Option(flagOf(key)).attributeName()]
    // A switch without a value is `true`; every other value is a text.
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
 * Parses the command line, runs the command to its end, and writes to `say` what went wrong.
 *
 * @returns the exit code. It does not touch the `process.exitCode` that an action may have set
 */
export async function runProgram(
  program: Command,
  argv: readonly string[],
  say: (text: string) => void,
): Promise<number> {
  prepare(program)
  addFlagsToCome(program)
  try {
    await program.parseAsync(splitValues(argv), { from: 'user' })
    return EXIT.ok
  } catch (error) {
    // Commander has already written the help, or what is wrong with the command line.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    if (error instanceof ConfigError) {
      say(`${program.name()}: invalid settings:\n${error.problems.map((problem) => `  ${problem}\n`).join('')}`)
      return EXIT.config
    }
    say(`${program.name()}: ${errorText(error)}\n`)
    return EXIT.failed
  }
}

/** Sets what a program and all its subcommands have in common. */
function prepare(command: Command): void {
  command.exitOverride().helpOption('-h, --help', 'show this help').addHelpText('after', EXIT_CODES)
  command.showHelpAfterError('--help shows commands and options')
  command.hook('preSubcommand', (_parent, chosen) => addFlagsToCome(chosen))
  command.on('beforeHelp', () => addFlagsToCome(command))
  if (command.commands.length > 0) command.helpCommand('help [command]', 'show the help of a command')
  for (const subcommand of command.commands) prepare(subcommand)
}

/**
 * Turns `--name=value` into `--name value`: commander's error for an unknown name would show the value, which may be a
 * secret.
 */
function splitValues(argv: readonly string[]): string[] {
  const end = argv.indexOf('--')
  const isOption = (at: number): boolean => end === -1 || at < end
  return argv.flatMap((word, at) => {
    const [, name, value] = (isOption(at) && /^(--[^=]+)=(.*)$/s.exec(word)) || []
    return name === undefined ? [word] : [name, value!]
  })
}
