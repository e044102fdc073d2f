import { readdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { makeFolder } from './make-folder.ts'
import { type Place, parseSegmentFile, RECORD_HEADER_BYTES, SEGMENT_HEADER } from './segment-format.ts'
import { SegmentReader } from './segment-reader.ts'
import type { Segment } from './segment-writer.ts'

/**
 * The segments of a folder, oldest first; other files are left alone.
 *
 * @throws when the folder cannot be read, though it may hold some
 */
export async function listSegments(folder: string): Promise<Segment[]> {
  const segments: Segment[] = []
  await makeFolder(folder).catch(() => {})
  const files = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return []
    throw error
  })
  for (const file of files) {
    const name = parseSegmentFile(file)
    if (name === undefined) continue
    const path = join(folder, file)
    // The file may have been removed since, by a purge of dead letters for instance. The others must still be found, or
    // they would count as lost.
    const size = await stat(path).then(
      (found) => found.size,
      () => undefined,
    )
    if (size === undefined) continue
    if (size > SEGMENT_HEADER.length) segments.push({ path, name, end: name.first, bytes: size })
    else await unlink(path).catch(() => {})
  }
  segments.sort((a, b) => a.name.first.number - b.name.first.number)
  for (let i = 1; i < segments.length; i++) segments[i - 1]!.end = segments[i]!.name.first
  return segments
}

/** The place behind the last record of a segment. */
export async function endOf(segment: Segment, savedNumber: number, logger: Logger): Promise<Place> {
  try {
    const reader = await SegmentReader.open(segment.path, segment.name)
    try {
      while ((await reader.next(segment.bytes)) !== undefined);
    } finally {
      await reader.close()
    }
    const { known, hasUnknownTail } = reader.scanner
    // An unreadable end was at least one record.
    return hasUnknownTail && known.number > savedNumber ? { ...known, number: known.number + 1 } : known
  } catch (error) {
    logger.error({ err: error, path: segment.path }, 'a segment cannot be read')
    // No number may be used twice. The file cannot hold more records than this.
    const { number, samples } = segment.name.first
    return { number: number + Math.ceil(segment.bytes / RECORD_HEADER_BYTES), samples }
  }
}
