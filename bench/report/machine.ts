import { availableParallelism, cpus, loadavg, machine, release, totalmem, type } from 'node:os'

/**
 * The properties of the machine that affect results. They do not identify the machine or its user, because reports are
 * published.
 */
export interface Machine {
  /** `AMD EPYC 7B13`; `unknown` if the system does not know it. */
  readonly cpu: string
  /** The cores that this process may use. */
  readonly cores: number
  /** The memory of the machine, or of the container in which this runs. */
  readonly memoryBytes: number
  /** `Linux 6.1.0-13-amd64 x86_64` */
  readonly kernel: string
  /** The load average of the minute before the benchmark: it shows other work on the machine. */
  readonly loadAverage: number
}

/** Must be called before the load begins, because of the load average. */
export function machineOf(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() || 'unknown',
    cores: availableParallelism(),
    // 0, or more than all memory, if the process has no limit.
    memoryBytes: Math.min(totalmem(), process.constrainedMemory() || Infinity),
    kernel: `${type()} ${release()} ${machine()}`,
    loadAverage: Math.round(loadavg()[0]! * 100) / 100,
  }
}
