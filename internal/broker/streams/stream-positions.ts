import type { Logger } from 'pino'
import type { CheckpointStore } from '../broker.ts'
import type { StreamPosition } from './scripts.ts'

/** How far the streams were when they were last looked at, by this process or the one before. */
export class StreamPositions {
  readonly #store: CheckpointStore | undefined
  readonly #logger: Logger
  readonly #known = new Map<string, StreamPosition>()
  /** Streams whose group was missing since then. */
  readonly #made = new Set<string>()
  readonly #unsaved = new Map<string, string>()

  constructor(store: CheckpointStore | undefined, logger: Logger) {
    this.#store = store
    this.#logger = logger
  }

  /** Never fails: what cannot be read is not known. */
  async load(): Promise<void> {
    try {
      for (const [key, text] of (await this.#store?.load()) ?? []) {
        const position = parse(text)
        if (position !== undefined) this.#known.set(key, position)
      }
    } catch (err) {
      this.#logger.warn({ err }, 'the positions in the streams cannot be read: one that vanished is not noticed')
    }
  }

  of(key: string): { readonly known: StreamPosition | undefined; readonly wasMade: boolean } {
    return { known: this.#known.get(key), wasMade: this.#made.has(key) }
  }

  set(key: string, position: StreamPosition): void {
    const { lastId, added, run } = position
    this.#made.delete(key)
    const before = this.#known.get(key)
    if (before?.lastId === lastId && before.added === added && before.run === run) return
    this.#known.set(key, position)
    this.#unsaved.set(key, `${lastId} ${added} ${run}`)
  }

  groupMade(key: string): void {
    this.#made.add(key)
  }

  /** Never fails: the next call saves what this one could not. */
  async save(): Promise<void> {
    if (this.#unsaved.size === 0) return
    try {
      await this.#store?.save(this.#unsaved)
      this.#unsaved.clear()
    } catch (err) {
      this.#logger.debug({ err }, 'the positions in the streams cannot be saved')
    }
  }
}

/** @returns undefined for text that is no position */
function parse(text: string): StreamPosition | undefined {
  const [, lastId, added, run = ''] = /^(\d+-\d+) (\d+)(?: ([\da-f]*))?$/.exec(text) ?? []
  return lastId === undefined ? undefined : { lastId, added: Number(added), run }
}
