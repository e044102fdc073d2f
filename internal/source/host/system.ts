import { readdirSync, readFileSync } from 'node:fs'
import type { SampleSink } from '../../sample/sample.ts'
import { decimal, readText, readTextIfThere } from './kernel-files.ts'
import type { FieldList, Measurement, Surroundings } from './measurement.ts'
import { Rows } from './rows.ts'

/** Telegraf's without `uptime_format`, which is deprecated there since 1.10; `uptime` in seconds. */
export const SYSTEM_FIELDS: FieldList = [
  ['load1', 'float'],
  ['load5', 'float'],
  ['load15', 'float'],
  ['n_cpus', 'int', { min: 1 }],
  ['uptime', 'int'],
  ['n_physical_cpus', 'int'],
  ['n_users', 'int'],
  ['n_unique_users', 'int'],
]

/** NaN for each that is missing or is no number. */
export function parseLoadavg(loadavg: string): [number, number, number] {
  const [load1, load5, load15] = loadavg.split(/\s+/)
  return [decimal(load1), decimal(load5), decimal(load15)]
}

/** How many numbers a list such as `0-3,8,10-11` has, the form of /sys/devices/system/cpu/online. */
export function countCpuList(list: string): number {
  let count = 0
  for (const [, first, last] of list.matchAll(/(\d+)(?:-(\d+))?/g)) count += Number(last ?? first) - Number(first) + 1
  return count
}

/** The cores in /proc/stat that are online. */
function countCpuLines(stat: string): number | undefined {
  return stat.match(/^cpu\d/gm)?.length
}

const NO_LOAD = [undefined, undefined, undefined] as const

/** struct utmp of glibc: 384 bytes, but 400 on arm64, where its times are longer. */
const UTMP_RECORD_BYTES = process.arch === 'arm64' ? 400 : 384
const UTMP_USER_PROCESS = 7
const UTMP_USER = { start: 44, end: 44 + 32 }

/** The names of the users that are logged in, one a session (utmp(5)). */
export function parseUtmp(utmp: Buffer, recordBytes: number = UTMP_RECORD_BYTES): string[] {
  const users: string[] = []
  for (let at = 0; at + recordBytes <= utmp.length; at += recordBytes) {
    if (utmp.readInt16LE(at) !== UTMP_USER_PROCESS) continue
    const name = utmp.toString('utf8', at + UTMP_USER.start, at + UTMP_USER.end)
    users.push(name.split('\0', 1)[0]!)
  }
  return users
}

export class System implements Measurement {
  readonly name = 'system'
  readonly #surroundings: Surroundings
  readonly #rows: Rows
  #cpus = { online: '', physical: undefined as number | undefined }

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings
    this.#rows = new Rows(this.name, SYSTEM_FIELDS, surroundings)
  }

  collect(atUs: number, emit: SampleSink): void {
    const { proc, sys } = this.#surroundings.roots
    const online = readTextIfThere(`${sys}/devices/system/cpu/online`)
    const values = [
      ...(this.#read(`${proc}/loadavg`, 'system.load1, system.load5, system.load15', parseLoadavg) ?? NO_LOAD),
      online === undefined ? this.#read(`${proc}/stat`, 'system.n_cpus', countCpuLines) : countCpuList(online),
      this.#read(`${proc}/uptime`, 'system.uptime', (text) => Math.floor(decimal(text.split(/\s+/, 1)[0]))),
    ]
    if (values.every((value) => value === undefined)) throw new Error(`nothing of ${proc} can be read`)
    const users = this.#users()
    const unique = users === undefined ? undefined : new Set(users).size
    this.#rows.emit(atUs, [], [...values, this.#physical(online), users?.length, unique], emit)
  }

  /** What a file says; undefined when it cannot be read, which costs its own figures only. */
  #read<T>(path: string, figures: string, parse: (text: string) => T): T | undefined {
    const { leftOut, unavailable } = this.#surroundings
    try {
      const parsed = parse(readText(path))
      unavailable.delete(figures)
      return parsed
    } catch (cause) {
      unavailable.set(figures, `${path} cannot be read`)
      leftOut.note('unreadable', figures, `${path} cannot be read`, cause)
      return undefined
    }
  }

  /**
   * The cores behind the hardware threads. It takes one file a thread, so it is read once, and again when a core goes
   * on or off.
   */
  #physical(online: string | undefined): number | undefined {
    if (online !== undefined && online !== this.#cpus.online) this.#cpus = { online, physical: this.#countPhysical() }
    return this.#cpus.physical
  }

  #countPhysical(): number | undefined {
    const folder = `${this.#surroundings.roots.sys}/devices/system/cpu`
    const cores = new Set<string>()
    for (const name of readdirSync(folder)) {
      if (!/^cpu\d+$/.test(name)) continue
      const topology = `${folder}/${name}/topology`
      const siblings =
        readTextIfThere(`${topology}/core_cpus_list`) ?? readTextIfThere(`${topology}/thread_siblings_list`)
      if (siblings !== undefined) cores.add(siblings)
    }
    if (cores.size > 0) return cores.size
    this.#surroundings.unavailable.set('system.n_physical_cpus', `${folder} has no topology`)
    return undefined
  }

  #users(): string[] | undefined {
    // Not /var/run, which is a link to /run: under another mount root it would lead back into the container.
    const path = `${this.#surroundings.roots.mount === '/' ? '' : this.#surroundings.roots.mount}/run/utmp`
    try {
      const users = parseUtmp(readFileSync(path))
      this.#surroundings.unavailable.delete('system.n_users')
      return users
    } catch {
      this.#surroundings.unavailable.set('system.n_users', `${path} cannot be read`)
      return undefined
    }
  }
}
