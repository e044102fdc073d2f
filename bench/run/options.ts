import type { Logger } from 'pino'
import type { Format, LoadOptions, Progress } from '../load/load.ts'
import type { PipelineKind, StackOptions } from '../stack/stack.ts'

/** The options of `bench run` and of scripts/benchmark.sh. */
export interface BenchmarkOptions {
  /** `compare` runs three, each with its own format. */
  readonly pipeline: PipelineKind | 'compare'
  readonly format: Format
  /** Messages a second; undefined is a closed loop. */
  readonly ratePerSecond: number | undefined
  readonly load: Pick<
    LoadOptions,
    'workers' | 'durationMs' | 'warmupMs' | 'hosts' | 'samplesPerMessage' | 'values' | 'threads'
  >
  readonly stack: Pick<StackOptions, 'kind' | 'broker' | 'store' | 'serverCount' | 'ports'>
  /** Length of the CPU profile. 0 takes no profile, neither of the CPU nor of the heap. */
  readonly profileSeconds: number
}

/** The environment of a benchmark. */
export interface Surroundings {
  /** A folder that exists and can be written to. */
  readonly outFolder: string
  readonly env: Readonly<NodeJS.ProcessEnv>
  readonly logger: Logger
  /** Called with what is being done, in words. */
  readonly say: (what: string) => void
  /** Called once a second with the progress of a load. */
  readonly onProgress: (progress: Progress) => void
}

/** The loads that run one after the other on one fresh stack. */
export interface Scene {
  readonly pipeline: PipelineKind
  readonly format: Format
  readonly loads: ReadonlyArray<{ readonly name: string; readonly ratePerSecond: number | undefined }>
  /** Distinguishes its files from those of other scenes; '' if there is only one. */
  readonly suffix: string
}
