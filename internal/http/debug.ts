import { type DebugSources, type PipelineMetrics, readDebugMetrics } from '../observe/debug-metrics.ts'
import type { LatencyRecorder } from '../observe/latency.ts'
import { ProfileInProgress, type Profiles } from '../observe/profiling/profiler.ts'
import { type Answer, type Asked, JSON_TYPE, json, type Route } from './answer.ts'
import { debugPage } from './debug-page.ts'
import { HttpError, NotFoundError, ParameterError } from './errors.ts'

/** Default and range of a parameter. */
interface Bounds {
  readonly usual: number
  /** Default: 1. */
  readonly least?: number
  readonly most: number
}

/** The default is Go's. A CPU profile of ten minutes says no more than one of a minute. */
const CPU_SECONDS: Bounds = { usual: 30, most: 600 }
/** The longer a heap profile takes, the better it shows what stays in use. */
const HEAP_SECONDS: Bounds = { usual: 10, most: 3_600 }
const ALLOCATIONS_SECONDS: Bounds = { usual: 10, most: 3_600 }

/** The process that the pages under `/debug/` are about. */
interface Debugged {
  readonly name: string
  readonly version: string
  readonly figures?: DebugSources
}

/** Profiles of the process, at the addresses that Go has for them, and what a benchmark asks a server. */
export function debugRoutes({ figures, ...process }: Debugged, profiles: Profiles): Readonly<Record<string, Route>> {
  return {
    '/debug/pprof': plainRoute(() => ({
      status: 301,
      type: 'text/plain; charset=utf-8',
      body: 'see /debug/pprof/\n',
      headers: { location: '/debug/pprof/' },
    })),
    '/debug/pprof/': plainRoute(({ host }) => ({
      status: 200,
      type: 'text/html; charset=utf-8',
      body: debugPage(process, host),
      headers: {
        'content-security-policy':
          "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      },
    })),
    '/debug/pprof/profile': timedRoute(
      CPU_SECONDS,
      () => profileHead('cpu'),
      (durationMs, signal) => profiles.cpu(durationMs, signal),
    ),
    '/debug/pprof/heap': timedRoute(
      HEAP_SECONDS,
      () => profileHead('heap'),
      (durationMs, signal) => profiles.heap(durationMs, signal),
    ),
    '/debug/allocations': timedRoute(
      ALLOCATIONS_SECONDS,
      () => ({ status: 200, type: JSON_TYPE }),
      async (durationMs, signal) => `${JSON.stringify(await profiles.allocations(durationMs, signal))}\n`,
    ),
    '/debug/ledger': plainRoute(pipelineRoute(figures, (pipeline) => pipeline.ledger())),
    '/debug/figures': plainRoute(pipelineRoute(figures, readDebugMetrics)),
  }
}

/** A route without parameters. */
function plainRoute(answer: Route): Route {
  return (asked) => {
    const name = asked.query.keys().next().value
    if (name !== undefined) throw new ParameterError(name, `there is no parameter ${name} here`)
    return answer(asked)
  }
}

/** A route that takes as long as the client says. @param head the answer without its body */
function timedRoute(
  bounds: Bounds,
  head: () => Answer,
  take: (durationMs: number, signal: AbortSignal) => Promise<string | Uint8Array>,
): Route {
  return async ({ isHead, query, signal }) => {
    const seconds = readWhole(query, 'seconds', bounds)
    if (isHead) return head()
    try {
      return { ...head(), body: await take(seconds * 1000, signal) }
    } catch (error) {
      if (!(error instanceof ProfileInProgress)) throw error
      const retryAfterSeconds = Math.max(1, Math.ceil(error.remainingMs / 1000))
      throw new HttpError(409, error.message, { retryAfterSeconds, cause: error })
    }
  }
}

/** The one parameter that an address has, as a whole number. @throws ParameterError */
function readWhole(query: Asked['query'], parameter: string, { usual, least = 1, most }: Bounds): number {
  for (const name of query.keys()) {
    if (name !== parameter) {
      throw new ParameterError(name, `there is no parameter ${name} here, only ${parameter}`)
    }
  }
  const [given, ...others] = query.getAll(parameter)
  if (given === undefined) return usual
  const value = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN
  if (others.length === 0 && value >= least && value <= most) return value
  const all = query.getAll(parameter).join(' and ')
  throw new ParameterError(parameter, `${parameter} is a whole number from ${least} to ${most}, not ${all}`)
}

/** A browser saves the profile as `cpu-20251123T225437Z.pb.gz`. */
function profileHead(kind: 'cpu' | 'heap'): Answer {
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const disposition = `attachment; filename="${kind}-${time}.pb.gz"`
  return { status: 200, type: 'application/octet-stream', headers: { 'content-disposition': disposition } }
}

/** A route that has an answer only in a process with a pipeline, which receives samples. */
function pipelineRoute(
  figures: DebugSources | undefined,
  read: (pipeline: PipelineMetrics, gcPauses: LatencyRecorder) => object,
): Route {
  return () => {
    const pipeline = figures?.pipeline()
    if (figures !== undefined && pipeline !== undefined) return json(200, read(pipeline, figures.gcPauses))
    throw new NotFoundError('this process receives no samples, or has not started to')
  }
}
