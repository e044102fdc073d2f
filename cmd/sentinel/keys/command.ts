import { Command, InvalidArgumentError, Option } from 'commander'
import { isScope, SCOPES, type Scope } from '../../../internal/auth/identity.ts'
import { changeKeyFile, isKeyName, type KeyRecord, NAME_RULE, readKeyFile } from '../../../internal/auth/key-file.ts'
import { addSettingFlags, flagValues } from '../../../internal/config/cli.ts'
import { loadSettings } from '../../../internal/config/load.ts'
import { parseDuration } from '../../../internal/config/units.ts'
import { makeKey } from '../../parts/keys.ts'
import { ROLES } from '../../program/roles.ts'
import { print } from '../output.ts'
import { asJson, table } from './text.ts'

interface CreateOptions {
  readonly name: string
  readonly scope: readonly Scope[]
  readonly ends?: Date
  readonly json?: boolean
}

const WANTED = new Set(['auth.keysFile', 'data.path'])

/** Makes keys for the API and the queue, lists them, and takes them back. Programs that run follow at once. */
export function keysCommand(): Command {
  return new Command('keys')
    .description('Makes the keys that the API and the queue ask for, lists them, and revokes them.')
    .addCommand(createCommand())
    .addCommand(listCommand())
    .addCommand(revokeCommand())
}

function createCommand(): Command {
  const command = new Command('create')
    .description('Makes a key and prints it. It is shown this once: the file has only its SHA-256.')
    .requiredOption('--name <name>', `who or what will use it: ${NAME_RULE}`, keyName)
    .addOption(
      new Option('--scope <scopes>', `what it may do: ${SCOPES.join(', ')}, with commas between them`)
        .argParser(scopes)
        .default(['read'], 'read'),
    )
    .option('--ends <time>', 'when it ends: 90d, or a date such as 2027-01-31 (default: never)', endOf)
    .option('--json', 'a JSON object with the key and what is kept of it')
  return withSettings(command, [
    'sentinel keys create --name grafana                              # reads',
    'sentinel keys create --name telegraf --scope write --ends 365d',
    'KEY=$(sentinel keys create --name me --scope read,write,admin)',
  ]).action(async ({ name, scope, ends, json }: CreateOptions) => {
    const file = fileOf(command)
    const { key, record } = makeKey(name, scope, ends)
    await changeKeyFile(file, (records = []) => {
      if (records.some((known) => known.name === name))
        throw new Error(`there is a key ${name} already: revoke it first, or take another name`)
      return [...records, record]
    })
    await print(json ? `${JSON.stringify({ key, ...shown(record) })}\n` : `${key}\n`)
    process.stderr.write(`${name} may ${scope.join(', ')}; it is in ${file}, and the key itself nowhere else\n`)
  })
}

function listCommand(): Command {
  const command = new Command('list')
    .description('Lists the keys: names, scopes and ends, never the keys themselves.')
    .option('--json', 'one JSON object per line')
  return withSettings(command, [
    'sentinel keys list',
    "sentinel keys list --json | jq -r 'select(.ended).name'",
  ]).action(async ({ json }: { json?: boolean }) => {
    const file = fileOf(command)
    const records = (await readKeyFile(file)) ?? []
    if (records.length === 0) process.stderr.write(`no keys in ${file}: "sentinel keys create" makes one\n`)
    else await print(json ? records.map(asJson).join('') : table(records, Date.now()))
  })
}

function revokeCommand(): Command {
  const command = new Command('revoke')
    .description('Revokes keys: programs that run refuse them at once, and end their streams.')
    .argument('<name...>', 'the names of the keys')
  return withSettings(command, ['sentinel keys revoke grafana']).action(async (names: string[]) => {
    const file = fileOf(command)
    await changeKeyFile(file, (records = []) => {
      const unknown = names.filter((name) => !records.some((record) => record.name === name))
      if (unknown.length > 0) throw new Error(`no key is called ${unknown.join(', ')} in ${file}; nothing is revoked`)
      return records.filter(({ name }) => !names.includes(name))
    })
    await print(names.map((name) => `revoked ${name}\n`).join(''))
  })
}

function withSettings(command: Command, examples: readonly string[]): Command {
  return addSettingFlags(command, ROLES.up, examples, (key) => WANTED.has(key))
}

function fileOf(command: Command): string {
  return loadSettings(ROLES.up, flagValues(command, ROLES.up), process.env).settings.auth.keysFile
}

/** What may be seen of a key. */
function shown({ name, scopes: allowed, endsAt }: KeyRecord): object {
  return { name, scopes: allowed, ...(endsAt === undefined ? {} : { endsAt }) }
}

function keyName(text: string): string {
  if (isKeyName(text)) return text
  throw new InvalidArgumentError(`A name has ${NAME_RULE}.`)
}

function scopes(text: string): Scope[] {
  const found = text.split(',').map((word) => word.trim())
  if (found.every(isScope)) return [...new Set(found)]
  throw new InvalidArgumentError(`There are the scopes ${SCOPES.join(', ')}.`)
}

function endOf(text: string): Date {
  const durationMs = /[a-z]$/.test(text) ? parseDuration(text) : undefined
  const end = new Date(durationMs === undefined ? text : Date.now() + durationMs)
  if (/^\d+(-|[.\d]*[a-z])/.test(text) && end.getTime() > Date.now()) return end
  throw new InvalidArgumentError('It is a time to come: 90d, 2027-01-31 or 2027-01-31T12:00:00Z.')
}
