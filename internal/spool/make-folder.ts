import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Makes a folder and those above it, where they are missing. `mkdir` of Node.js with `recursive` never ends, and keeps a
 * core busy, where a folder that exists answers ENOENT to a new one: `/proc`, the roots of automounters.
 *
 * @throws the error of the file system
 */
export async function makeFolder(folder: string, mode = 0o777): Promise<void> {
  const made = await tryMaking(folder, mode)
  if (made?.code !== 'ENOENT') return throwUnlessFolder(folder, made)
  const parent = dirname(folder)
  // The folder above exists, and takes no new one.
  if (parent === folder || (await isFolder(parent))) throw made
  await makeFolder(parent, mode)
  await throwUnlessFolder(folder, await tryMaking(folder, mode))
}

async function tryMaking(folder: string, mode: number): Promise<NodeJS.ErrnoException | undefined> {
  try {
    await mkdir(folder, { mode })
    return undefined
  } catch (error) {
    return error as NodeJS.ErrnoException
  }
}

/** Another process may have made it: then nothing is wrong. So it is where a read-only file system has it already. */
async function throwUnlessFolder(folder: string, problem: NodeJS.ErrnoException | undefined): Promise<void> {
  if (problem !== undefined && !(await isFolder(folder))) throw problem
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false
}
