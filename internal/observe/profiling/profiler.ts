import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Profile } from 'pprof-format'
import type { Allocations } from '../debug-metrics.ts'

/** Takes profiles of this process, as gzipped pprof files, and measures what it allocates. */
export interface Profiles {
  /**
   * A profile of what the JavaScript thread does.
   *
   * @throws ProfileInProgress while another CPU profile is taken; the signal's reason when the signal is aborted
   */
  cpu(durationMs: number, signal: AbortSignal): Promise<Uint8Array>
  /** A profile of what is allocated, and of what stays in use. @throws as `cpu` does */
  heap(durationMs: number, signal: AbortSignal): Promise<Uint8Array>
  /** How much is allocated. @throws as `cpu` does */
  allocations(durationMs: number, signal: AbortSignal): Promise<Allocations>
}

/** A profile of this kind is already being taken. A process can take only one of each kind at a time. */
export class ProfileInProgress extends Error {
  /** Until the running profile ends. */
  readonly remainingMs: number

  constructor(kind: string, remainingMs: number) {
    super(`a ${kind} is being taken; the next can begin in ${Math.ceil(remainingMs / 1000)} s`)
    this.remainingMs = remainingMs
  }
}

const gzipped = promisify(gzip)

/**
 * Costs nothing while no profile is taken: the code is loaded with the first profile, and each sampler ends with its
 * profile.
 */
export class Profiler implements Profiles {
  readonly #program: string
  /** When the running profile of each kind ends, in ms of `performance.now`. */
  readonly #endsMs = new Map<string, number>()

  /** @param program what the profiles call the process: `server` */
  constructor(program: string) {
    this.#program = program
  }

  cpu(durationMs: number, signal: AbortSignal): Promise<Uint8Array> {
    return this.#exclusively('CPU profile', durationMs, async () => {
      const { takeCpuProfile } = await import('./cpu.ts')
      return fileOf(await takeCpuProfile(this.#program, durationMs, signal))
    })
  }

  heap(durationMs: number, signal: AbortSignal): Promise<Uint8Array> {
    return this.#exclusively('heap profile', durationMs, async () => {
      const { takeHeapProfile } = await import('./heap.ts')
      return fileOf(await takeHeapProfile(this.#program, durationMs, signal))
    })
  }

  allocations(durationMs: number, signal: AbortSignal): Promise<Allocations> {
    return this.#exclusively('measurement of allocations', durationMs, async () => {
      const { measureAllocations } = await import('./allocations.ts')
      return measureAllocations(durationMs, signal)
    })
  }

  async #exclusively<T>(kind: string, durationMs: number, take: () => Promise<T>): Promise<T> {
    const endsMs = this.#endsMs.get(kind)
    if (endsMs !== undefined) throw new ProfileInProgress(kind, Math.max(0, endsMs - performance.now()))
    this.#endsMs.set(kind, performance.now() + durationMs)
    try {
      return await take()
    } finally {
      this.#endsMs.delete(kind)
    }
  }
}

async function fileOf(profile: Profile): Promise<Uint8Array> {
  return gzipped(await profile.encodeAsync())
}
