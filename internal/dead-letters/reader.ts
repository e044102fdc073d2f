import { readdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { parseSegmentFile, type SegmentName } from '../spool/segment-format.ts'
import { SegmentReader } from '../spool/segment-reader.ts'
import { addDoneMarks, doneMarksOf, readDoneMarks } from './done-marks.ts'
import { decodeLetter, type KeptLetter } from './letter.ts'

/** A letter in a folder, and its file. */
export interface StoredLetter extends KeptLetter {
  readonly id: number
  /** The id behind the prefix of the folder. */
  readonly name: string
  readonly segmentPath: string
}

/** Letters of a file that cannot be read any more: at least so many, not counting those that are done. */
export interface DamagedLetters {
  readonly path: string
  readonly letters: number
}

interface SegmentFile {
  readonly path: string
  readonly name: SegmentName
}

/** A folder of letters, and who may be writing to it. */
export interface LetterFolder {
  readonly path: string
  /** What stands before the ids of its letters, where several folders are read; nothing by default. */
  readonly prefix?: string
  /** Whether a server writes to the folder now; without it, none does. */
  readonly hasServer?: () => Promise<boolean>
}

/**
 * The letters of a folder that are not done, the oldest first. Needs no lock, because files are only appended to.
 * Letters that are appended meanwhile are left for the next call. Damaged letters are passed over, and told of. Files
 * that the server removes meanwhile are passed over.
 *
 * @throws when the folder cannot be read; a folder that does not exist has no letters
 */
export async function* readLetters(
  { path, prefix = '', hasServer = async () => false }: LetterFolder,
  onDamage: (damaged: DamagedLetters) => void = () => {},
): AsyncGenerator<StoredLetter> {
  // Asked before the files are listed and once more behind the newest: a server may start or stop meanwhile.
  const hadServer = await hasServer()
  const segments = await segmentFiles(path)
  const newest = segments.at(-1)
  for (const segment of segments) {
    const mayGrow = async (): Promise<boolean> => segment === newest && (hadServer || (await hasServer()))
    try {
      const letters = yield* readSegment(segment, prefix, mayGrow)
      if (letters > 0) onDamage({ path: segment.path, letters })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}

/** Marks letters as done: they are not read again, and their files are removed later. */
export async function markDone(letters: Iterable<Pick<StoredLetter, 'id' | 'segmentPath'>>): Promise<void> {
  const bySegment = new Map<string, number[]>()
  for (const { id, segmentPath } of letters) {
    const ids = bySegment.get(segmentPath)
    if (ids === undefined) bySegment.set(segmentPath, [id])
    else ids.push(id)
  }
  for (const [segmentPath, ids] of bySegment) await addDoneMarks(segmentPath, ids)
}

/**
 * Removes the files whose letters are all done. For a folder whose server does not run; a server that runs does it
 * itself. A server that starts at the same time does no harm: it begins a new file, and the newest file here is left
 * alone.
 */
export async function removeDone(folder: string): Promise<void> {
  const segments = await segmentFiles(folder)
  for (const [i, { path, name }] of segments.entries()) {
    const next = segments[i + 1]
    if (next === undefined) return
    const done = await readDoneMarks(path)
    if (done.size < next.name.first.number - name.first.number) continue
    await unlink(path)
    await unlink(doneMarksOf(path)).catch(() => {})
  }
}

/** @returns how many of its letters are damaged, at least */
async function* readSegment(
  { path, name }: SegmentFile,
  prefix: string,
  mayGrow: () => Promise<boolean>,
): AsyncGenerator<StoredLetter, number> {
  const { size } = await stat(path)
  const done = await readDoneMarks(path)
  const reader = await SegmentReader.open(path, name)
  let damaged = 0
  let expected = name.first.number
  const passOver = (to: number): void => {
    for (; expected < to; expected++) if (!done.has(expected)) damaged++
  }
  try {
    for (let record = await reader.next(size); record !== undefined; record = await reader.next(size)) {
      const { number } = record.place
      passOver(number)
      expected = number + 1
      if (done.has(number)) continue
      const letter = decodeLetter(record.payload)
      if (letter === undefined) damaged++
      else yield { ...letter, id: number, name: `${prefix}${number}`, segmentPath: path }
    }
    // The rest may be a letter that is being written. Its size tells nothing: a write may rest in the middle for long.
    if (await mayGrow()) return damaged
    const { known, hasUnknownTail } = reader.scanner
    passOver(known.number)
    return hasUnknownTail ? damaged + 1 : damaged
  } finally {
    await reader.close()
  }
}

async function segmentFiles(folder: string): Promise<SegmentFile[]> {
  const files = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return files
    .flatMap((file) => {
      const name = parseSegmentFile(file)
      return name === undefined ? [] : [{ path: join(folder, file), name }]
    })
    .sort((a, b) => a.name.first.number - b.name.first.number)
}
