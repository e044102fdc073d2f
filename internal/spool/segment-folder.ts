import { join } from 'node:path'
import type { Logger } from 'pino'
import { mayBeReadLater } from './disk-problem.ts'
import type { Files } from './files.ts'
import { type Place, parseSegmentFile, RECORD_HEADER_BYTES, SEGMENT_HEADER } from './segment-format.ts'
import { SegmentReader } from './segment-reader.ts'
import type { Segment } from './segment-writer.ts'

/**
 * The segments of a folder, oldest first; other files are left alone.
 *
 * @throws when the folder cannot be read, though it may hold some
 */
export async function listSegments(folder: string, files: Files): Promise<Segment[]> {
  const segments: Segment[] = []
  await files.makeFolder(folder).catch(() => {})
  const names = await files.readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return []
    throw error
  })
  for (const file of names) {
    const name = parseSegmentFile(file)
    if (name === undefined) continue
    const path = join(folder, file)
    // The file may have been removed since, by a purge of dead letters for instance. The others must still be found, or
    // they would count as lost.
    const size = await files.stat(path).then(
      (found) => found.size,
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
      },
    )
    if (size === undefined) continue
    if (size > SEGMENT_HEADER.length) segments.push({ path, name, end: name.first, bytes: size })
    else await files.unlink(path).catch(() => {})
  }
  segments.sort((a, b) => a.name.first.number - b.name.first.number)
  for (let i = 1; i < segments.length; i++) segments[i - 1]!.end = segments[i]!.name.first
  return segments
}

/**
 * The place behind the last record of the segments. A last one that cannot be read is taken out, because what is counted
 * as lost must not turn up later.
 *
 * @returns undefined when there is no segment
 * @throws when it may be read later
 */
export async function endOf(
  segments: Segment[],
  savedNumber: number,
  { logger, files }: { readonly logger: Logger; readonly files: Files },
): Promise<Place | undefined> {
  const last = segments.at(-1)
  if (last === undefined) return undefined
  try {
    last.end = await endOfLast(last, savedNumber, files)
    return last.end
  } catch (error) {
    if (mayBeReadLater(error)) throw error
    logger.error({ err: error, path: last.path }, 'a segment cannot be read, its records are lost')
    segments.pop()
    // No number may be used twice. The file cannot hold more records than this.
    const { number, samples } = last.name.first
    return { number: number + Math.ceil(last.bytes / RECORD_HEADER_BYTES), samples }
  }
}

async function endOfLast(last: Segment, savedNumber: number, files: Files): Promise<Place> {
  const reader = await SegmentReader.open(last.path, last.name, files)
  try {
    while ((await reader.next(last.bytes)) !== undefined);
  } finally {
    // It was only read: nothing can be lost.
    await reader.close().catch(() => {})
  }
  const { known, hasUnknownTail } = reader.scanner
  // An unreadable end was at least one record.
  return hasUnknownTail && known.number > savedNumber ? { ...known, number: known.number + 1 } : known
}
