import { readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { cpuUsOf } from './processes.ts'

/** CPU so far, µs, by the name of the program; what has ended meanwhile is in none. */
type CpuByProgram = ReadonlyMap<string, number>

const LEAST_CORES = 0.05

/** Which programs use how much of the machine, from here until it is asked. */
export class Cores {
  readonly #startedAtMs = performance.now()
  readonly #before = cpuByProgram()
  readonly #machineBefore = busyMs()

  /** In words: `cores busy: influxd 1.21, redis-server 0.14, server 0.38, load generator 0.25; 1.99 of the 2 that there are`. */
  text(): string {
    const seconds = (performance.now() - this.#startedAtMs) / 1000
    const used = [...cpuByProgram()]
      .map(([program, cpuUs]) => [program, (cpuUs - (this.#before.get(program) ?? 0)) / 1e6 / seconds] as const)
      .filter(([, cores]) => cores >= LEAST_CORES)
      .toSorted(([, a], [, b]) => b - a)
    const all = (busyMs() - this.#machineBefore) / 1000 / seconds
    const each = used.map(([program, cores]) => `${program} ${cores.toFixed(2)}`).join(', ')
    return `cores busy: ${each}; ${all.toFixed(2)} of the ${cpus().length} that there are`
  }
}

function cpuByProgram(): CpuByProgram {
  const sums = new Map<string, number>()
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const program = programOf(Number(pid))
      sums.set(program, (sums.get(program) ?? 0) + cpuUsOf(Number(pid)))
    } catch {
      // It has ended.
    }
  }
  return sums
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
