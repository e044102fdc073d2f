import { appendFile, readFile } from 'node:fs/promises'

const SUFFIX = '.done'

/**
 * The letters of a segment that are done, in a text file beside it: a line `+<number>` for each, only ever appended.
 * Several processes may append at once, because the operating system puts each write whole at the end. Every write
 * begins with a line break, so a line that a crash has cut short does not run into the next. The cut line lacks its own
 * line break and is ignored, so it never stands for another letter.
 */
export function doneMarksOf(segmentPath: string): string {
  return segmentPath + SUFFIX
}

/** The segment's path of a marks file; undefined for any other file. */
export function segmentOfMarks(path: string): string | undefined {
  return path.endsWith(SUFFIX) ? path.slice(0, -SUFFIX.length) : undefined
}

export async function readDoneMarks(segmentPath: string): Promise<Set<number>> {
  const text = await readFile(doneMarksOf(segmentPath), 'latin1').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  const complete = text.slice(0, text.lastIndexOf('\n') + 1)
  return new Set(complete.split('\n').flatMap((line) => (/^\+\d{1,16}$/.test(line) ? [Number(line.slice(1))] : [])))
}

export async function addDoneMarks(segmentPath: string, numbers: Iterable<number>): Promise<void> {
  const lines = Array.from(numbers, (number) => `+${number}\n`).join('')
  await appendFile(doneMarksOf(segmentPath), `\n${lines}`, { mode: 0o640 })
}
