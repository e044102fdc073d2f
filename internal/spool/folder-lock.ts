import { link, readFile, rename, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { randomHex } from '../text/random-hex.ts'
import { makeFolder } from './make-folder.ts'

/** Another process works in the folder. */
export class FolderInUseError extends Error {
  override readonly name = 'FolderInUseError'
  readonly pid: number
  readonly folder: string

  constructor(pid: number, folder: string) {
    super(`process ${pid} uses ${folder}`)
    this.pid = pid
    this.folder = folder
  }
}

/**
 * The start of a process in clock ticks since boot. Pids are reused, but a pid with its start is unique. '' where it is
 * unknown (not Linux).
 */
async function startOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The name is in brackets and may hold anything. The start is the 20th word behind it.
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

/**
 * Locks a folder for this process, and makes it where it is missing. The lock of a process that has ended is replaced.
 * So is a lock with the pid of this process: in a container every process has the same.
 *
 * @returns unlocks the folder
 * @throws FolderInUseError while another process has it; the error of the file system where no lock can be written
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  await makeFolder(folder)
  const path = join(folder, 'lock')
  const text = `${process.pid} ${await startOf(process.pid)}\n`
  // Written under another name first, so the lock is complete when it appears. `link` fails if a lock exists.
  const draft = join(folder, `lock.${process.pid}.${randomHex()}`)
  await writeFile(draft, text)
  try {
    while (!(await tookPlace(draft, path))) await removeStale(path, folder)
  } finally {
    await unlink(draft).catch(() => {})
  }
  return async () => {
    const isOurs = (await readFile(path, 'utf8').catch(() => '')) === text
    if (isOurs) await unlink(path)
  }
}

/** The pid of the process that has locked a folder; undefined when there is none. */
export async function folderOwner(folder: string): Promise<number | undefined> {
  const text = await readFile(join(folder, 'lock'), 'utf8').catch(() => '')
  return liveOwner(text)
}

async function tookPlace(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function removeStale(path: string, folder: string): Promise<void> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  // Its owner has removed it since.
  if (text === undefined) return
  const pid = await liveOwner(text)
  if (pid !== undefined) throw new FolderInUseError(pid, folder)
  const aside = `${path}.${process.pid}.${randomHex()}`
  const moved = await rename(path, aside).then(
    () => true,
    () => false,
  )
  if (!moved) return
  // Another process may have replaced the stale lock a moment ago. Then the new lock was moved aside, and goes back.
  const isStale = (await readFile(aside, 'utf8').catch(() => text)) === text
  if (!isStale) await link(aside, path).catch(() => {})
  await unlink(aside).catch(() => {})
}

async function liveOwner(text: string): Promise<number | undefined> {
  const [digits = '', start = ''] = text.trim().split(' ')
  const pid = Number(digits)
  if (!Number.isSafeInteger(pid) || pid <= 0 || pid === process.pid) return undefined
  if (!isAlive(pid)) return undefined
  const startNow = await startOf(pid)
  return start === '' || startNow === '' || start === startNow ? pid : undefined
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // It runs as another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
