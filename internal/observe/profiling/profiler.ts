import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Profile } from 'pprof-format'
import type { Allocations } from '../debug-metrics.ts'

/** Takes profiles of this process, as gzipped pprof files, and measures what it allocates. */
export interface Profiles {
  /**
   * What the JavaScript thread works at, over so long.
   *
   * @throws ProfileInProgress while another one is being taken; the signal's reason as soon as that is aborted
   */
  cpu(durationMs: number, signal: AbortSignal): Promise<Uint8Array>
  /** What is allocated, and what is left of it, over so long. @throws as `cpu` does */
  heap(durationMs: number, signal: AbortSignal): Promise<Uint8Array>
  /** How much is allocated over so long. @throws as `cpu` does */
  allocations(durationMs: number, signal: AbortSignal): Promise<Allocations>
}

/** There is one of each kind in a process, and it is at work. */
export class ProfileInProgress extends Error {
  /** Until it is free again. */
  readonly remainingMs: number

  constructor(kind: string, remainingMs: number) {
    super(`a ${kind} is being taken; the next can begin in ${Math.ceil(remainingMs / 1000)} s`)
    this.remainingMs = remainingMs
  }
}

const gzipped = promisify(gzip)

/** Costs nothing until it is asked: what a profile takes is loaded with the first one, and every sampler ends with its profile. */
export class Profiler implements Profiles {
  readonly #program: string
  /** When the profile that is being taken ends, by its kind, in the milliseconds of `performance.now`. */
  readonly #endsMs = new Map<string, number>()

  /** @param program what the profiles call the process: `server` */
  constructor(program: string) {
    this.#program = program
  }

  cpu(durationMs: number, signal: AbortSignal): Promise<Uint8Array> {
    return this.#alone('CPU profile', durationMs, async () => {
      const { takeCpuProfile } = await import('./cpu.ts')
      return fileOf(await takeCpuProfile(this.#program, durationMs, signal))
    })
  }

  heap(durationMs: number, signal: AbortSignal): Promise<Uint8Array> {
    return this.#alone('heap profile', durationMs, async () => {
      const { takeHeapProfile } = await import('./heap.ts')
      return fileOf(await takeHeapProfile(this.#program, durationMs, signal))
    })
  }

  allocations(durationMs: number, signal: AbortSignal): Promise<Allocations> {
    return this.#alone('measurement of allocations', durationMs, async () => {
      const { measureAllocations } = await import('./allocations.ts')
      return measureAllocations(durationMs, signal)
    })
  }

  async #alone<T>(kind: string, durationMs: number, take: () => Promise<T>): Promise<T> {
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
