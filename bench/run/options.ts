import type { Logger } from 'pino'
import type { Format, LoadOptions, Progress } from '../load/load.ts'
import type { PipelineKind, StackOptions } from '../stack/stack.ts'

/** What may be asked of `bench run`, and of scripts/benchmark.sh. */
export interface BenchmarkOptions {
  /** `compare` plays three, with a format of its own each. */
  readonly pipeline: PipelineKind | 'compare'
  readonly format: Format
  /** Messages a second; undefined is a closed loop. */
  readonly ratePerSecond: number | undefined
  readonly load: Pick<
    LoadOptions,
    'workers' | 'durationMs' | 'warmupMs' | 'hosts' | 'samplesPerMessage' | 'values' | 'threads'
  >
  readonly stack: Pick<StackOptions, 'kind' | 'broker' | 'store' | 'serverCount' | 'ports'>
  /** Of the CPU profile; 0 takes none, and none of the heap. */
  readonly profileSeconds: number
}

/** Where and with what it runs. */
export interface Surroundings {
  /** Exists, and can be written to. */
  readonly outFolder: string
  readonly env: Readonly<NodeJS.ProcessEnv>
  readonly logger: Logger
  /** Told in words what is being done. */
  readonly say: (what: string) => void
  /** Told where a load is, once a second. */
  readonly onProgress: (progress: Progress) => void
}

/** The loads that one fresh stack is given, one after the other. */
export interface Scene {
  readonly pipeline: PipelineKind
  readonly format: Format
  readonly loads: ReadonlyArray<{ readonly name: string; readonly ratePerSecond: number | undefined }>
  /** Tells its files from those of other scenes; '' where there is no other. */
  readonly suffix: string
}
