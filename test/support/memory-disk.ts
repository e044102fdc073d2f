import { basename } from 'node:path'
import { promisify } from 'node:util'
import { vi } from 'vitest'
import type { Files, LogFile } from '../../internal/spool/files.ts'

/** `full`: it takes no bytes; `busy`: it opens nothing; `broken`: no call has an effect. */
export type DiskFault = 'full' | 'busy' | 'broken'

interface Inode {
  /** Never changed in place: a copy of the disk has the same. */
  bytes: Buffer
}

/**
 * A disk for a log, of one folder, whose calls take fake time and fail when the test says so. Nothing on it depends on
 * the machine: so a case is the same each time that it runs. Needs fake timers.
 */
export class MemoryDisk implements Files {
  fault: DiskFault | undefined
  readonly #names: Map<string, Inode>
  /** What the calls take, one after the other and again from the first, ms. */
  readonly #delaysMs: readonly number[]
  #calls = 0

  constructor(delaysMs: readonly number[], names = new Map<string, Inode>()) {
    this.#delaysMs = delaysMs
    this.#names = names
  }

  /** The disk as the next process finds it when the one before is killed now. */
  copy(): MemoryDisk {
    const copies = Array.from(this.#names, ([name, { bytes }]) => [name, { bytes }] as const)
    const disk = new MemoryDisk(this.#delaysMs, new Map(copies))
    disk.fault = this.fault
    return disk
  }

  makeFolder = (): Promise<void> => this.#call(() => {})

  readdir = (): Promise<string[]> => this.#call(() => [...this.#names.keys()])

  stat = (path: string): Promise<{ size: number }> => this.#call(() => ({ size: this.#inode(path).bytes.length }))

  unlink = (path: string): Promise<void> =>
    this.#call(() => {
      this.#inode(path)
      this.#names.delete(basename(path))
    })

  open = (path: string, flags: string): Promise<LogFile> =>
    this.#call(() => {
      if (this.fault === 'busy') throw errorOf('EMFILE')
      const name = basename(path)
      // The folder is opened to be synced.
      if (!FILE_NAME.test(name)) return this.#fileOf({ bytes: NOTHING })
      if (flags === 'wx' && this.#names.has(name)) throw errorOf('EEXIST')
      if (flags.startsWith('w')) this.#names.set(name, { bytes: NOTHING })
      return this.#fileOf(this.#inode(path))
    })

  #inode(path: string): Inode {
    const inode = this.#names.get(basename(path))
    if (inode === undefined) throw errorOf('ENOENT')
    return inode
  }

  #fileOf(inode: Inode): LogFile {
    const nothing = (): Promise<void> => this.#call(() => {})
    const file = {
      read: (into: Buffer, offset: number, length: number, position: number) =>
        this.#call(() => ({ bytesRead: inode.bytes.copy(into, offset, position, position + length), buffer: into })),
      write: (from: Buffer, offset: number, length: number, position: number) =>
        this.#call(() => this.#put(inode, from.subarray(offset, offset + length), position)),
      writev: (buffers: readonly Buffer[], position: number) =>
        this.#putInParts(inode, Buffer.concat(buffers), position),
      truncate: (length: number) =>
        this.#call(() => {
          inode.bytes = inode.bytes.subarray(0, length)
        }),
      ...{ sync: nothing, datasync: nothing, close: nothing },
    }
    return file as unknown as LogFile
  }

  #put(inode: Inode, bytes: Buffer, position: number): { bytesWritten: number } {
    if (this.fault === 'full') throw errorOf('ENOSPC')
    const [before, after] = [inode.bytes.subarray(0, position), inode.bytes.subarray(position + bytes.length)]
    inode.bytes = Buffer.concat([before, bytes, after])
    return { bytesWritten: bytes.length }
  }

  /** In two parts: a kill in the middle, or a disk that is full by then, leaves the first. */
  async #putInParts(inode: Inode, bytes: Buffer, position: number): Promise<{ bytesWritten: number }> {
    const half = bytes.length >> 1
    const first = await this.#call(() => this.#put(inode, bytes.subarray(0, half), position))
    return this.#call(() => this.#put(inode, bytes.subarray(half), position + half)).then(
      () => ({ bytesWritten: bytes.length }),
      () => first,
    )
  }

  /** A half of the time passes before the effect, the other before the answer. */
  async #call<T>(effect: () => T): Promise<T> {
    const ms = this.#delaysMs[this.#calls++ % this.#delaysMs.length]!
    await wait(ms / 2)
    if (this.fault === 'broken') throw errorOf('EIO')
    try {
      return effect()
    } finally {
      await wait(ms / 2)
    }
  }
}

const NOTHING = Buffer.alloc(0)
/** A log has files of these names. */
const FILE_NAME = /^(cursor|probe|.*\.seg)$/

const wait = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms))
const errorOf = (code: string): Error => Object.assign(new Error(code), { code })

/** A turn of the real event loop: all that is ready runs. */
const turn = promisify(setImmediate)
/** Nothing takes longer. */
const MOST_MS = 3_600_000

/** Makes fake all that a log and a pipeline wait for. */
export function fakeTime(): void {
  const intervals = ['setInterval', 'clearInterval'] as const
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', ...intervals, 'setImmediate', 'clearImmediate', 'performance'],
  })
}

/**
 * Lets fake time pass until something is over, one timer after the other: what is ready runs between them.
 *
 * @param each called after each of them
 */
export async function over<T>(something: Promise<T>, each = (): void => {}): Promise<T> {
  const endMs = performance.now() + MOST_MS
  let isOver = false
  const markOver = (): void => {
    isOver = true
  }
  something.then(markOver, markOver)
  await turn()
  while (!isOver) {
    if (vi.getTimerCount() === 0 || performance.now() > endMs) throw new Error('it does not end')
    vi.advanceTimersToNextTimer()
    await turn()
    each()
  }
  return something
}
