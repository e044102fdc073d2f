import { readdir, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

/** Of a folder so many files are looked at. */
const MAX_FILES = 1000
const WILDCARD = /[*?]/

/** A file as it is on the disk: its name may become that of another one. */
export interface FoundFile {
  readonly path: string
  /** The same as long as the file exists, under any name. */
  readonly id: string
  readonly size: number
}

/**
 * The files that the paths name, each once, in the order of the paths and then of their names: a file, the `.csv` files of a
 * folder, or those that match `*` and `?` in any part of a path. What is not there, or cannot be looked at, is left out.
 */
export async function findFiles(paths: readonly string[]): Promise<FoundFile[]> {
  const found = new Map<string, FoundFile>()
  for (const path of paths) {
    for (const each of await matching(resolve(path))) {
      const file = await look(each)
      if (file !== undefined && !found.has(file.id)) found.set(file.id, file)
      if (found.size >= MAX_FILES) return [...found.values()]
    }
  }
  return [...found.values()]
}

/** The file with this id in the folder of a path: it may have another name by now, as files that are rotated have. */
export async function findRenamed(path: string, id: string): Promise<FoundFile | undefined> {
  const folder = dirname(path)
  for (const name of (await namesIn(folder)).slice(0, MAX_FILES)) {
    const file = await look(join(folder, name))
    if (file?.id === id) return file
  }
  return undefined
}

async function matching(path: string): Promise<string[]> {
  if (!WILDCARD.test(path)) {
    const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() ?? false
    if (!isFolder) return [path]
    return (await namesIn(path)).filter((name) => name.endsWith('.csv')).map((name) => join(path, name))
  }
  let folders = ['/']
  for (const part of path.split('/').slice(1)) {
    const deeper = folders.map(async (folder) => {
      if (!WILDCARD.test(part)) return [join(folder, part)]
      const pattern = patternOf(part)
      return (await namesIn(folder)).filter((name) => pattern.test(name)).map((name) => join(folder, name))
    })
    folders = (await Promise.all(deeper)).flat().slice(0, MAX_FILES)
  }
  return folders
}

function patternOf(part: string): RegExp {
  const plain = part.replace(/[.+^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${plain.replaceAll('*', '.*').replaceAll('?', '.')}$`)
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).sort()
}

async function look(path: string): Promise<FoundFile | undefined> {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() ? { path, id: `${found.dev}:${found.ino}`, size: found.size } : undefined
}
