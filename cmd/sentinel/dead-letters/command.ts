import { join } from 'node:path'
import { Command } from 'commander'
import { addSettingFlags, flagValues } from '../../../internal/config/cli.ts'
import { type LoadedSettings, loadSettings } from '../../../internal/config/load.ts'
import { markDone, readLetters, removeDone, type StoredLetter } from '../../../internal/dead-letters/reader.ts'
import { folderOwner } from '../../../internal/spool/folder-lock.ts'
import { dataFolder } from '../../parts/data-folder.ts'
import { ROLES } from '../../program/roles.ts'
import { NotTaken, Progress, print } from './output.ts'
import { addLimit, addSelection, letterId, type Selection, select, selectsAll } from './selection.ts'
import { asJson, details, rowOf, table } from './text.ts'

const LISTED = 100
const NO_TERMINAL_WIDTH = 160
/** Marks are written for so many letters at once: a purge that is broken off has done that much. */
const MARKED_AT_ONCE = 10_000

interface Options extends Selection {
  readonly limit?: number
  readonly json?: boolean
  readonly all?: boolean
  readonly raw?: boolean
}

/** Where a server keeps its letters. */
interface Place {
  readonly loaded: LoadedSettings
  /** What the lock of the server lies in. */
  readonly serverFolder: string
  readonly folder: string
}

/** What a server has rejected: to look at, to write to the store after all, to throw away. Works beside a server that runs. */
export function deadLettersCommand(): Command {
  return new Command('dead-letters')
    .description(
      'Shows what a server has rejected, with the reasons; writes it to the store after all, or throws it away.',
    )
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(replayCommand())
    .addCommand(purgeCommand())
}

function listCommand(): Command {
  const command = new Command('list').description('Lists letters, the newest last.')
  addLimit(addSelection(command), `at most so many, the newest ones; 0 for all (default: ${LISTED})`)
  command.option('--json', 'a JSON object a line, with the whole payload')
  return withSettings(command, ['sentinel dead-letters list --reason field_type --since 1h']).action(
    quietly(async (ids: number[] = [], options: Options) => list(placeOf(command), ids, options)),
  )
}

function showCommand(): Command {
  const command = new Command('show')
    .description('Shows all that is known of a letter.')
    .argument('<id>', 'the number of the letter', letterId)
    .option('--raw', 'the payload alone, as it came')
    .option('--json', 'a JSON object')
  return withSettings(command, ['sentinel dead-letters show 42 --raw > message.bin']).action(
    quietly(async (id: number, options: Options) => show(placeOf(command), id, options)),
  )
}

function replayCommand(): Command {
  const command = new Command('replay').description(
    'Writes letters to the store after all; what the store takes is no letter any more. Exit code 1 where some are refused again.',
  )
  addLimit(addSelection(command), 'at most so many, the oldest ones')
  command.option('--json', 'a JSON object a line: what became of each letter')
  return withSettings(command, ['INFLUX_URL=http://10.0.0.6:8086 sentinel dead-letters replay --since 1d']).action(
    quietly(async (ids: number[] = [], options: Options) => {
      const { replay } = await import('./replay.ts')
      const place = placeOf(command)
      await replay(place.loaded, limited(select(place.folder, options, ids), options.limit), options)
      await removeDoneUnlessServed(place)
    }),
  )
}

function purgeCommand(): Command {
  const command = new Command('purge').description('Throws letters away.')
  addLimit(addSelection(command), 'at most so many, the oldest ones')
  command.option('--all', 'all of them; asked for where nothing else says which')
  command.option('--json', 'the count as a JSON object')
  return withSettings(command, ['sentinel dead-letters purge --until 7d', 'sentinel dead-letters purge --all']).action(
    quietly(async (ids: number[] = [], options: Options) => {
      if (selectsAll(options, ids) && !options.all) {
        command.error(
          'error: say which letters to throw away, by id or by an option such as --reason; or all, by --all',
        )
      }
      await purge(placeOf(command), ids, options)
    }),
  )
}

async function list({ folder }: Place, ids: readonly number[], options: Options): Promise<void> {
  const { limit = LISTED } = options
  const most = limit === 0 ? Number.POSITIVE_INFINITY : limit
  const nowMs = Date.now()
  const entryOf = (letter: StoredLetter) => (options.json ? `${asJson(letter)}\n` : rowOf(letter, nowMs))
  const entries: Array<ReturnType<typeof entryOf>> = []
  let found = 0
  for await (const letter of select(folder, options, ids)) {
    found++
    entries.push(entryOf(letter))
    if (entries.length > most) entries.shift()
  }
  const lines = entries.filter((entry) => typeof entry === 'string')
  const rows = entries.filter((entry) => typeof entry !== 'string')
  if (lines.length > 0) await print(lines.join(''))
  if (rows.length > 0) await print(table(rows, process.stdout.columns ?? NO_TERMINAL_WIDTH))
  if (found === 0) process.stderr.write(`no dead letters in ${folder}\n`)
  else if (found > entries.length) {
    process.stderr.write(`the newest ${entries.length} of ${found}; --limit 0 lists all\n`)
  }
}

async function show({ folder }: Place, id: number, { raw, json }: Options): Promise<void> {
  for await (const letter of readLetters(folder)) {
    if (letter.id !== id) continue
    await print(raw ? letter.payload : json ? `${asJson(letter)}\n` : details(letter, Date.now()))
    return
  }
  throw new Error(`there is no letter ${id} in ${folder}: it was replayed, purged, or had to make room for newer ones`)
}

async function purge(place: Place, ids: readonly number[], options: Options): Promise<void> {
  const progress = new Progress()
  let purged = 0
  let chosen: StoredLetter[] = []
  const mark = async (): Promise<void> => {
    await markDone(chosen)
    purged += chosen.length
    chosen = []
  }
  for await (const letter of limited(select(place.folder, options, ids), options.limit)) {
    // The payload is of no use any more, and keeps a chunk of its file in memory.
    chosen.push({ ...letter, payload: Buffer.alloc(0) })
    if (chosen.length >= MARKED_AT_ONCE) await mark()
    progress.show(() => `letters purged: ${purged}`)
  }
  await mark()
  progress.end()
  await removeDoneUnlessServed(place)
  await print(options.json ? `${JSON.stringify({ purged })}\n` : `letters purged: ${purged}\n`)
}

/** A server that runs removes its files itself, and knows what it has. */
async function removeDoneUnlessServed({ serverFolder, folder }: Place): Promise<void> {
  if ((await folderOwner(serverFolder)) === undefined) await removeDone(folder)
}

async function* limited(letters: AsyncIterable<StoredLetter>, limit = Number.POSITIVE_INFINITY) {
  let left = limit
  for await (const letter of letters) {
    if (left-- <= 0) return
    yield letter
  }
}

/** `up` has the settings of all roles, and of the store both kinds. */
function withSettings(command: Command, examples: readonly string[]): Command {
  return addSettingFlags(command, ROLES.up, examples)
}

function placeOf(command: Command): Place {
  const loaded = loadSettings(ROLES.up, flagValues(command, ROLES.up), process.env)
  const serverFolder = dataFolder(loaded.settings, 'server')
  return { loaded, serverFolder, folder: join(serverFolder, 'dead-letters') }
}

function quietly<Given extends unknown[]>(action: (...given: Given) => Promise<void>) {
  return async (...given: Given): Promise<void> => {
    try {
      await action(...given)
    } catch (error) {
      if (!(error instanceof NotTaken)) throw error
    }
  }
}
