import type { Logger } from 'pino'
import { type GenerationHead, nameOf, type SnapshotName, type TargetHead } from '../../fabric/generation.ts'
import { type HeadListener, SNAPSHOTS_KEPT_MS, type Snapshots } from '../broker.ts'

/** The snapshots of one process. Its readers share the bytes. */
export class MemorySnapshots implements Snapshots {
  readonly #logger: Logger
  readonly #now: () => number
  readonly #listeners = new Set<HeadListener>()
  readonly #bytes = new Map<string, Buffer>()
  /** By fabric and publisher: the newest head, the one before, which somebody may be reading, and when the newest came. */
  readonly #heads = new Map<string, { head: GenerationHead; before: GenerationHead | undefined; atMs: number }>()

  /** @param now milliseconds since the epoch */
  constructor(logger: Logger, now: () => number) {
    this.#logger = logger
    this.#now = now
  }

  async put(name: SnapshotName, bytes: Buffer): Promise<void> {
    // The bytes are the caller's: it writes the next snapshot over them.
    this.#bytes.set(keyOf(name), Buffer.from(bytes))
  }

  async announce(head: GenerationHead): Promise<readonly TargetHead[]> {
    const missing = head.targets.filter((target) => !this.#bytes.has(keyOf(nameOf(head, target))))
    if (missing.length > 0) return missing
    const of = fieldOf(head.fabric, head.publisher)
    const known = this.#heads.get(of)
    // A head that is announced again is not the one before itself.
    const before = known?.head.id === head.id ? known.before : known?.head
    this.#heads.set(of, { head, before, atMs: this.#now() })
    this.#remove(keysOf(known?.before), [...keysOf(head), ...keysOf(before)])
    this.#forgetOld()
    for (const listener of this.#listeners) this.#tell(listener, head, false)
    return []
  }

  async newest(fabric: string, publisher: string): Promise<GenerationHead | undefined> {
    this.#forgetOld()
    return this.#heads.get(fieldOf(fabric, publisher))?.head
  }

  async read(name: SnapshotName, bytes: number): Promise<Buffer | undefined> {
    const found = this.#bytes.get(keyOf(name))
    return found?.length === bytes ? found : undefined
  }

  async subscribe(listener: HeadListener): Promise<() => Promise<void>> {
    // A function of its own, so that one listener may subscribe twice.
    const own: HeadListener = (head, isKept) => listener(head, isKept)
    this.#listeners.add(own)
    this.#forgetOld()
    for (const { head } of this.#heads.values()) this.#tell(own, head, true)
    return async () => {
      this.#listeners.delete(own)
    }
  }

  #tell(listener: HeadListener, head: GenerationHead, isKept: boolean): void {
    try {
      listener(head, isKept)
    } catch (error) {
      this.#logger.error({ err: error }, 'a generation was lost because its listener threw an error')
    }
  }

  #forgetOld(): void {
    const oldestMs = this.#now() - SNAPSHOTS_KEPT_MS
    for (const [of, { head, before, atMs }] of this.#heads) {
      if (atMs >= oldestMs) continue
      this.#heads.delete(of)
      this.#remove([...keysOf(head), ...keysOf(before)], [])
    }
  }

  #remove(keys: readonly string[], kept: readonly string[]): void {
    const stay = new Set(kept)
    for (const key of keys) if (!stay.has(key)) this.#bytes.delete(key)
  }
}

function keysOf(head: GenerationHead | undefined): string[] {
  return head === undefined ? [] : head.targets.map((target) => keyOf(nameOf(head, target)))
}

function fieldOf(fabric: string, publisher: string): string {
  return JSON.stringify([fabric, publisher])
}

function keyOf({ fabric, publisher, target, snapshot }: SnapshotName): string {
  return JSON.stringify([fabric, publisher, target, snapshot])
}
