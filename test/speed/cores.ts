import { readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { cpuUsOf } from './processes.ts'

/** CPU so far, µs, by the name of the program; what has ended meanwhile is in none. */
export type CpuByProgram = ReadonlyMap<string, number>

const LEAST_CORES = 0.05
const LEAST_SHARE = 0.01

/** Which programs use how much of the machine, from here until it is asked. */
export class Cores {
  readonly #startedAtMs = performance.now()
  readonly #before = cpuByProgram(everything)
  readonly #ownBefore = cpuByProgram(isOwn)
  readonly #machineBefore = busyMs()

  /** In words: `cores busy: influxd 1.21, redis-server 0.14, server 0.38, load generator 0.25; 1.99 of the 2 that there are`. */
  text(): string {
    const seconds = (performance.now() - this.#startedAtMs) / 1000
    const allUs = (busyMs() - this.#machineBefore) * 1000
    return coresText(since(this.#before, cpuByProgram(everything)), allUs, seconds)
  }

  /** CPU of this program and of those that it started, µs, the most first: what others do on the machine is not in it. */
  own(): CpuByProgram {
    return since(this.#ownBefore, cpuByProgram(isOwn))
  }
}

/** @param allUs of the machine; where programs have ended, more than theirs together */
export function coresText(cpuUs: CpuByProgram, allUs: number, seconds: number): string {
  const coresOf = (us: number): number => us / 1e6 / seconds
  const used = [...cpuUs].filter(([, us]) => coresOf(us) >= LEAST_CORES)
  const each = used.map(([program, us]) => `${program} ${coresOf(us).toFixed(2)}`).join(', ')
  return `cores busy: ${each}; ${coresOf(allUs).toFixed(2)} of the ${cpus().length} that there are`
}

/** In words: `CPU, µs a sample: influxd 2.41, server 0.71, load generator 0.16, redis-server 0.12; 3.40 in all`. */
export function cpuText(cpuUs: CpuByProgram, samples: number): string {
  const all = sumOf(cpuUs)
  const each = [...cpuUs].filter(([, us]) => us >= all * LEAST_SHARE)
  const words = each.map(([program, us]) => `${program} ${(us / samples).toFixed(2)}`)
  return `CPU, µs a sample: ${words.join(', ')}; ${(all / samples).toFixed(2)} in all`
}

/** Of all programs, µs. */
export function sumOf(cpuUs: CpuByProgram): number {
  return [...cpuUs.values()].reduce((sum, us) => sum + us, 0)
}

function since(before: CpuByProgram, now: CpuByProgram): CpuByProgram {
  const used = [...now].map(([program, cpuUs]) => [program, cpuUs - (before.get(program) ?? 0)] as const)
  return new Map(used.toSorted(([, a], [, b]) => b - a))
}

function cpuByProgram(counts: (pid: number) => boolean): CpuByProgram {
  const sums = new Map<string, number>()
  for (const name of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const pid = Number(name)
    try {
      if (!counts(pid)) continue
      const program = programOf(pid)
      sums.set(program, (sums.get(program) ?? 0) + cpuUsOf(pid))
    } catch {
      // It has ended.
    }
  }
  return sums
}

function everything(): boolean {
  return true
}

function isOwn(pid: number): boolean {
  if (pid === process.pid) return true
  const [, parent] = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))!
  return Number(parent) === process.pid
}

function programOf(pid: number): string {
  if (pid === process.pid) return 'load generator'
  const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  if (/cmd\/server\/main\.js/.test(command)) return 'server'
  if (command === '') return 'kernel threads'
  return readFileSync(`/proc/${pid}/comm`, 'latin1').trim()
}

/** Of all cores together, with what the kernel does for nobody in particular. */
function busyMs(): number {
  return cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0)
}
