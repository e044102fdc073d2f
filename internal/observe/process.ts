import { readFileSync } from 'node:fs'
import type { EventLoopUtilization } from 'node:perf_hooks'

/** What a process costs the host, since the last look. */
export interface ProcessFigures {
  /** Percent of one core, child processes that have ended included. */
  readonly cpuPercent: number
  readonly rssBytes: number
  readonly heapUsedBytes: number
  /** 0–1: the part of the time that the event loop was at work. */
  readonly eventLoopBusy: number
}

/** Linux counts the time of children in ticks of 10 ms, whatever the kernel's own clock. */
const TICKS_PER_SECOND = 100

/** Measures this process between one call of `read` and the next. */
export class ProcessMeter {
  readonly #readStat: () => string
  #lastMs: number
  #lastCpuUs: number
  #lastLoop: EventLoopUtilization

  /** @param readStat gives `/proc/self/stat`; may throw where there is none, and then children are not counted */
  constructor(readStat: () => string = readOwnStat) {
    this.#readStat = readStat
    this.#lastMs = performance.now()
    this.#lastCpuUs = processCpuUs(this.#readStat)
    this.#lastLoop = performance.eventLoopUtilization()
  }

  read(): ProcessFigures {
    const nowMs = performance.now()
    const cpuUs = processCpuUs(this.#readStat)
    const loop = performance.eventLoopUtilization()
    const elapsedUs = (nowMs - this.#lastMs) * 1000
    const figures = {
      cpuPercent: elapsedUs > 0 ? ((cpuUs - this.#lastCpuUs) / elapsedUs) * 100 : 0,
      rssBytes: process.memoryUsage.rss(),
      heapUsedBytes: process.memoryUsage().heapUsed,
      eventLoopBusy: performance.eventLoopUtilization(loop, this.#lastLoop).utilization,
    }
    this.#lastMs = nowMs
    this.#lastCpuUs = cpuUs
    this.#lastLoop = loop
    return figures
  }
}

/** CPU time since the start of the process, µs: its own and that of children that have ended and been waited for. */
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

/** `cutime + cstime`, fields 16 and 17 of proc(5) stat. Field 2 is the program's name in brackets and may hold anything. */
export function childTicks(stat: string): number {
  const fromField3 = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fromField3[13]) + Number(fromField3[14])
}
