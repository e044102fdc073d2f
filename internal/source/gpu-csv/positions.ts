import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { FilePosition } from './tailed-file.ts'

/** Files that are gone are forgotten beyond so many. */
const MAX_KEPT = 2000

/** How far files were read, on disk. A save replaces all of it, so that a kill leaves the old one or the new one. */
export class Positions {
  readonly #path: string
  #positions = new Map<string, FilePosition>()

  /** @param folder exists */
  constructor(folder: string) {
    this.#path = join(folder, 'positions')
  }

  /** What cannot be read is taken for none: then files are read again, and their rows are stored as they were. */
  async load(): Promise<ReadonlyMap<string, FilePosition>> {
    const text = await readFile(this.#path, 'utf8').catch(() => '[]')
    const known = parse(text)
    this.#positions = new Map(known.map((position) => [position.id, position]))
    return this.#positions
  }

  /** @throws the error of the file system */
  async save(positions: readonly FilePosition[]): Promise<void> {
    for (const position of positions) {
      this.#positions.delete(position.id)
      this.#positions.set(position.id, position)
    }
    for (const id of this.#positions.keys()) {
      if (this.#positions.size <= MAX_KEPT) break
      this.#positions.delete(id)
    }
    const next = `${this.#path}.next`
    const file = await open(next, 'w', 0o640)
    try {
      await file.writeFile(JSON.stringify([...this.#positions.values()]))
      await file.datasync()
    } finally {
      await file.close()
    }
    await rename(next, this.#path)
  }
}

function parse(text: string): FilePosition[] {
  try {
    const parsed: unknown = JSON.parse(text)
    return Array.isArray(parsed) ? parsed.filter(isPosition) : []
  } catch {
    return []
  }
}

function isPosition(value: unknown): value is FilePosition {
  if (typeof value !== 'object' || value === null) return false
  const { path, id, offset, beginning, header } = value as Record<string, unknown>
  const hasTexts = [path, id, beginning].every((text) => typeof text === 'string')
  return hasTexts && Number.isSafeInteger(offset) && Array.isArray(header)
}
