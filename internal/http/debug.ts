import { ProfileInProgress, type Profiles } from '../observe/profiling/profiler.ts'
import { type Answer, type Asked, problem, type Route } from './answer.ts'
import { debugPage } from './debug-page.ts'

/** How long a profile takes: what it is when nobody says, and the most. */
export interface ProfileSeconds {
  readonly usual: number
  readonly most: number
}

/** As in Go. Of a CPU profile ten minutes say no more than one. */
export const CPU_SECONDS: ProfileSeconds = { usual: 30, most: 600 }
/** What stays in use is seen the better the longer it takes. */
export const HEAP_SECONDS: ProfileSeconds = { usual: 10, most: 3_600 }

/** `/debug/pprof/`: profiles of the process, at the addresses that Go has for them. */
export function debugRoutes(
  process: { readonly name: string; readonly version: string },
  profiles: Profiles,
): Readonly<Record<string, Route>> {
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
    '/debug/pprof/profile': profileRoute('/debug/pprof/profile', 'cpu', CPU_SECONDS, profiles),
    '/debug/pprof/heap': profileRoute('/debug/pprof/heap', 'heap', HEAP_SECONDS, profiles),
  }
}

function profileRoute(path: string, kind: 'cpu' | 'heap', bounds: ProfileSeconds, profiles: Profiles): Route {
  return async ({ isHead, query, signal }) => {
    const seconds = readSeconds(path, query, bounds)
    if (typeof seconds !== 'number') return seconds
    const file = { status: 200, type: 'application/octet-stream', headers: { 'content-disposition': attachment(kind) } }
    // What is asked for is the head, and not that a profile is taken.
    if (isHead) return file
    try {
      return { ...file, body: await profiles[kind](seconds * 1000, signal) }
    } catch (error) {
      if (!(error instanceof ProfileInProgress)) throw error
      const retryAfterS = Math.max(1, Math.ceil(error.remainingMs / 1000))
      return problem({ status: 409, detail: error.message, instance: path }, { 'retry-after': `${retryAfterS}` })
    }
  }
}

/** @returns the problem, where the query has one */
function readSeconds(path: string, query: Asked['query'], { usual, most }: ProfileSeconds): number | Answer {
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

/** `attachment; filename="cpu-20251123T225437Z.pb.gz"` */
function attachment(kind: string): string {
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  return `attachment; filename="${kind}-${time}.pb.gz"`
}
