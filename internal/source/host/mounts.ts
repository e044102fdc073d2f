/** A line of /proc/<pid>/mountinfo (proc(5)). */
export interface Mount {
  /** As the kernel names it: `/dev/sda1`, `overlay`, `server:/export`. */
  readonly device: string
  readonly path: string
  readonly fstype: string
  /** The part of the file system that is mounted at `path`: `/` for all of it, a folder or a file for a bind mount. */
  readonly root: string
  readonly mode: 'rw' | 'ro'
  /** `major:minor` of the file system, the same for all its mounts. */
  readonly id: string
  /** The options of the file system, not of this mount of it: `rw,hidepid=2`. */
  readonly options: string
}

/**
 * In the kernel's order: a later mount hides an earlier one of the same path. Truncated lines are left out.
 */
export function parseMountinfo(mountinfo: string): Mount[] {
  const mounts: Mount[] = []
  for (const line of mountinfo.split('\n')) {
    const columns = line.split(' ')
    // Any number of optional columns stands before the dash.
    const dash = columns.indexOf('-', 6)
    const [, , id, root, path, options] = columns
    const [fstype, device, superOptions] = columns.slice(dash + 1)
    if (dash === -1 || superOptions === undefined) continue
    // A file system that went read-only after an error says so in its own options only, not in those of the mount.
    const readOnly = isReadOnly(options!) || isReadOnly(superOptions)
    mounts.push({
      device: unescapePath(device!),
      path: unescapePath(path!),
      fstype: fstype!,
      root: unescapePath(root!),
      mode: readOnly ? 'ro' : 'rw',
      id: id!,
      options: superOptions,
    })
  }
  return mounts
}

function isReadOnly(options: string): boolean {
  return options === 'ro' || options.startsWith('ro,')
}

/**
 * Space, tab, line break and backslash are written as three octal digits: `/mnt/my\040disk`. Other bytes are unchanged.
 */
function unescapePath(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}

/** Telegraf's default `ignore_fs`, and autofs, where asking would mount. */
const IGNORED = ['tmpfs', 'devtmpfs', 'devfs', 'iso9660', 'overlay', 'aufs', 'squashfs', 'autofs']
/** File systems without blocks. Telegraf asks them, and drops those with a total of 0. Not to ask saves 50 µs each. */
const WITHOUT_BLOCKS = [
  ...['proc', 'sysfs', 'cgroup', 'cgroup2', 'devpts', 'mqueue', 'debugfs', 'tracefs', 'securityfs', 'pstore', 'bpf'],
  ...[
    'configfs',
    'fusectl',
    'hugetlbfs',
    'binfmt_misc',
    'rpc_pipefs',
    'nsfs',
    'nfsd',
    'ramfs',
    'efivarfs',
    'selinuxfs',
  ],
]
const LEFT_OUT = new Set([...IGNORED, ...WITHOUT_BLOCKS])

/** Where container runtimes put single files of the host's disk: /etc/hosts, /etc/resolv.conf, /dev/termination-log. */
const RUNTIME_FILES = /^\/(etc|dev|run)\//

/**
 * The mounts to report, as people expect from `df`:
 * - `/` always, whatever its type: in a container it is an overlay, and the one disk that everything there writes to;
 * - else no pseudo file system, by Telegraf's default list;
 * - each file system once: a bind mount would only show the same values under another path, and a Kubernetes
 *   node has hundreds. The mount of the whole is preferred to one of a part, then the shortest path. The subvolumes of
 *   a btrfs each count as a whole.
 */
export function chooseMounts(mounts: readonly Mount[]): Mount[] {
  const visible = new Map(mounts.map((mount) => [mount.path, mount]))
  const chosen = new Map<string, Mount>()
  for (const mount of visible.values()) {
    if (mount.path !== '/' && (LEFT_OUT.has(mount.fstype) || isRuntimeFile(mount))) continue
    const key = mount.fstype === 'btrfs' ? `${mount.id} ${mount.root}` : mount.id
    const rival = chosen.get(key)
    if (rival === undefined || isBetter(mount, rival)) chosen.set(key, mount)
  }
  return [...chosen.values()]
}

function isRuntimeFile(mount: Mount): boolean {
  return mount.root !== '/' && RUNTIME_FILES.test(mount.path)
}

function isBetter(mount: Mount, rival: Mount): boolean {
  if (mount.path === '/' || rival.path === '/') return mount.path === '/'
  const whole = Number(mount.root === '/') - Number(rival.root === '/')
  return whole !== 0 ? whole > 0 : mount.path.length < rival.path.length
}

/** On these, `statfs` waits for ever while the server is away. */
export function isRemote(fstype: string): boolean {
  return /^(nfs|cifs|smb|9p|ceph|glusterfs|lustre|afs|beegfs|gpfs|ocfs2|gfs2|fuse|virtiofs)/.test(fstype)
}
