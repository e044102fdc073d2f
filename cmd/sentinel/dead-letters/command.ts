import { join } from 'node:path'
import { Command } from 'commander'
import { addSettingFlags, flagValues } from '../../../internal/config/cli.ts'
import { type LoadedSettings, loadSettings } from '../../../internal/config/load.ts'
import { type LetterFolder, markDone, removeDone, type StoredLetter } from '../../../internal/dead-letters/reader.ts'
import { folderOwner } from '../../../internal/spool/folder-lock.ts'
import { Redactor } from '../../../internal/text/redactor.ts'
import { dataFolder } from '../../parts/data-folder.ts'
import { ROLES } from '../../program/roles.ts'
import { OutputClosed, Progress, print } from '../output.ts'
import {
  addLimit,
  addSelection,
  allLetters,
  letterId,
  OF_AGENT,
  type Selection,
  select,
  selectsAll,
} from './selection.ts'
import { asJson, details, rowOf, table } from './text.ts'

const DEFAULT_LIMIT = 100
/** Columns of the table when the output is not a terminal. */
const DEFAULT_WIDTH = 160
/** A purge marks this many letters with one write. An interrupted purge has thrown away what it marked. */
const MARK_BATCH = 10_000

interface Options extends Selection {
  readonly limit?: number
  readonly json?: boolean
  readonly all?: boolean
  readonly raw?: boolean
}

/** The letters of the server, and those of the agent, that the settings name. */
interface Letters {
  readonly loaded: LoadedSettings
  /** The lock of whoever writes to a folder is in the one above. */
  readonly folders: ReadonlyArray<Required<LetterFolder>>
}

/** Shows dead letters, writes them to the store again, or throws them away. Works while the server runs. */
export function deadLettersCommand(): Command {
  return new Command('dead-letters')
    .description('Shows what a server or an agent refused and why, writes it to the store again, or throws it away.')
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(replayCommand())
    .addCommand(purgeCommand())
}

function listCommand(): Command {
  const command = new Command('list').description('Lists dead letters, the newest last.')
  addLimit(addSelection(command), `the most letters to list, the newest; 0 for all (default: ${DEFAULT_LIMIT})`)
  command.option('--json', 'one JSON object per line, with the whole payload')
  return withSettings(command, ['sentinel dead-letters list --reason field_type --since 1h']).action(
    quietly(async (ids: string[] = [], options: Options) => list(lettersOf(command), ids, options)),
  )
}

function showCommand(): Command {
  const command = new Command('show')
    .description('Shows everything about one dead letter.')
    .argument('<id>', 'the id of the letter', letterId)
    .option('--raw', 'only the payload, as it arrived')
    .option('--json', 'a JSON object')
  return withSettings(command, ['sentinel dead-letters show 42 --raw > message.bin']).action(
    quietly(async (id: string, options: Options) => show(lettersOf(command), id, options)),
  )
}

function replayCommand(): Command {
  const command = new Command('replay').description(
    'Writes dead letters to the store again, and removes those that the store accepts. Exit code 1 when some are refused again.',
  )
  addLimit(addSelection(command), 'the most letters, the oldest')
  command.option('--json', 'one JSON object per line: the outcome of each letter')
  return withSettings(command, ['INFLUX_URL=http://10.0.0.6:8086 sentinel dead-letters replay --since 1d']).action(
    quietly(async (ids: string[] = [], options: Options) => {
      const { replay } = await import('./replay.ts')
      const letters = lettersOf(command)
      await replay(letters.loaded, limited(select(letters.folders, options, ids), options.limit), options).catch(
        (error: unknown) => {
          throw new Redactor(letters.loaded.secrets).hideIn(error)
        },
      )
      await removeDoneUnlessServed(letters)
    }),
  )
}

function purgeCommand(): Command {
  const command = new Command('purge').description('Throws dead letters away.')
  addLimit(addSelection(command), 'the most letters, the oldest')
  command.option('--all', 'all letters; required when nothing else selects some')
  command.option('--json', 'the count as a JSON object')
  return withSettings(command, ['sentinel dead-letters purge --until 7d', 'sentinel dead-letters purge --all']).action(
    quietly(async (ids: string[] = [], options: Options) => {
      if (selectsAll(options, ids) && !options.all) {
        command.error('error: select letters by id or by an option such as --reason, or all letters by --all')
      }
      await purge(lettersOf(command), ids, options)
    }),
  )
}

