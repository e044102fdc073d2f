import { type FigureSources, type PipelineFigures, readFigures } from '../observe/debug-figures.ts'
import type { LatencyRecorder } from '../observe/latency.ts'
import { ProfileInProgress, type Profiles } from '../observe/profiling/profiler.ts'
import { type Answer, type Asked, JSON_TYPE, json, problem, type Route } from './answer.ts'
import { debugPage } from './debug-page.ts'

/** How long a profile takes: what it is when nobody says, and the most. */
interface Seconds {
  readonly usual: number
  readonly most: number
}

/** As in Go. Of a CPU profile ten minutes say no more than one. */
const CPU_SECONDS: Seconds = { usual: 30, most: 600 }
/** What stays in use is seen the better the longer it takes. */
const HEAP_SECONDS: Seconds = { usual: 10, most: 3_600 }
const ALLOCATIONS_SECONDS: Seconds = { usual: 10, most: 3_600 }

/** What the pages under `/debug/` tell of. */
interface Debugged {
  readonly name: string
  readonly version: string
  readonly figures?: FigureSources
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
    '/debug/figures': pipelineRoute('/debug/figures', figures, readFigures),
  }
}

/** What takes as long as the client says. @param head the answer without its body */
function timedRoute(
  path: string,
  bounds: Seconds,
  head: () => Answer,
  take: (durationMs: number, signal: AbortSignal) => Promise<string | Uint8Array>,
): Route {
  return async ({ isHead, query, signal }) => {
    const seconds = readSeconds(path, query, bounds)
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

/** @returns the problem, where the query has one */
function readSeconds(path: string, query: Asked['query'], { usual, most }: Seconds): number | Answer {
  const refuse = (parameter: string, detail: string): Answer =>
    problem({ status: 400, detail, instance: path, parameter })
  for (const name of query.keys()) {
    if (name !== 'seconds') return refuse(name, `there is no parameter ${name} here, only seconds`)
  }
  const [given, ...others] = query.getAll('seconds')
  if (given === undefined) return usual
  const seconds = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN
  if (others.length === 0 && seconds >= 1 && seconds <= most) return seconds
  return refuse('seconds', `seconds is a whole number from 1 to ${most}, not ${query.getAll('seconds').join(' and ')}`)
}

/** Of a file that a browser calls `cpu-20251123T225437Z.pb.gz`. */
function profileHead(kind: 'cpu' | 'heap'): Answer {
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const disposition = `attachment; filename="${kind}-${time}.pb.gz"`
  return { status: 200, type: 'application/octet-stream', headers: { 'content-disposition': disposition } }
}

/** What is known only where samples are taken in. */
function pipelineRoute(
  path: string,
  figures: FigureSources | undefined,
  read: (pipeline: PipelineFigures, gcPauses: LatencyRecorder) => object,
): Route {
  return () => {
    const pipeline = figures?.pipeline()
    if (figures !== undefined && pipeline !== undefined) return json(200, read(pipeline, figures.gcPauses))
    return problem({ status: 404, detail: 'this process takes no samples in, or not yet', instance: path })
  }
}
