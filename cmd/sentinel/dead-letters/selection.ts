import { type Command, InvalidArgumentError } from 'commander'
import { EXIT } from '../../../internal/config/error.ts'
import { parseDuration } from '../../../internal/config/units.ts'
import {
  type DamagedLetters,
  type LetterFolder,
  readLetters,
  type StoredLetter,
} from '../../../internal/dead-letters/reader.ts'

/** Selects the letters that meet every condition. Times are ms since the epoch. */
export interface Selection {
  readonly reason?: readonly string[]
  readonly source?: string
  readonly since?: number
  readonly until?: number
}

/** Adds the arguments and options that select letters. */
export function addSelection(command: Command): Command {
  return command
    .argument('[ids...]', 'only these letters', (text: string, ids: string[] = []) => [...ids, letterId(text)])
    .option('--reason <reasons>', 'only these reasons, separated by commas', (text: string) => text.split(','))
    .option('--source <text>', 'only letters whose source contains this text: a run id, gpu-csv, nvidia-smi, scrape')
    .option('--since <time>', 'only from this time on: 2026-01-31T12:00:00Z, or 10m for ten minutes ago', time)
    .option('--until <time>', 'only before this time', time)
}

export function addLimit(command: Command, description: string): Command {
  return command.option('--limit <count>', description, (text: string) => {
    if (/^\d{1,9}$/.test(text)) return Number(text)
    throw new InvalidArgumentError('It must be a number.')
  })
}

/** What stands before the ids of letters of an agent. Those of a server are numbers. */
export const OF_AGENT = 'agent-'

/** Parses a letter's id on the command line. */
export function letterId(text: string): string {
  const digits = text.startsWith(OF_AGENT) ? text.slice(OF_AGENT.length) : text
  const id = Number(digits)
  if (/^\d+$/.test(digits) && Number.isSafeInteger(id)) return digits === text ? `${id}` : `${OF_AGENT}${id}`
  throw new InvalidArgumentError('It must be the id of a letter, as `list` shows it.')
}

export function selectsAll({ reason, source, since, until }: Selection, ids: readonly string[]): boolean {
  return ids.length === 0 && [reason, source, since, until].every((option) => option === undefined)
}

/** The letters of all folders, the oldest first. */
export async function* allLetters(folders: readonly LetterFolder[]): AsyncGenerator<StoredLetter> {
  const open = await Promise.all(
    folders.map(async (folder) => {
      const letters = readLetters(folder, reportDamage)
      return { letters, head: await letters.next() }
    }),
  )
  try {
    for (;;) {
      const heads = open.flatMap((of) => (of.head.done === true ? [] : [{ of, letter: of.head.value }]))
      if (heads.length === 0) return
      const { of, letter } = heads.reduce((oldest, next) => (next.letter.at < oldest.letter.at ? next : oldest))
      yield letter
      of.head = await of.letters.next()
    }
  } finally {
    for (const { letters } of open) await letters.return(undefined)
  }
}

/** The selected letters of all folders, the oldest first. */
export async function* select(
  folders: readonly LetterFolder[],
  { reason, source, since = -Infinity, until = Infinity }: Selection,
  ids: readonly string[],
): AsyncGenerator<StoredLetter> {
  const wanted = new Set(ids)
  for await (const letter of allLetters(folders)) {
    const isSelected =
      (wanted.size === 0 || wanted.has(letter.name)) &&
      (reason === undefined || reason.includes(letter.reason)) &&
      (source === undefined || letter.source.includes(source)) &&
      letter.at >= since &&
      letter.at < until
    if (isSelected) yield letter
  }
}

/** Says which letters cannot be read, and makes the command end with 1. */
export function reportDamage({ path, letters }: DamagedLetters): void {
  process.exitCode = EXIT.failed
  process.stderr.write(
    `damaged on disk, and not among the letters here: at least ${letters} of ${path} (remove the file to be rid of them)\n`,
  )
}

/** @returns ms since the epoch */
function time(text: string): number {
  const ago = parseDuration(text)
  const at = ago === undefined ? Date.parse(text) : Date.now() - ago
  if (Number.isFinite(at)) return at
  throw new InvalidArgumentError('It must be a time, such as 2026-01-31T12:00:00Z, or how long ago, such as 10m.')
}
