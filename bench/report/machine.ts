import { availableParallelism, cpus, loadavg, machine, release, totalmem, type } from 'node:os'

/** What a figure depends on. Nothing in it names the machine or its user: reports are published. */
export interface Machine {
  /** `AMD EPYC 7B13`, or what the system calls a CPU that it cannot name: `unknown`. */
  readonly cpu: string
  /** That this process may use. */
  readonly cores: number
  /** Of the machine, or of the container that this runs in. */
  readonly memoryBytes: number
  /** `Linux 6.1.0-13-amd64 x86_64` */
  readonly kernel: string
  /** Of the last minute, before the benchmark began: what else the machine was busy with. */
  readonly loadAverage: number
}

/** To be called before the load begins, for the sake of the load average. */
export function machineOf(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() || 'unknown',
    cores: availableParallelism(),
    // 0 or a number beyond all memory where nothing constrains the process.
    memoryBytes: Math.min(totalmem(), process.constrainedMemory() || Infinity),
    kernel: `${type()} ${release()} ${machine()}`,
    loadAverage: Math.round(loadavg()[0]! * 100) / 100,
  }
}