async function list({ folders }: Letters, ids: readonly string[], options: Options): Promise<void> {
  const { limit = DEFAULT_LIMIT } = options
  const maxEntries = limit === 0 ? Number.POSITIVE_INFINITY : limit
  const nowMs = Date.now()
  const entryOf = (letter: StoredLetter) => (options.json ? `${asJson(letter)}\n` : rowOf(letter, nowMs))
  const entries: Array<ReturnType<typeof entryOf>> = []
  let found = 0
  for await (const letter of select(folders, options, ids)) {
    found++
    entries.push(entryOf(letter))
    if (entries.length > maxEntries) entries.shift()
  }
  const lines = entries.filter((entry) => typeof entry === 'string')
  const rows = entries.filter((entry) => typeof entry !== 'string')
  if (lines.length > 0) await print(lines.join(''))
  if (rows.length > 0) await print(table(rows, process.stdout.columns ?? DEFAULT_WIDTH))
  if (found === 0)
    process.stderr.write(`no ${process.exitCode === undefined ? '' : 'other '}dead letters in ${pathsOf(folders)}\n`)
  else if (found > entries.length) {
    process.stderr.write(`showing the newest ${entries.length} of ${found}; --limit 0 lists all\n`)
  }
}

async function show({ folders }: Letters, id: string, { raw, json }: Options): Promise<void> {
  for await (const letter of allLetters(folders)) {
    if (letter.name !== id) continue
    await print(raw ? letter.payload : json ? `${asJson(letter)}\n` : details(letter, Date.now()))
    return
  }
  throw new Error(
    `there is no letter ${id} in ${pathsOf(folders)}: it was replayed, purged, or discarded to make room for newer letters`,
  )
}

async function purge(letters: Letters, ids: readonly string[], options: Options): Promise<void> {
  const progress = new Progress()
  let purged = 0
  let chosen: StoredLetter[] = []
  const mark = async (): Promise<void> => {
    await markDone(chosen)
    purged += chosen.length
    chosen = []
  }
  for await (const letter of limited(select(letters.folders, options, ids), options.limit)) {
    // The payload is no longer needed, and would keep a chunk of its file in memory.
    chosen.push({ ...letter, payload: Buffer.alloc(0) })
    if (chosen.length >= MARK_BATCH) await mark()
    progress.show(() => `letters purged: ${purged}`)
  }
  await mark()
  progress.end()
  await removeDoneUnlessServed(letters)
  await print(options.json ? `${JSON.stringify({ purged })}\n` : `letters purged: ${purged}\n`)
}

/** Removes the files whose letters are all done. Whoever writes to them does that itself. */
async function removeDoneUnlessServed({ folders }: Letters): Promise<void> {
  for (const { path, hasServer } of folders) if (!(await hasServer())) await removeDone(path)
}

function pathsOf(folders: readonly LetterFolder[]): string {
  return folders.map(({ path }) => path).join(' and ')
}

async function* limited(letters: AsyncIterable<StoredLetter>, limit = Number.POSITIVE_INFINITY) {
  let left = limit
  for await (const letter of letters) {
    if (left-- <= 0) return
    yield letter
  }
}

/** `up` has the settings of every role, and of both kinds of store. */
function withSettings(command: Command, examples: readonly string[]): Command {
  return addSettingFlags(command, ROLES.up, examples)
}

function lettersOf(command: Command): Letters {
  const loaded = loadSettings(ROLES.up, flagValues(command, ROLES.up), process.env)
  const folderOf = (role: string, prefix: string): Required<LetterFolder> => {
    const owned = dataFolder(loaded.settings, role)
    const hasServer = async (): Promise<boolean> => (await folderOwner(owned)) !== undefined
    return { path: join(owned, 'dead-letters'), prefix, hasServer }
  }
  return { loaded, folders: [folderOf('server', ''), folderOf('agent', OF_AGENT)] }
}

/** Ends without an error when the reader of the output has closed it. */
function quietly<Given extends unknown[]>(action: (...given: Given) => Promise<void>) {
  return async (...given: Given): Promise<void> => {
    try {
      await action(...given)
    } catch (error) {
      if (!(error instanceof OutputClosed)) throw error
    }
  }
}
