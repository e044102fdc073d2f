import { readFileSync } from 'node:fs'

/** What a process costs its host. */
interface ProcessUsage {
  /** Percent of one core since the call before, including child processes that have ended. */
  readonly cpuPercent: number
  readonly rssBytes: number
}

/** Linux reports the CPU time of child processes in ticks of 10 ms. */
const TICKS_PER_SECOND = 100

/** Measures this process between one call of `read` and the next. */
export class ProcessMeter {
  readonly #readStat: () => string
  #lastMs: number
  #lastCpuUs: number

  /**
   * @param readStat returns `/proc/self/stat`. It throws on systems without that file, and then children are not
   * counted
   */
  constructor(readStat: () => string = readOwnStat) {
    this.#readStat = readStat
    this.#lastMs = performance.now()
    this.#lastCpuUs = processCpuUs(this.#readStat)
  }

  read(): ProcessUsage {
    const nowMs = performance.now()
    const cpuUs = processCpuUs(this.#readStat)
    const elapsedUs = (nowMs - this.#lastMs) * 1000
    const usage = {
      cpuPercent: elapsedUs > 0 ? ((cpuUs - this.#lastCpuUs) / elapsedUs) * 100 : 0,
      rssBytes: process.memoryUsage.rss(),
    }
    this.#lastMs = nowMs
    this.#lastCpuUs = cpuUs
    return usage
  }
}

/** The CPU time of this process and of its ended children since the start, µs. */
export function processCpuUs(readStat: () => string = readOwnStat): number {
  const { user, system } = process.cpuUsage()
  return user + system + childrenUs(readStat)
}

function childrenUs(readStat: () => string): number {
  try {
    return childTicks(readStat()) * (1e6 / TICKS_PER_SECOND)
  } catch {
    return 0
  }
}

function readOwnStat(): string {
  return readFileSync('/proc/self/stat', 'latin1')
}

/**
 * `cutime + cstime`: fields 16 and 17 of proc(5) stat. Field 2, the program's name in brackets, can contain spaces and
 * brackets.
 */
export function childTicks(stat: string): number {
  const fromField3 = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fromField3[13]) + Number(fromField3[14])
}
