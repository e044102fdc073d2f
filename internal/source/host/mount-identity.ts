import type { Disk, MountAnswer } from './mount-asker.ts'

/**
 * `st_dev` of stat(2) for a `major:minor` of mountinfo (makedev(3)). Anonymous devices (btrfs, NFS, overlay) have major
 * 0 and minors beyond 255 on a machine with many containers.
 */
export function deviceNumber(id: string): number {
  const [major = 0, minor = 0] = id.split(':').map(Number)
  return (
    (minor % 256) + (major % 4096) * 2 ** 8 + Math.floor(minor / 256) * 2 ** 20 + Math.floor(major / 4096) * 2 ** 44
  )
}

/**
 * Whether what is found at the path of a mount is that mount. It is not where the mount is gone, where another one
 * covers it, or where it does not reach the container of the agent: statfs then answers for the file system of the
 * folder, which has another size.
 *
 * Most file systems have the number of mountinfo in `st_dev`. Some give their files numbers of their own: each subvolume
 * of a btrfs has one (Red Hat bug 711881), and CephFS says 0 before Linux 5.2. Theirs is neither the number of another
 * mount nor that of the folder above. It is learnt while the list of mounts is fresh, and holds until the next list.
 */
export class MountIdentity {
  #devices: ReadonlySet<number> = new Set()
  readonly #ownNumbers = new Map<string, number>()

  /** @param devices the numbers of all mounts of a list that was read just now */
  learn(devices: ReadonlySet<number>): void {
    this.#devices = devices
    this.#ownNumbers.clear()
  }

  isAtItsPath({ at, device: expected }: Disk, { device, parentDevice }: MountAnswer, isFresh: boolean): boolean {
    if (device === expected || device === undefined) return true
    if (this.#devices.has(device) || device === parentDevice) return false
    if (isFresh) this.#ownNumbers.set(at, device)
    return this.#ownNumbers.get(at) === device
  }
}
