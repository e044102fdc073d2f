import type { Files, LogFile } from './files.ts'

/** Writes all the buffers, one after the other. @returns their bytes @throws when the file takes no more */
export async function writeAll(file: LogFile, buffers: readonly Buffer[], position: number): Promise<number> {
  let written = 0
  let rest = buffers
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest, position + written)
    if (bytesWritten === 0) throw new Error('the file takes nothing more')
    written += bytesWritten
    rest = without(rest, bytesWritten)
  }
  return written
}

/** The unwritten rest of the buffers. A disk that becomes full may first write a part. */
function without(buffers: readonly Buffer[], bytes: number): readonly Buffer[] {
  let done = 0
  let left = bytes
  while (done < buffers.length && left >= buffers[done]!.length) left -= buffers[done++]!.length
  return left === 0 ? buffers.slice(done) : [buffers[done]!.subarray(left), ...buffers.slice(done + 1)]
}

/** Makes the names in a folder survive a power cut. */
export async function syncFolder(folder: string, files: Files): Promise<void> {
  const handle = await files.open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
