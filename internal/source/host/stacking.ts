import { existsSync, readdirSync } from 'node:fs'
import type { Tag } from '../../sample/value.ts'
import { readTextIfThere } from './kernel-files.ts'

/**
 * The tag of an interface or device whose bytes another one of this machine counts too. Whoever adds up a machine's
 * bytes leaves these series out. The others have no such tag, so they keep the identity that they always had.
 */
export const STACKED: Tag = ['stacked', 'true']

/** How long the answer about interfaces holds while none comes or goes, µs. */
const NET_AGE_US = 10e6

/** Which interfaces stand on others. Asked at each tick, it reads /sys when an interface came or went, and every 10 s. */
export class InterfaceStacking {
  readonly #sys: string
  #names = ''
  #readAtUs = Number.NEGATIVE_INFINITY
  #stacked: ReadonlySet<string> = new Set()

  constructor(sys: string) {
    this.#sys = sys
  }

  /** @param names of all interfaces that there are */
  among(names: Iterable<string>, atUs: number): ReadonlySet<string> {
    const joined = [...names].join('\n')
    if (joined !== this.#names || Math.abs(atUs - this.#readAtUs) >= NET_AGE_US) {
      this.#names = joined
      this.#readAtUs = atUs
      this.#stacked = new Set([...stackedInterfaces(this.#sys), ...stackedByName(this.#sys, joined.split('\n'))])
    }
    return this.#stacked
  }
}

/** What /sys/class/net says of an interface. */
interface Interface {
  readonly name: string
  readonly has: (entry: string) => boolean
  readonly lower: readonly string[]
}

/**
 * The interfaces whose bytes another interface counts too. An interface with another below it (VLAN, bond, macvlan, a
 * bridge with ports) is stacked; a bridge or bond is so without one as well, so that docker0 does not change when the
 * first container starts.
 *
 * Of the rest, tunnels and the host's ends of containers (veth, tap) name nothing below them, though their bytes leave
 * through the network card. So only hardware counts. A machine without any, such as a container, counts what looks like
 * a cable: no tunnel, no end of a container, no port of a bridge. If it has only those, they count.
 */
export function stackedInterfaces(sys: string): ReadonlySet<string> {
  const folder = `${sys}/class/net`
  const all = entriesOf(folder)
    .filter((name) => name !== 'lo')
    .map((name) => readInterface(`${folder}/${name}`, name))
  const lowest = all.filter(({ lower, has }) => lower.length === 0 && !has('bridge') && !has('bonding'))
  const ports = new Set(all.filter(({ has }) => has('bridge')).flatMap(({ lower }) => lower))
  const isPort = ({ name, has }: Interface) => has('brport') || ports.has(name)
  const hardware = lowest.filter(({ has }) => has('device'))
  const cables = lowest.filter((one) => !isPort(one) && !isMade(`${folder}/${one.name}`, one))
  const counted = [hardware, cables, lowest].find((some) => some.length > 0) ?? []
  return new Set(all.filter((one) => !counted.includes(one)).map(({ name }) => name))
}

/** What bridges, bonds and VLANs are called by the programs that make them. */
const STACKED_NAMES = /^(br-|br\d|docker|virbr|lxcbr|lxdbr|cni|flannel|kube-|bond\d|team\d|vlan)|\.\d+$/

/**
 * Of the interfaces that this /sys does not have, those whose names say that they stand on others: the agent was given
 * the /proc of its host, and has the /sys of its container. If there are no others, they count.
 */
function stackedByName(sys: string, names: readonly string[]): ReadonlySet<string> {
  const all = names.filter((name) => name !== 'lo')
  const unknown = all.filter((name) => !existsSync(`${sys}/class/net/${name}`))
  const stacked = unknown.filter((name) => STACKED_NAMES.test(name) || MADE_NAMES.test(name))
  return new Set(stacked.length < all.length ? stacked : [])
}

function readInterface(folder: string, name: string): Interface {
  const entries = entriesOf(folder)
  const lower = entries.filter((entry) => entry.startsWith('lower_')).map((entry) => entry.slice('lower_'.length))
  return { name, has: (entry) => entries.includes(entry), lower }
}

/** From linux/if_arp.h: PPP, IP in IP (4 and 6), SIT, GRE (4 and 6), and no link layer (tun, WireGuard). */
const TUNNEL_TYPES = [512, 768, 769, 776, 778, 823, 65534]
/** Tunnels that pretend to be an Ethernet card. */
const TUNNEL_KINDS = /^DEVTYPE=(vxlan|geneve|bareudp|gtp|l2tpeth)$/m
/** What nothing but the name tells apart from a cable: ends of containers that are routed, and what leads nowhere. */
const MADE_NAMES = /^(veth|cali|lxc|vnet|tap|tun|wg|ppp|vxlan|dummy|ifb)/

function isMade(folder: string, { name, has }: Interface): boolean {
  if (has('tun_flags') || MADE_NAMES.test(name)) return true
  const type = Number.parseInt(readTextIfThere(`${folder}/type`) ?? '', 10)
  return TUNNEL_TYPES.includes(type) || TUNNEL_KINDS.test(readTextIfThere(`${folder}/uevent`) ?? '')
}

/** Devices that the kernel makes of others, or of memory, by the names that it gives them. Not all of them list what is below. */
const MADE_OF_OTHERS = /^(dm-|md|bcache|drbd|zd|zram|loop)\d/

/**
 * Whether another device counts the bytes of this one too: partitions, device mapper (LVM, dm-crypt, multipath), RAID,
 * bcache, ZFS volumes. Also zram, whose bytes are in memory.
 */
export function isStackedDisk(sys: string, device: string): boolean {
  // The kernel writes the slash of a name such as cciss/c0d0 as an exclamation mark in /sys.
  const name = device.replaceAll('/', '!')
  if (MADE_OF_OTHERS.test(name) || isPartition(sys, name)) return true
  return entriesOf(`${sys}/block/${name}/slaves`).length > 0
}

/** On some virtual machines the only device is called xvda1: it is a disk, because no disk lists it as its part. */
function isPartition(sys: string, name: string): boolean {
  if (existsSync(`${sys}/class/block/${name}/partition`)) return true
  return [/\d+$/, /p\d+$/].some((number) => existsSync(`${sys}/block/${name.replace(number, '')}/${name}`))
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
