import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { CheckpointStore } from '../../broker/broker.ts'
import { makeFolder } from '../../spool/make-folder.ts'

/**
 * Checkpoints in a file of JSON, beside Redis: they are still there when Redis has lost its data. A save replaces the
 * file as a whole, so a kill leaves the old one or the new one.
 */
export class CheckpointFile implements CheckpointStore {
  readonly #path: string
  readonly #checkpoints = new Map<string, string>()

  constructor(path: string) {
    this.#path = path
  }

  /** @throws when the file is there and cannot be read */
  async load(): Promise<Map<string, string>> {
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '{}'
      throw error
    })
    for (const [key, checkpoint] of Object.entries(JSON.parse(text) as Record<string, unknown>)) {
      if (typeof checkpoint === 'string') this.#checkpoints.set(key, checkpoint)
    }
    return new Map(this.#checkpoints)
  }

  async save(checkpoints: ReadonlyMap<string, string>, forget: readonly string[] = []): Promise<void> {
    for (const [key, checkpoint] of checkpoints) this.#checkpoints.set(key, checkpoint)
    for (const key of forget) this.#checkpoints.delete(key)
    await makeFolder(dirname(this.#path))
    const next = `${this.#path}.next`
    const file = await open(next, 'w', 0o640)
    try {
      await file.writeFile(JSON.stringify(Object.fromEntries(this.#checkpoints)))
      await file.datasync()
    } finally {
      await file.close()
    }
    await rename(next, this.#path)
  }
}
