import { type DebugSources, type PipelineMetrics, readDebugMetrics } from '../observe/debug-metrics.ts'
import type { LatencyRecorder } from '../observe/latency.ts'
import { ProfileInProgress, type Profiles } from '../observe/profiling/profiler.ts'
import { type Answer, type Asked, JSON_TYPE, json, problem, type Route } from './answer.ts'
import { debugPage } from './debug-page.ts'

/** Of a parameter: what it is when nobody says, and what it may be. */
interface Bounds {
  readonly usual: number
  /** 1 where it is left out. */
  readonly least?: number
  readonly most: number
}

/** As in Go. Of a CPU profile ten minutes say no more than one. */
const CPU_SECONDS: Bounds = { usual: 30, most: 600 }
/** What stays in use is seen the better the longer it takes. */
const HEAP_SECONDS: Bounds = { usual: 10, most: 3_600 }
const ALLOCATIONS_SECONDS: Bounds = { usual: 10, most: 3_600 }

/** What the pages under `/debug/` tell of. */
interface Debugged {
  readonly name: string
  readonly version: string
  readonly figures?: DebugSources
}

/**
 * `/debug/pprof/`: profiles of the process, at the addresses that Go has for them; beside them what a benchmark asks a server about
 * itself.
 */
export function debugRoutes({ figures, ...process }: Debugged, profiles: Profiles): Readonly<Record<string, Route>> {
  return {
    '/debug/pprof': () => ({
      status: 301,
      type: 'text/plain; charset=utf-8',
      body: 'see /debug/pprof/\n',
      headers: { location: '/debug/pprof/' },
    }),
    '/debug/pprof/': ({ host }) => ({
      status: 200,
      type: 'text/html; charset=utf-8',
      body: debugPage(process, host),
      headers: { 'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'" },
    }),
    '/debug/pprof/profile': timedRoute(
      '/debug/pprof/profile',
      CPU_SECONDS,
      () => profileHead('cpu'),
      (durationMs, signal) => profiles.cpu(durationMs, signal),
    ),
    '/debug/pprof/heap': timedRoute(
      '/debug/pprof/heap',
      HEAP_SECONDS,
      () => profileHead('heap'),
      (durationMs, signal) => profiles.heap(durationMs, signal),
    ),
    '/debug/allocations': timedRoute(
      '/debug/allocations',
      ALLOCATIONS_SECONDS,
      () => ({ status: 200, type: JSON_TYPE }),
      async (durationMs, signal) => `${JSON.stringify(await profiles.allocations(durationMs, signal))}\n`,
    ),
    '/debug/ledger': pipelineRoute('/debug/ledger', figures, (pipeline) => pipeline.ledger()),
    '/debug/figures': figuresRoute('/debug/figures', figures),
  }
}

/** What takes as long as the client says. @param head the answer without its body */
function timedRoute(
  path: string,
  bounds: Bounds,
  head: () => Answer,
  take: (durationMs: number, signal: AbortSignal) => Promise<string | Uint8Array>,
): Route {
  return async ({ isHead, query, signal }) => {
    const seconds = readWhole(path, query, 'seconds', bounds)
    if (typeof seconds !== 'number') return seconds
    // What is asked for is the head, and not that a profile is taken.
    if (isHead) return head()
    try {
      return { ...head(), body: await take(seconds * 1000, signal) }
    } catch (error) {
      if (!(error instanceof ProfileInProgress)) throw error
      const retryAfterS = Math.max(1, Math.ceil(error.remainingMs / 1000))
      return problem({ status: 409, detail: error.message, instance: path }, { 'retry-after': `${retryAfterS}` })
    }
  }
}

/** The one parameter that an address has, as a whole number. @returns the problem, where the query has one */
function readWhole(
  path: string,
  query: Asked['query'],
  parameter: string,
  { usual, least = 1, most }: Bounds,
): number | Answer {
  const refuse = (name: string, detail: string): Answer =>
    problem({ status: 400, detail, instance: path, parameter: name })
  for (const name of query.keys()) {
    if (name !== parameter) return refuse(name, `there is no parameter ${name} here, only ${parameter}`)
  }
  const [given, ...others] = query.getAll(parameter)
  if (given === undefined) return usual
  const value = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN
  if (others.length === 0 && value >= least && value <= most) return value
  const all = query.getAll(parameter).join(' and ')
  return refuse(parameter, `${parameter} is a whole number from ${least} to ${most}, not ${all}`)
}

/** Of a file that a browser calls `cpu-20251123T225437Z.pb.gz`. */
function profileHead(kind: 'cpu' | 'heap'): Answer {
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const disposition = `attachment; filename="${kind}-${time}.pb.gz"`
  return { status: 200, type: 'application/octet-stream', headers: { 'content-disposition': disposition } }
}

/** `digits=2` is for who asks often. */
function figuresRoute(path: string, figures: DebugSources | undefined): Route {
  return (asked) => {
    const digits = readWhole(path, asked.query, 'digits', { usual: 3, least: 2, most: 3 })
    if (typeof digits !== 'number') return digits
    const read = (pipeline: PipelineMetrics, gcPauses: LatencyRecorder): object =>
      readDebugMetrics(pipeline, gcPauses, digits === 2 ? 2 : 3)
    return pipelineRoute(path, figures, read)(asked)
  }
}

/** What is known only where samples are taken in. */
function pipelineRoute(
  path: string,
  figures: DebugSources | undefined,
  read: (pipeline: PipelineMetrics, gcPauses: LatencyRecorder) => object,
): Route {
  return () => {
    const pipeline = figures?.pipeline()
    if (figures !== undefined && pipeline !== undefined) return json(200, read(pipeline, figures.gcPauses))
    return problem({ status: 404, detail: 'this process takes no samples in, or not yet', instance: path })
  }
}
