import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { sizeText } from '../../internal/text/size.ts'

/** The size of a report with its profiles and logs. With less free space the benchmark does not begin. */
const PROBE_BYTES = 4 * 1024 * 1024

/**
 * Creates the folder if it is missing, and checks that it can be written to. Without the check the user would learn it
 * only after minutes.
 *
 * @param setting which the error names
 * @returns its absolute path
 * @throws Error that says what is wrong with it
 */
export async function openOutFolder(path: string, setting = 'OUT'): Promise<string> {
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
    throw new Error(`${setting}: ${folder} cannot be written to: ${REASONS[code ?? ''] ?? message}`, { cause })
  }
  return folder
}

/** Node's own `recursive` never returns where no folder can be created, as in /proc (seen with 20.20). */
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
