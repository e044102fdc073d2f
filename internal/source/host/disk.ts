import { readlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { SampleSink } from '../../sample/sample.ts'
import type { Tag } from '../../sample/value.ts'
import type { LeftOutReason } from '../left-out.ts'
import { hostNamespaceFile } from './container.ts'
import { type FieldList, type Measurement, PERCENT, percentOf, type Roots, type Surroundings } from './measurement.ts'
import { type Disk, type FileSystemCalls, type FileSystemSize, MountAsker } from './mount-asker.ts'
import { deviceNumber, MountIdentity } from './mount-identity.ts'
import { chooseMounts, type Mount, parseMountinfo } from './mounts.ts'
import { Rows } from './rows.ts'

/** Bytes, and numbers of files. */
const DISK_FIELDS: FieldList = [
  ['total', 'int'],
  ['free', 'int', { max: 'total' }],
  ['used', 'int', { max: 'total' }],
  ['used_percent', 'float', PERCENT],
  ['inodes_total', 'int'],
  ['inodes_free', 'int', { max: 'inodes_total' }],
  ['inodes_used', 'int', { max: 'inodes_total' }],
  ['inodes_used_percent', 'float', PERCENT],
]

const MAX_BYTES = 2 ** 63

/**
 * In the order of `DISK_FIELDS`; no values for a file system without blocks. `free` is what users other than root may
 * take, and `used_percent` is `used / (used + free)`, as `df` shows it. A file system without a table of inodes (btrfs,
 * FAT) has 0 of them, and no percentage.
 */
export function diskValues(size: FileSystemSize): { values: (number | undefined)[] | undefined; clamped: boolean } {
  const { bsize, blocks, bfree, bavail, files, ffree } = size
  const total = blocks * bsize
  if (total === 0) return { values: undefined, clamped: false }
  if (!(total < MAX_BYTES)) return { values: [total], clamped: false }
  const unused = fromZero(bfree, blocks, bsize) * bsize
  const free = Math.min(fromZero(bavail, blocks, bsize) * bsize, unused)
  const freeFiles = fromZero(ffree, files, 1)
  const used = total - unused
  const usedFiles = files - freeFiles
  return {
    values: [
      ...[total, free, used, percentOf(used, used + free)],
      ...[files, freeFiles, usedFiles, percentOf(usedFiles, files)],
    ],
    clamped: unused !== bfree * bsize || free !== bavail * bsize || freeFiles !== ffree,
  }
}

/**
 * On a disk that is full into its reserve less than 0 is free. Some file systems and NFS servers give that as 2^64 − n
 * bytes, or 2^32 − n blocks.
 */
function fromZero(count: number, all: number, unit: number): number {
  const isWrapped = count > all && (count * unit >= MAX_BYTES || (count >= 2 ** 31 && count < 2 ** 32))
  return isWrapped ? 0 : count
}

/** With hundreds of mounts, to parse their list costs more than to ask them. A new mount is seen within 10 s. */
const LIST_EVERY_US = 10e6

/** A disk with the tags of its samples. */
export type TaggedDisk = Disk & { readonly tags: readonly Tag[] }

export interface DiskList {
  readonly disks: readonly TaggedDisk[]
  /** The device numbers of all mounts, also of those that are not reported. */
  readonly devices: ReadonlySet<number>
}

export interface DiskSpaceOptions {
  readonly listDisks: () => DiskList | Promise<DiskList>
  readonly listEveryUs: number
  readonly calls?: FileSystemCalls | undefined
}

export class DiskSpace implements Measurement {
  readonly name = 'disk'
  readonly #surroundings: Surroundings
  readonly #rows: Rows
  readonly #asker: MountAsker
  readonly #identity = new MountIdentity()
  readonly #listDisks: DiskSpaceOptions['listDisks']
  readonly #listEveryUs: number
  #disks: readonly TaggedDisk[] = []
  #listedAtUs = Number.NEGATIVE_INFINITY
  /** The disks of this list that were not at their path when it was fresh. */
  readonly #absent = new Set<TaggedDisk>()

  constructor(surroundings: Surroundings, options: DiskSpaceOptions) {
    this.#surroundings = surroundings
    this.#rows = new Rows(this.name, DISK_FIELDS, surroundings)
    this.#listDisks = options.listDisks
    this.#listEveryUs = options.listEveryUs
    this.#asker = new MountAsker(options.calls)
  }

  static linux(surroundings: Surroundings, calls?: FileSystemCalls): DiskSpace {
    return new DiskSpace(surroundings, { listDisks: () => linuxDisks(surroundings), listEveryUs: LIST_EVERY_US, calls })
  }

  async collect(atUs: number, emit: SampleSink): Promise<void> {
    const isFresh = Math.abs(atUs - this.#listedAtUs) >= this.#listEveryUs
    if (isFresh) {
      const { disks, devices } = await this.#listDisks()
      this.#disks = disks
      this.#identity.learn(devices)
      this.#absent.clear()
      this.#listedAtUs = atUs
    }
    // One after another. So any number of mounts that hang for one reason take one thread.
    for (const disk of this.#disks) {
      const size = await this.#size(disk, isFresh)
      if (size === undefined) continue
      const { values, clamped } = diskValues(size)
      if (clamped) this.#leftOut('clamped', disk, 'has less than 0 free, or more than there is: taken as its bound')
      if (values !== undefined) this.#rows.emit(atUs, disk.tags, values, emit)
    }
  }

  async #size(disk: TaggedDisk, isFresh: boolean): Promise<FileSystemSize | undefined> {
    try {
      const answer = await this.#asker.ask(disk)
      if ('reason' in answer) this.#leftOut(answer.reason, disk, answer.why)
      else if (this.#identity.isAtItsPath(disk, answer, isFresh)) return answer.size
      else this.#missing(disk, isFresh)
    } catch (cause) {
      if (isGone(cause)) this.#missing(disk, isFresh, cause)
      else this.#leftOut('unreadable', disk, 'cannot be asked for its size', cause)
    }
    return undefined
  }

  /** A disk that is not at its path may just have been unmounted: then the next list is without it. */
  #missing(disk: TaggedDisk, isFresh: boolean, cause?: unknown): void {
    if (isFresh) this.#absent.add(disk)
    if (!this.#absent.has(disk)) {
      this.#listedAtUs = Number.NEGATIVE_INFINITY
      return
    }
    const why = `is not what the agent finds at ${disk.at}: left out. In a container, mount the host’s / with rslave`
    this.#leftOut('other_file_system', disk, why, cause)
  }

  #leftOut(reason: LeftOutReason, { mount }: Disk, what: string, cause?: unknown): void {
    const message = `the ${mount.fstype} of ${mount.device} ${what}`
    this.#surroundings.leftOut.note(reason, `disk ${mount.path}`, message, cause)
  }
}

function isGone(cause: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')
}

/** The mounts of this machine; in a container that measures its host, those of the host. */
function linuxDisks(surroundings: Surroundings): DiskList {
  const { roots } = surroundings
  const mounts = parseMountinfo(hostNamespaceFile(surroundings, 'disk', 'mountinfo'))
  const ofHost = roots.mount === '/' ? mounts : underHost(mounts, roots)
  const disks = chooseMounts(ofHost).map((mount): TaggedDisk => {
    const at = roots.mount === '/' ? mount.path : join(roots.mount, mount.path)
    // Whatever is at /, it is the root.
    return { at, mount, device: at === '/' ? undefined : deviceNumber(mount.id), tags: diskTags(mount, roots) }
  })
  return { disks, devices: new Set(mounts.map(({ id }) => deviceNumber(id))) }
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
