import type { SampleSink } from '../../sample/sample.ts'
import type { Tag } from '../../sample/value.ts'
import { hostNamespaceFile } from './container.ts'
import { counter, decimal, readTextIfThere } from './kernel-files.ts'
import type { FieldList, Measurement, Surroundings } from './measurement.ts'
import { Rows } from './rows.ts'
import { InterfaceStacking, STACKED } from './stacking.ts'

/** Counters since the interface was made; `speed` in Mbit/s, no value where it is unknown. */
export const NET_FIELDS: FieldList = [
  ['bytes_sent', 'int'],
  ['bytes_recv', 'int'],
  ['packets_sent', 'int'],
  ['packets_recv', 'int'],
  ['err_in', 'int'],
  ['err_out', 'int'],
  ['drop_in', 'int'],
  ['drop_out', 'int'],
  // The kernel keeps a speed in 31 bits (ethtool_validate_speed, include/uapi/linux/ethtool.h).
  ['speed', 'int', { min: 1, max: 2 ** 31 - 1 }],
]

/** The counters of an interface, in the order of `NET_FIELDS` without `speed`. */
export type NetCounters = readonly (number | bigint)[]

/**
 * In /proc/net/dev the names of 8 columns stand twice: bytes, packets, errs, drop, … received, then the same sent. A
 * column that is missing or is no number is NaN.
 */
export function parseNetDev(dev: string): Map<string, NetCounters> {
  const interfaces = new Map<string, NetCounters>()
  for (const line of dev.split('\n').slice(2)) {
    // A name may hold a colon of its own (eth0:1), and old kernels print the first number right behind it.
    const colon = line.lastIndexOf(':')
    if (colon === -1) continue
    const columns = line
      .slice(colon + 1)
      .trim()
      .split(/ +/)
    const column = (i: number) => counter(columns[i])
    interfaces.set(line.slice(0, colon).trim(), [8, 0, 9, 1, 2, 10, 3, 11].map(column))
  }
  return interfaces
}

/** From linux/if.h. */
const IFF_UP = 0x1
const IFF_LOOPBACK = 0x8

/**
 * Whether an interface is reported: up and not a loopback, as Telegraf does. Where /sys does not say, only `lo` is left
 * out.
 */
export function isReported(name: string, flags: string | undefined): boolean {
  if (flags === undefined) return name !== 'lo'
  const bits = Number.parseInt(flags, 16)
  return (bits & IFF_UP) !== 0 && (bits & IFF_LOOPBACK) === 0
}

/**
 * What drivers say when there is no link, or none that has a speed: -1 of 16, 32 and 64 bits, and 0 (virtual machines).
 */
const UNKNOWN_SPEEDS = [0, 65_535, 4_294_967_295]

/** Mbit/s, from the file `speed` of an interface. Reading it fails with EINVAL where there is no link. */
export function parseSpeed(speed: string | undefined): number | undefined {
  if (speed === undefined || speed.startsWith('-')) return undefined
  const mbits = decimal(speed.trim())
  return UNKNOWN_SPEEDS.includes(mbits) ? undefined : mbits
}

/**
 * Whether a name matches one of these patterns, in which `*` stands for any characters and `?` for one. One expression
 * for all of them: a node may have hundreds of interfaces.
 */
export function nameMatcher(patterns: readonly string[]): (name: string) => boolean {
  if (patterns.length === 0) return () => false
  const escaped = patterns.map((pattern) =>
    pattern
      .replace(/[\\^$.|+()[\]{}]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.'),
  )
  const expression = new RegExp(`^(?:${escaped.join('|')})$`, 's')
  return (name) => expression.test(name)
}

/**
 * Two small files an interface cost 26 µs. On a node with 100 containers that is a quarter of the agent's budget, each
 * second.
 */
const TRAITS_AGE_US = 10e6

interface Traits {
  readonly reported: boolean
  readonly speedMbits: number | undefined
  readonly readAtUs: number
}

/** An interface that goes up, goes down or changes its speed is seen within 10 s. */
export class Net implements Measurement {
  readonly name = 'net'
  readonly #surroundings: Surroundings
  readonly #rows: Rows
  readonly #stacking: InterfaceStacking
  #traits = new Map<string, Traits>()

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings
    this.#rows = new Rows(this.name, NET_FIELDS, surroundings)
    this.#stacking = new InterfaceStacking(surroundings.roots.sys)
  }

  collect(atUs: number, emit: SampleSink): void {
    const traits = new Map<string, Traits>()
    const interfaces = parseNetDev(hostNamespaceFile(this.#surroundings, this.name, 'net/dev'))
    const stacked = this.#stacking.among(interfaces.keys(), atUs)
    for (const [name, counters] of interfaces) {
      if (this.#surroundings.excludesInterface(name)) continue
      const known = this.#traits.get(name)
      const fresh = known !== undefined && Math.abs(atUs - known.readAtUs) < TRAITS_AGE_US
      const now = fresh ? known : this.#readTraits(name, atUs)
      traits.set(name, now)
      if (!now.reported) continue
      const tags: Tag[] = stacked.has(name) ? [['interface', name], STACKED] : [['interface', name]]
      this.#rows.emit(atUs, tags, [...counters, now.speedMbits], emit)
    }
    this.#traits = traits
  }

  #readTraits(name: string, atUs: number): Traits {
    const folder = `${this.#surroundings.roots.sys}/class/net/${name}`
    const reported = isReported(name, readTextIfThere(`${folder}/flags`))
    return {
      reported,
      speedMbits: reported ? parseSpeed(readTextIfThere(`${folder}/speed`)) : undefined,
      readAtUs: atUs,
    }
  }
}
