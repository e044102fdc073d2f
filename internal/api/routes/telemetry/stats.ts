import { type Static, Type } from '@sinclair/typebox'
import type { App } from '../../../http/app-types.ts'
import { type LatencyRecorder, summarize } from '../../../observe/latency.ts'
import type { Clock } from '../../../time/clock.ts'
import type { FabricView } from '../../../view/fabric/fabric-view.ts'
import { unconditionalAnswers } from '../../schemas.ts'

const LatencySchema = Type.Object(
  {
    count: Type.Integer(),
    p50Us: Type.Number(),
    p90Us: Type.Number(),
    p99Us: Type.Number(),
    maxUs: Type.Number(),
  },
  { description: 'Since the start of the process, µs.' },
)

const TargetSchema = Type.Object({
  target: Type.String(),
  publisher: Type.String({ description: 'Who reads it.' }),
  up: Type.Boolean({ description: 'Whether it answered when it was last asked.' }),
  stale: Type.Boolean({
    description:
      'Whether nothing has come of it for three of its intervals, or for `api.staleAfterMs` where that is longer.',
  }),
  ageMs: Type.Integer({ description: 'How long ago it was known to have these values, ms.' }),
  takenAt: Type.Integer({ description: 'When its newest good snapshot was taken, µs.' }),
  intervalMs: Type.Number({ description: 'How often it is asked, or rows are pushed; 0 before the second push.' }),
  rows: Type.Integer(),
  badRows: Type.Integer(),
  covered: Type.Optional(
    Type.Literal(true, {
      description: 'There where others have newer rows of all that it has: nothing of it is shown.',
    }),
  ),
  fetchMs: Type.Number({ description: 'Of the last cycle of its publisher.' }),
  parseMs: Type.Number(),
  publishMs: Type.Number(),
  error: Type.Optional(Type.String({ description: 'Why it does not answer.' })),
})

const StatsSchema = Type.Object(
  {
    now: Type.Integer({ description: 'µs' }),
    fabrics: Type.Array(
      Type.Object({
        fabric: Type.String(),
        generation: Type.String(),
        rows: Type.Integer(),
        badRows: Type.Integer(),
        metrics: Type.Integer(),
        stale: Type.Boolean({ description: 'Whether one of its targets is whose rows are shown.' }),
        ageMs: Type.Integer({ description: 'Of the oldest of these.' }),
        targets: Type.Array(TargetSchema),
      }),
    ),
    swaps: Type.Integer({ description: 'Generations that were shown.' }),
    missing: Type.Integer({
      description: 'Generations that were not shown, because some of their rows were not there.',
    }),
    undecodable: Type.Integer({ description: 'Generations that were not shown, because they could not be read.' }),
    swapLatency: { ...LatencySchema, description: 'From the announcement of a generation until it is shown, µs.' },
    queries: Type.Record(Type.String(), LatencySchema),
  },
  { description: 'What the API knows of fabrics, and how fast it answers.' },
)
type Stats = Static<typeof StatsSchema>

export interface StatsOptions {
  readonly view: FabricView
  readonly clock: Clock
  /** By request. */
  readonly latencies: ReadonlyMap<string, LatencyRecorder>
}

/** `GET /stats`: how fresh the values are, and how fast they are given. */
export function addStats(app: App, { view, clock, latencies }: StatsOptions): void {
  app.get(
    '/stats',
    {
      schema: {
        operationId: 'fabricStats',
        summary: 'How fresh the values of fabrics are, and how fast they are given',
        tags: ['fabric'],
        querystring: Type.Object({}, { additionalProperties: false }),
        response: { 200: StatsSchema, ...unconditionalAnswers() },
      },
    },
    (): Stats => ({
      now: clock.now(),
      fabrics: view.names.map((name) => statsOf(view, name)),
      ...view.stats,
      swapLatency: summarize(view.swapLatency.total()),
      queries: Object.fromEntries(Array.from(latencies, ([name, latency]) => [name, summarize(latency.total())])),
    }),
  )
}

function statsOf(view: FabricView, fabric: string): Stats['fabrics'][number] {
  const { id, rows, metrics } = view.shown(fabric)!
  const states = view.states(fabric)
  const shown = states.filter(({ isCovered }) => !isCovered)
  const targets = states.map(({ publisher, head, target, ageMs, stale, intervalMs, isCovered }) => ({
    ...{ target: target.target, publisher, up: target.up, stale, ageMs: Math.round(ageMs) },
    ...{ takenAt: target.takenAtUs, intervalMs, rows: target.rows, badRows: target.badRows },
    ...(isCovered ? { covered: true as const } : {}),
    ...head.cycle,
    ...(target.error === undefined ? {} : { error: target.error }),
  }))
  return {
    ...{ fabric, generation: id, rows, metrics: metrics.length, targets },
    badRows: targets.reduce((sum, { badRows }) => sum + badRows, 0),
    stale: shown.some(({ stale }) => stale),
    ageMs: Math.round(Math.max(0, ...shown.map(({ ageMs }) => ageMs))),
  }
}
