import type { SampleSink } from '../../sample/sample.ts'
import type { SeriesTable } from '../../sample/series.ts'
import { errorText } from '../../text/error-text.ts'
import { LeftOut, type LeftOutReason } from '../left-out.ts'
import { type ProblemSink, ProblemThrottle, type Source } from '../source.ts'
import { containerNotes } from './container.ts'
import { Cpu } from './cpu.ts'
import { DiskSpace } from './disk.ts'
import { DiskIo } from './diskio.ts'
import type { Measurement, Roots, Surroundings } from './measurement.ts'
import { Mem } from './mem.ts'
import type { FileSystemCalls } from './mount-asker.ts'
import { Net, nameMatcher } from './net.ts'
import { nonLinuxMeasurements } from './non-linux.ts'
import { Processes } from './processes.ts'
import { Swap } from './swap.ts'
import { System } from './system.ts'

/** Telegraf's names. */
export const HOST_MEASUREMENTS = ['cpu', 'mem', 'swap', 'system', 'processes', 'net', 'diskio', 'disk'] as const
export type HostMeasurement = (typeof HOST_MEASUREMENTS)[number]

export interface HostSourceOptions {
  /** The tag `host` of every sample. */
  readonly host: string
  readonly table: SeriesTable
  /** Where the host's /proc, /sys and / are. A container that measures its host has them mounted elsewhere. */
  readonly procRoot?: string
  readonly sysRoot?: string
  readonly mountRoot?: string
  /** The measurements to make; all by default. */
  readonly include?: readonly HostMeasurement[]
  /** Names of network interfaces to leave out; `*` stands for any characters, `?` for one. None by default. */
  readonly excludeInterfaces?: readonly string[]
  /** Told what cannot be read: at once the first time, then once in ten minutes. */
  readonly onProblem: ProblemSink
  /** For tests: how file systems are asked, a monotonic timer (ms), and the platform. */
  readonly fileSystemCalls?: FileSystemCalls
  readonly monotonicMs?: () => number
  readonly platform?: NodeJS.Platform
}

/**
 * The machine that this process runs on, in the measurements, tags and fields of Telegraf, so that dashboards made for
 * it work. The constructor takes a first reading, so a first tick that comes 100 ms later or more has the CPU usage
 * since then.
 */
export class HostSource implements Source {
  readonly name = 'host'
  readonly #unavailable = new Map<string, string>()
  readonly #problems: ProblemThrottle
  readonly #leftOut: LeftOut
  readonly #all: readonly Measurement[]
  /** What was unavailable already before the first reading, also of measurements that are not included. */
  readonly #knownUnavailable: ReadonlyMap<string, string>
  #measurements: readonly Measurement[] = []
  #excludesInterface: (name: string) => boolean = () => false
  /** The keys of `unavailable` that `onProblem` was told. */
  readonly #said = new Set<string>()
  /** Measurements whose last reading failed → their reason in `unavailable` before that. */
  readonly #failing = new Map<string, string | undefined>()

