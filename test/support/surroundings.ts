import { SeriesTable } from '../../internal/sample/series.ts'
import type { Surroundings } from '../../internal/source/host/measurement.ts'
import { LeftOut } from '../../internal/source/left-out.ts'
import { type Problem, ProblemThrottle } from '../../internal/source/source.ts'

/** What the measurements of a host need, of this machine unless `change` says else, with the problems that they tell. */
export function surroundings(change: Partial<Surroundings> = {}): Surroundings & { readonly told: Problem[] } {
  const told: Problem[] = []
  const problems = new ProblemThrottle('host', (problem) => told.push(problem))
  return {
    host: 'h',
    table: new SeriesTable(),
    monotonicMs: () => performance.now(),
    roots: { proc: '/proc', sys: '/sys', mount: '/' },
    problems,
    leftOut: new LeftOut(problems),
    excludesInterface: () => false,
    unavailable: new Map(),
    told,
    ...change,
  }
}
