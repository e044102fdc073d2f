import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { sizeText } from '../../internal/text/size.ts'

/** A report with its profiles and logs; where less is left, it is better not to begin. */
const PROBE_BYTES = 4 * 1024 * 1024

/**
 * Makes the folder where it is missing, and sees that it can be written to: who waits for minutes should not hear it then.
 *
 * @returns its absolute path
 * @throws Error that says what is wrong with it
 */
export async function openOutFolder(path: string): Promise<string> {
  const folder = resolve(path)
  const probe = join(folder, `.probe-${process.pid}`)
  try {
    await makeFolder(folder)
    try {
      await writeFile(probe, Buffer.alloc(PROBE_BYTES))
    } finally {
      await rm(probe, { force: true })
    }
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    throw new Error(`OUT: ${folder} cannot be written to: ${REASONS[code ?? ''] ?? message}`, { cause })
  }
  return folder
}

/** Node's own `recursive` never returns where a folder can be neither made nor be there, as in /proc (seen with 20.20). */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && (await stat(folder)).isDirectory()) return
    if (code !== 'ENOENT') throw error
    await makeFolder(dirname(folder))
    await mkdir(folder)
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: `its disk has no room for the report (${sizeText(PROBE_BYTES)})`,
  EACCES: 'it belongs to somebody else',
  EROFS: 'its disk is read-only',
  ENOTDIR: 'a part of its path is a file',
  EEXIST: 'it is a file',
}