  constructor(options: HostSourceOptions) {
    this.#problems = new ProblemThrottle(this.name, options.onProblem, options.monotonicMs)
    this.#leftOut = new LeftOut(this.#problems)
    this.excludeInterfaces(options.excludeInterfaces ?? [])
    const { host, table, monotonicMs = () => performance.now() } = options
    const roots: Roots = {
      proc: withoutEndSlash(options.procRoot ?? '/proc'),
      sys: withoutEndSlash(options.sysRoot ?? '/sys'),
      mount: withoutEndSlash(options.mountRoot ?? '/'),
    }
    const surroundings: Surroundings = {
      ...{ host, table, monotonicMs, roots, problems: this.#problems, leftOut: this.#leftOut },
      ...{ unavailable: this.#unavailable, excludesInterface: (name) => this.#excludesInterface(name) },
    }
    const onLinux = (options.platform ?? process.platform) === 'linux'
    this.#all = onLinux ? linuxMeasurements(surroundings, options) : nonLinuxMeasurements(surroundings)
    this.#knownUnavailable = new Map(this.#unavailable)
    this.#unavailable.clear()
    this.include(options.include ?? HOST_MEASUREMENTS)
  }

  /**
   * Measurements and fields that this machine does not give, or that mean less than they seem to, with the reason in
   * words. The key is a measurement (`diskio`) or fields of it (`swap.in, swap.out`). Each is also told to `onProblem`
   * once.
   */
  get unavailable(): ReadonlyMap<string, string> {
    return this.#unavailable
  }

  /** What was read and not sent, by reason. */
  get leftOut(): ReadonlyMap<LeftOutReason, number> {
    return this.#leftOut.counts
  }

  /** Leaves out these network interfaces from the next tick on, in place of those before. */
  excludeInterfaces(patterns: readonly string[]): void {
    this.#excludesInterface = nameMatcher(patterns)
  }

  /**
   * Makes these measurements from the next tick on. A measurement that was made before too continues from its last
   * reading.
   */
  include(measurements: readonly HostMeasurement[]): void {
    const names: readonly string[] = measurements
    const before = this.#measurements
    this.#measurements = this.#all.filter(({ name }) => names.includes(name))
    for (const { name } of before) if (!names.includes(name)) this.#forget(name)
    const added = this.#measurements.filter((measurement) => !before.includes(measurement))
    for (const [figures, reason] of this.#knownUnavailable) {
      if (added.some(({ name }) => name === measurementOf(figures))) this.#unavailable.set(figures, reason)
    }
    for (const measurement of added) this.#prime(measurement)
    this.#sayUnavailable()
  }

  async collect(atUs: number, emit: SampleSink): Promise<void> {
    // The map reads what needs no waiting, one after another. Meanwhile the file systems answer.
    const succeeded = await Promise.all(this.#measurements.map((measurement) => this.#collect(measurement, atUs, emit)))
    this.#sayUnavailable()
    if (succeeded.length > 0 && !succeeded.includes(true)) throw new Error('nothing of this host could be read')
  }

  async close(): Promise<void> {}

  #forget(name: string): void {
    this.#failing.delete(name)
    for (const figures of this.#unavailable.keys())
      if (measurementOf(figures) === name) this.#unavailable.delete(figures)
  }

  #prime(measurement: Measurement): void {
    try {
      measurement.prime?.()
    } catch (cause) {
      this.#failed(measurement, cause)
    }
  }

  async #collect(measurement: Measurement, atUs: number, emit: SampleSink): Promise<boolean> {
    try {
      await measurement.collect(atUs, emit)
    } catch (cause) {
      this.#failed(measurement, cause)
      return false
    }
    if (this.#failing.has(measurement.name)) this.#recovered(measurement)
    return true
  }

  #failed({ name }: Measurement, cause: unknown): void {
    const reason = errorText(cause)
    if (!this.#failing.has(name)) this.#failing.set(name, this.#unavailable.get(name))
    this.#unavailable.set(name, reason)
    this.#said.add(name)
    this.#problems.report(name, `cannot be read: ${reason}`, cause)
  }

  #recovered({ name }: Measurement): void {
    const before = this.#failing.get(name)
    this.#failing.delete(name)
    if (before === undefined) this.#unavailable.delete(name)
    else this.#unavailable.set(name, before)
  }

  #sayUnavailable(): void {
    for (const [figures, reason] of this.#unavailable) {
      if (this.#said.has(figures)) continue
      this.#said.add(figures)
      this.#problems.report(figures, reason)
    }
  }
}

function linuxMeasurements(surroundings: Surroundings, options: HostSourceOptions): Measurement[] {
  for (const [measurement, note] of containerNotes(surroundings.roots)) surroundings.unavailable.set(measurement, note)
  return [
    Cpu.linux(surroundings),
    new Mem(surroundings),
    new Swap(surroundings),
    new System(surroundings),
    new Processes(surroundings),
    new Net(surroundings),
    new DiskIo(surroundings),
    DiskSpace.linux(surroundings, options.fileSystemCalls),
  ]
}

/** The measurement of a key of `unavailable`. */
function measurementOf(figures: string): string {
  return figures.split('.', 1)[0]!
}

/** Roots are compared as text, and `/proc/` is the same folder as `/proc`. */
function withoutEndSlash(path: string): string {
  return path.replace(/(?<=.)\/+$/, '')
}
