import { readTextIfThere } from './kernel-files.ts'
import type { Roots } from './measurement.ts'
import { parseMountinfo } from './mounts.ts'

/** What /proc shows of processes of other users: all of it, only that they exist, or nothing. */
export type Visibility = 'all' | 'names' | 'own'

/** The values of the mount option `hidepid` (proc(5)), as numbers before Linux 5.8 and as words since. */
const HIDEPID: Readonly<Record<string, Visibility>> = {
  '1': 'names',
  noaccess: 'names',
  '2': 'own',
  invisible: 'own',
  '4': 'own',
  ptraceable: 'own',
}

/** With these no group helps. */
const STRICT = ['4', 'ptraceable']

/** The bit of CAP_SYS_PTRACE (linux/capability.h), with which a process sees all others. */
const CAP_SYS_PTRACE = 19n

/**
 * How much of the processes a /proc shows to this one.
 *
 * @param groups the groups of this process; those in the group of the mount option `gid` see all
 */
export function visibility({ proc }: Roots, pids: readonly string[], groups: readonly number[]): Visibility {
  const options = mountOptions(proc)
  const hidden = HIDEPID[options.get('hidepid') ?? '']
  // Each /proc has a process 1. It is hidden only from those who see their own processes alone.
  if (hidden === undefined) return pids.includes('1') || pids.length === 0 ? 'all' : 'own'
  const isLet = groups.includes(Number(options.get('gid') ?? 0)) && !STRICT.includes(options.get('hidepid')!)
  return isLet || maySeeAll(proc) ? 'all' : hidden
}

/** The options of the file system that is mounted at `proc`. `self` is this process also under a host's /proc. */
function mountOptions(proc: string): Map<string, string> {
  const mounts = parseMountinfo(readTextIfThere(`${proc}/self/mountinfo`) ?? '')
  const options = mounts.findLast(({ path }) => path === proc)?.options ?? ''
  return new Map(options.split(',').map((option) => option.split('=', 2) as [string, string]))
}

function maySeeAll(proc: string): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readTextIfThere(`${proc}/self/status`) ?? '')?.[1]
  return effective !== undefined && ((BigInt(`0x${effective}`) >> CAP_SYS_PTRACE) & 1n) === 1n
}
