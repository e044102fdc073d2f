import { readdirSync } from 'node:fs'
import type { SampleSink } from '../../sample/sample.ts'
import { type Visibility, visibility } from './hidepid.ts'
import { readTextIfThere } from './kernel-files.ts'
import type { FieldList, Measurement, Surroundings } from './measurement.ts'
import { Rows } from './rows.ts'

/** How many processes are in each state. `parked` has a value only when a process is parked, as in Telegraf. */
const PROCESSES_FIELDS: FieldList = [
  ['blocked', 'int'],
  ['dead', 'int'],
  ['idle', 'int'],
  ['paging', 'int'],
  ['parked', 'int'],
  ['running', 'int'],
  ['sleeping', 'int'],
  ['stopped', 'int'],
  ['unknown', 'int'],
  ['zombies', 'int'],
  ['total', 'int'],
  ['total_threads', 'int'],
]

/** The kernel's letters for the states (fs/proc/array.c) → the field that counts them. */
const STATES: Readonly<Record<string, string>> = {
  D: 'blocked',
  X: 'dead',
  x: 'dead',
  I: 'idle',
  W: 'paging',
  P: 'parked',
  R: 'running',
  S: 'sleeping',
  T: 'stopped',
  t: 'stopped',
  Z: 'zombies',
}

export interface Process {
  /** The kernel's letter. */
  readonly state: string
  readonly threads: number
}

/**
 * Parses /proc/<pid>/stat. The name in brackets may contain brackets and spaces. `undefined` when the text is
 * truncated.
 */
export function parseProcess(stat: string): Process | undefined {
  const columns = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const threads = Number(columns[17])
  return columns.length < 18 || Number.isNaN(threads) ? undefined : { state: columns[0]!, threads }
}

/**
 * In the order of `PROCESSES_FIELDS`.
 *
 * @param unread processes that exist but were not read yet: each counts as unknown, with one thread
 */
export function countProcesses(processes: Iterable<Process>, unread = 0): (number | undefined)[] {
  const counts = new Map<string, number>([['unknown', unread]])
  let total = unread
  let threads = unread
  for (const process of processes) {
    const field = STATES[process.state] ?? 'unknown'
    counts.set(field, (counts.get(field) ?? 0) + 1)
    total++
    threads += process.threads
  }
  counts.set('total', total)
  counts.set('total_threads', threads)
  return PROCESSES_FIELDS.map(([field]) => counts.get(field) ?? (field === 'parked' ? undefined : 0))
}

/**
 * To read the file of one process costs 11 µs with warm caches, and twice that after a second of sleep. So 500
 * processes cost 1 % of a core, which is the budget of the whole agent. Known processes are therefore read in turn,
 * this many a tick, and new ones at once up to a bound of their own. Up to 32 processes everything is exact. Beyond, a
 * state is at most (processes / 32) ticks old: with 320 at 1 s that is 10 s, the interval of Telegraf. `total` is
 * always exact.
 */
const KNOWN_PER_TICK = 32
const NEW_PER_TICK = 128

/** /proc is rarely mounted anew. To ask costs 60 µs. */
const VISIBLE_AGE_US = 10e6

export class Processes implements Measurement {
  readonly name = 'processes'
  readonly #surroundings: Surroundings
  readonly #proc: string
  readonly #rows: Rows
  /** The last reading of each process, the oldest reading first. */
  readonly #known = new Map<string, Process>()
  #visible: Visibility = 'all'
  #askedAtUs = Number.NEGATIVE_INFINITY

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings
    this.#proc = surroundings.roots.proc
    this.#rows = new Rows(this.name, PROCESSES_FIELDS, surroundings)
  }

  /** Reads all, so that the first tick is complete. */
  prime(): void {
    for (const pid of this.#pids()) this.#read(pid)
  }

  collect(atUs: number, emit: SampleSink): void {
    const pids = this.#pids()
    if (Math.abs(atUs - this.#askedAtUs) >= VISIBLE_AGE_US) this.#lookHowMuchIsVisible(pids, atUs)
    if (this.#visible === 'all') this.#rows.emit(atUs, [], this.#count(pids), emit)
    else {
      this.#surroundings.leftOut.note('hidden', this.name, HIDDEN[this.#visible])
      if (this.#visible === 'names') this.#rows.emit(atUs, [], totalOnly(pids.length), emit)
    }
  }

  #lookHowMuchIsVisible(pids: readonly string[], atUs: number): void {
    const { roots, unavailable } = this.#surroundings
    const visible = visibility(roots, pids, [process.getegid?.() ?? -1, ...(process.getgroups?.() ?? [])])
    if (visible !== 'all') unavailable.set(this.name, HIDDEN[visible])
    else if (this.#visible !== 'all') unavailable.delete(this.name)
    this.#visible = visible
    this.#askedAtUs = atUs
  }

  #count(pids: readonly string[]): (number | undefined)[] {
    const there = new Set(pids)
    for (const pid of this.#known.keys()) if (!there.has(pid)) this.#known.delete(pid)
    const unknown = pids.filter((pid) => !this.#known.has(pid))
    let left = Math.min(KNOWN_PER_TICK, this.#known.size)
    for (const pid of this.#known.keys()) {
      if (left-- === 0) break
      this.#read(pid)
    }
    for (const pid of unknown.slice(0, NEW_PER_TICK)) this.#read(pid)
    return countProcesses(this.#known.values(), Math.max(0, unknown.length - NEW_PER_TICK))
  }

  #pids(): string[] {
    return readdirSync(this.#proc).filter((name) => name >= '0' && name < ':')
  }

  /** Moves the process to the end of the queue, or removes it when it has ended. */
  #read(pid: string): void {
    const process = parseProcess(readTextIfThere(`${this.#proc}/${pid}/stat`) ?? '')
    this.#known.delete(pid)
    if (process !== undefined) this.#known.set(pid, process)
  }
}

const NEXT_STEP = 'run the agent with CAP_SYS_PTRACE, or in the group of the mount option gid'
const HIDDEN = {
  names: `/proc shows the states of this user's processes only (hidepid): only their number is sent; ${NEXT_STEP}`,
  own: `/proc shows this user's processes only (hidepid): left out; ${NEXT_STEP}`,
} as const

function totalOnly(total: number): (number | undefined)[] {
  return PROCESSES_FIELDS.map(([field]) => (field === 'total' ? total : undefined))
}
