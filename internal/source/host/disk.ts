import { readlinkSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { SampleSink } from '../../sample/sample.ts'
import type { Tag } from '../../sample/value.ts'
import { hostNamespaceFile } from './container.ts'
import type { FieldList, Measurement, Roots, Surroundings } from './measurement.ts'
import { chooseMounts, isRemote, type Mount, parseMountinfo } from './mounts.ts'
import { Rows } from './rows.ts'

/** Bytes, and numbers of files. */
const DISK_FIELDS: FieldList = [
  ['total', 'int'],
  ['free', 'int'],
  ['used', 'int'],
  ['used_percent', 'float'],
  ['inodes_total', 'int'],
  ['inodes_free', 'int'],
  ['inodes_used', 'int'],
  ['inodes_used_percent', 'float'],
]

/** What statfs(2) says of a file system. */
export interface FileSystemSize {
  readonly bsize: number
  readonly blocks: number
  readonly bfree: number
  readonly bavail: number
  readonly files: number
  readonly ffree: number
}

export type AskFileSystem = (path: string) => Promise<FileSystemSize>

/**
 * In the order of `DISK_FIELDS`; `undefined` for a file system without blocks. `free` is what users other than root may
 * take, and `used_percent` is `used / (used + free)`, as `df` shows it.
 */
export function diskValues({ bsize, blocks, bfree, bavail, files, ffree }: FileSystemSize): number[] | undefined {
  if (blocks === 0) return undefined
  const used = (blocks - bfree) * bsize
  const free = bavail * bsize
  const usedPercent = used + free > 0 ? (100 * used) / (used + free) : 0
  const usedFiles = Math.max(0, files - ffree)
  const usedFilesPercent = files > 0 ? (100 * usedFiles) / files : 0
  return [blocks * bsize, free, used, usedPercent, files, ffree, usedFiles, usedFilesPercent]
}

/** A file system answers within microseconds, unless its server or disk is away. */
const DEADLINE_MS = 400
/**
 * The most threads of Node's pool that hanging calls to remote mounts may take. It has four, and every file and host
 * name needs one.
 */
const MAX_HANGING_REMOTE = 2
/** With hundreds of mounts, to parse their list costs more than to ask them. A new mount is seen within 10 s. */
const LIST_EVERY_US = 10e6

export interface Disk {
  /** The path for statfs. */
  readonly at: string
  readonly mount: Mount
  readonly tags: readonly Tag[]
}

export interface DiskSpaceOptions {
  readonly listDisks: () => Disk[] | Promise<Disk[]>
  readonly listEveryUs: number
  readonly ask?: AskFileSystem
}

export class DiskSpace implements Measurement {
  readonly name = 'disk'
  readonly #surroundings: Surroundings
  readonly #rows: Rows
  readonly #ask: AskFileSystem
  readonly #listDisks: DiskSpaceOptions['listDisks']
  readonly #listEveryUs: number
  /** The mounts that have not answered, by the path for statfs. */
  readonly #hanging = new Map<string, Mount>()
  #disks: Disk[] = []
  #listedAtUs = Number.NEGATIVE_INFINITY

  constructor(surroundings: Surroundings, options: DiskSpaceOptions) {
    this.#surroundings = surroundings
    this.#rows = new Rows(this.name, DISK_FIELDS, surroundings)
    this.#listDisks = options.listDisks
    this.#listEveryUs = options.listEveryUs
    this.#ask = options.ask ?? statfs
  }

  static linux(surroundings: Surroundings, ask?: AskFileSystem): DiskSpace {
    return new DiskSpace(surroundings, {
      listDisks: () => linuxDisks(surroundings),
      listEveryUs: LIST_EVERY_US,
      ...(ask === undefined ? {} : { ask }),
    })
  }

  async collect(atUs: number, emit: SampleSink): Promise<void> {
    if (Math.abs(atUs - this.#listedAtUs) >= this.#listEveryUs) {
      this.#disks = await this.#listDisks()
      this.#listedAtUs = atUs
    }
    // One after another. So any number of mounts of a dead server take two threads, and not all four.
    for (const disk of this.#disks) {
      const size = await this.#size(disk)
      const values = size === undefined ? undefined : diskValues(size)
      if (values !== undefined) this.#rows.emit(atUs, disk.tags, values, emit)
    }
  }

  async #size(disk: Disk): Promise<FileSystemSize | undefined> {
    if (this.#hanging.has(disk.at)) return undefined
    if (isRemote(disk.mount.fstype) && this.#hangingRemote() >= MAX_HANGING_REMOTE) {
      this.#report(disk, 'is not asked while two other remote mounts give no answer')
      return undefined
    }
    this.#hanging.set(disk.at, disk.mount)
    const answer = this.#ask(disk.at).finally(() => this.#hanging.delete(disk.at))
    try {
      const size = await beforeDeadline(answer)
      if (size === undefined) this.#report(disk, `gave no answer within ${DEADLINE_MS} ms: left out until it does`)
      return size
    } catch (cause) {
      this.#report(disk, 'cannot be asked for its size', cause)
      return undefined
    }
  }

  #hangingRemote(): number {
    let count = 0
    for (const mount of this.#hanging.values()) if (isRemote(mount.fstype)) count++
    return count
  }

  #report({ mount }: Disk, what: string, cause?: unknown): void {
    this.#surroundings.problems.report(`disk ${mount.path}`, `the ${mount.fstype} of ${mount.device} ${what}`, cause)
  }
}

/** `undefined` when the answer does not come in time. A later answer or failure is ignored. */
async function beforeDeadline<T>(answer: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    // After a long pause of this process the answer may be there, but timers run first. So it gets one more turn.
    timer = setTimeout(() => setImmediate(resolve, undefined), DEADLINE_MS)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}

/** The mounts of this machine; in a container that measures its host, those of the host. */
function linuxDisks(surroundings: Surroundings): Disk[] {
  const { roots } = surroundings
  const mounts = parseMountinfo(hostNamespaceFile(surroundings, 'disk', 'mountinfo'))
  const ofHost = roots.mount === '/' ? mounts : underHost(mounts, roots)
  return chooseMounts(ofHost).map((mount) => ({
    at: roots.mount === '/' ? mount.path : join(roots.mount, mount.path),
    mount,
    tags: diskTags(mount, roots),
  }))
}

/**
 * When process 1 of the host cannot be read, the list is the container's own. Then only mounts below the mount root are
 * the host's.
 */
function underHost(mounts: readonly Mount[], roots: Roots): readonly Mount[] {
  const below = mounts.filter(({ path }) => path === roots.mount || path.startsWith(`${roots.mount}/`))
  return below.length === 0
    ? mounts
    : below.map((mount) => ({ ...mount, path: mount.path.slice(roots.mount.length) || '/' }))
}

function diskTags(mount: Mount, roots: Roots): Tag[] {
  return [
    ['path', mount.path],
    ['device', deviceName(mount, roots).replaceAll('/dev/', '')],
    ['fstype', mount.fstype],
    ['mode', mount.mode],
  ]
}

/** A kernel that mounted its root itself calls it `/dev/root`. /sys has the real name. */
function deviceName({ device, id }: Mount, roots: Roots): string {
  if (device !== '/dev/root') return device
  try {
    return basename(readlinkSync(join(roots.sys, 'dev/block', id)))
  } catch {
    return device
  }
}
