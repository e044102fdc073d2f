import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Profile } from 'pprof-format'
import type { Allocations } from '../debug-metrics.ts'
import { NoTurn, Turns } from './turns.ts'

/** Takes profiles of this process, as gzipped pprof files, and measures what it allocates. */
export interface Profiles {
  /**
   * A profile of what the JavaScript thread does.
   *
   * Waits while another CPU profile is taken, if that ends soon.
   *
   * @throws ProfileInProgress when the wait would be long; the signal's reason when the signal is aborted
   */
  cpu(durationMs: number, signal: AbortSignal): Promise<Uint8Array>
  /** A profile of what is allocated, and of what stays in use. @throws as `cpu` does */
  heap(durationMs: number, signal: AbortSignal): Promise<Uint8Array>
  /** How much is allocated. @throws as `cpu` does */
  allocations(durationMs: number, signal: AbortSignal): Promise<Allocations>
}

/**
 * A profile of this kind is already being taken, and more may wait. A process can take only one of each kind at a time.
 */
export class ProfileInProgress extends Error {
  /** Until the running profile ends. */
  readonly remainingMs: number

  constructor(kind: string, remainingMs: number) {
    super(`a ${kind} is being taken; the next can begin in ${Math.ceil(remainingMs / 1000)} s`)
    this.remainingMs = remainingMs
  }
}

/** Profiles that may wait for their turn. */
const MAX_WAITING = 4
/** A client that waits sees no byte, and most give up after a minute. */
const MAX_WAIT_MS = 30_000

const gzipped = promisify(gzip)

/**
 * Costs nothing while no profile is taken: the code is loaded with the first profile, and each sampler ends with its
 * profile.
 */
export class Profiler implements Profiles {
  readonly #program: string
  readonly #turns = new Turns({ maxWaiting: MAX_WAITING, maxWaitMs: MAX_WAIT_MS })

  /** @param program what the profiles call the process: `server` */
  constructor(program: string) {
    this.#program = program
  }

  cpu(durationMs: number, signal: AbortSignal): Promise<Uint8Array> {
    return this.#inTurn('CPU profile', durationMs, signal, async () => {
      const { takeCpuProfile } = await import('./cpu.ts')
      return fileOf(await takeCpuProfile(this.#program, durationMs, signal))
    })
  }

  heap(durationMs: number, signal: AbortSignal): Promise<Uint8Array> {
    return this.#inTurn('heap profile', durationMs, signal, async () => {
      const { takeHeapProfile } = await import('./heap.ts')
      return fileOf(await takeHeapProfile(this.#program, durationMs, signal))
    })
  }

  allocations(durationMs: number, signal: AbortSignal): Promise<Allocations> {
    return this.#inTurn('measurement of allocations', durationMs, signal, async () => {
      const { measureAllocations } = await import('./allocations.ts')
      return measureAllocations(durationMs, signal)
    })
  }

  async #inTurn<T>(kind: string, durationMs: number, signal: AbortSignal, take: () => Promise<T>): Promise<T> {
    try {
      return await this.#turns.take(kind, durationMs, signal, take)
    } catch (error) {
      throw error instanceof NoTurn ? new ProfileInProgress(kind, error.remainingMs) : error
    }
  }
}

async function fileOf(profile: Profile): Promise<Uint8Array> {
  return gzipped(await profile.encodeAsync())
}
