import { type Static, type TSchema, type TUnsafe, Type } from '@sinclair/typebox'
import { PROBLEM_TYPE } from '../http/problem.ts'
import type { HistorySeries } from '../store/store.ts'
import type { HostFigures } from '../view/hosts/figures.ts'
import type { PipelineSummary } from '../view/pipeline/figures.ts'

/**
 * A figure that may be unknown. The type is `[T, 'null']`, because fastify's serializer validates each value of an
 * `anyOf`, which takes time.
 */
export function nullable<T extends TSchema>(schema: T) {
  return Type.Unsafe<Static<T> | null>({ ...schema, type: [schema.type, 'null'] })
}

const MicrosecondsSchema = Type.Integer({
  description: 'Microseconds since the Unix epoch, UTC.',
  examples: [1763900000123456],
})

const TagsSchema = Type.Record(Type.String(), Type.String(), {
  examples: [{ cpu: 'cpu-total', host: 'web-01' }],
})

const LARGE_INTEGERS = 'An integer beyond 2^53 that a JSON number cannot hold exactly is a string of its digits.'

/** RFC 9457. */
export const ProblemSchema = Type.Object(
  {
    type: Type.String({ description: 'What kind of problem; "about:blank" says no more than the status.' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'What is wrong with this request, in words.' }),
    instance: Type.String({ description: 'The path that was asked for.' }),
    parameter: Type.Optional(Type.String({ description: 'The parameter that is wrong (status 400).' })),
    scope: Type.Optional(Type.String({ description: 'The scope that a key needs for this (status 403).' })),
  },
  { $id: 'Problem', title: 'Problem', description: 'A problem document (RFC 9457).' },
)

/** The compiler refuses a figure that is missing here, is one too many, or is of another type than the view gives. */
const FIGURES = {
  cpuPercent: nullable(Type.Number({ description: 'Of all cores, 0 to 100.' })),
  memPercent: nullable(Type.Number()),
  load1: nullable(Type.Number()),
  cores: nullable(Type.Integer()),
  uptimeSeconds: nullable(Type.Number()),
  os: nullable(Type.String()),
  agentVersion: nullable(Type.String()),
  conflict: nullable(
    Type.String({ description: 'Which two sources send as this host, and what to do; null where there is one.' }),
  ),
} satisfies { readonly [Name in keyof HostFigures]: TUnsafe<HostFigures[Name]> }

const HostSchema = Type.Object(
  {
    host: Type.String({ examples: ['web-01'] }),
    lastSeenAt: Type.Integer({
      description:
        'When its newest sample arrived, µs by the clock of this API. The own metrics of agents, servers and APIs do not count. For a host of which nothing has arrived for a day: the time of its newest stored sample.',
    }),
    ageMs: Type.Integer({ minimum: 0, description: 'How long ago that was, ms.' }),
    stale: Type.Boolean({
      description:
        'Whether nothing of it has arrived for `api.staleAfterMs`, or for three intervals of its source where that is longer.',
    }),
    clockOffsetMs: nullable(
      Type.Integer({
        description:
          'How far the time of its newest sample was ahead of the clock of the server when it arrived, ms; negative where it was behind. Within some hundred ms of 0 where the clock of the host is right. Null for a host of which nothing has arrived for a day.',
      }),
    ),
    ...FIGURES,
    gpu_count: Type.Integer({ minimum: 0, description: 'GPUs of which samples are kept.' }),
  },
  {
    description:
      'A figure is null where the host does not send it, or no longer sends it: `cpuPercent`, `memPercent`, `load1` and `uptimeSeconds` as soon as their series is stale, the others after a day.',
  },
)

const BriefHostSchema = Type.Pick(HostSchema, ['host', 'ageMs', 'stale', 'cpuPercent'], {
  description: 'With `brief=true`.',
})

export const HostsSchema = Type.Object(
  {
    now: MicrosecondsSchema,
    partial: Type.Boolean({
      description:
        'True until the store has answered, and while it does not answer: hosts that have not been seen for a day may be missing.',
    }),
    total: Type.Integer({ minimum: 0, description: 'How many hosts there are, on all pages.' }),
    next: nullable(Type.String({ description: 'Give it as `after` to get the next page; null on the last one.' })),
    hosts: Type.Array(Type.Union([HostSchema, BriefHostSchema]), {
      description: 'Sorted by name, web-2 before web-10.',
    }),
  },
  { description: 'The hosts.' },
)
export type HostsAnswer = Static<typeof HostsSchema>

const HistorySeriesSchema = Type.Object({
  field: Type.String(),
  tags: TagsSchema,
  points: Type.Array(
    // Not a union: fastify's serializer would validate each value of it.
    Type.Array(Type.Unsafe<number | string>({ type: ['number', 'string'] }), {
      minItems: 2,
      maxItems: 2,
      description: `The start of the bucket (µs) and its value. ${LARGE_INTEGERS}`,
      examples: [
        [1763900000000000, 1.25],
        [1763900001000000, '9007199254740993'],
      ],
    }),
    { description: 'Ascending. Buckets without a value, or with a mean beyond the largest double, are left out.' },
  ),
})

const HISTORY = {
  measurement: Type.String(),
  aggregate: Type.String(),
  start: MicrosecondsSchema,
  end: MicrosecondsSchema,
  everyMs: Type.Number({ description: 'Length of a bucket, ms.' }),
  series: Type.Unsafe<readonly HistorySeries[]>(
    Type.Array(HistorySeriesSchema, { description: 'One entry for each field and set of tags that has a point.' }),
  ),
}

export const HistorySchema = Type.Object({ host: Type.String(), ...HISTORY }, { description: 'The history.' })
export type HistoryAnswer = Static<typeof HistorySchema>

export const SwitchHistorySchema = Type.Object(
  { switch_id: Type.String(), ...HISTORY },
  { description: 'The history.' },
)
export type SwitchHistoryAnswer = Static<typeof SwitchHistorySchema>

export const GpuHistorySchema = Type.Object({ gpu_id: Type.String(), ...HISTORY }, { description: 'The history.' })

/** The compiler refuses what the view does not give, or gives as another type. */
const PIPELINE = {
  programs: Type.Integer({ minimum: 0, description: 'How many servers, agents and APIs report.' }),
  servers: Type.Integer({
    minimum: 0,
    description:
      'How many servers do. While it is 0, nothing is known of the pipeline, and the other figures say nothing.',
  }),
  seenAt: nullable(
    Type.Integer({
      description: 'When the newest report of a server arrived, µs by the clock of this API; null before the first.',
    }),
  ),
  samplesPerSecond: Type.Number({ description: 'That servers took, the mean of the last half minute.' }),
  e2eP50Us: nullable(Type.Number({ description: 'From the measurement to the server, of the slowest server.' })),
  e2eP99Us: nullable(Type.Number()),
  durableP50Us: nullable(Type.Number({ description: 'From the measurement to the acknowledgement of the store.' })),
  durableP99Us: nullable(Type.Number()),
  lost: Type.Number({
    description: 'Samples that never arrived. These and the next three are those of servers and agents.',
  }),
  dropped: Type.Number({ description: 'Good samples that were given up.' }),
  rejected: Type.Number({ description: 'Samples that can never be stored.' }),
  held: Type.Number({ description: 'Samples on their way.' }),
  onDisk: Type.Number({ description: 'The held samples that are on the disk of a server.' }),
  deadLetters: nullable(Type.Number({ description: 'Dead letters that are kept; null where no server says it.' })),
  lostAtMost: Type.Number({ description: 'Samples that may be lost, beside those that are.' }),
  lostKnown: Type.Boolean({ description: 'False where nothing tells how much was lost.' }),
  storeAwayMs: nullable(
    Type.Number({ description: 'How long a store has been away; null while every store takes samples.' }),
  ),
  serversBehind: Type.Integer({
    minimum: 0,
    description:
      'How many servers are behind: they read less than comes, or their store takes less. Nothing is lost by that.',
  }),
  broker: nullable(Type.String()),
  store: nullable(Type.String()),
} satisfies { readonly [Name in keyof PipelineSummary]: TSchema & { static: PipelineSummary[Name] } }

export const PipelineSchema = Type.Object(PIPELINE, { description: 'The pipeline.' })

/** The data of an event `samples`. */
export const SamplesSchema = Type.Array(
  Type.Object({
    measurement: Type.String(),
    tags: TagsSchema,
    fields: Type.Record(Type.String(), Type.Union([Type.Number(), Type.Boolean(), Type.String()]), {
      description: LARGE_INTEGERS,
    }),
    at: Type.Integer({ description: 'Time of the sample, µs, by the clock of its host.' }),
    arrivedAt: Type.Integer({ description: 'When it arrived, µs, by the clock of this API.' }),
    stale: Type.Optional(
      Type.Literal(true, {
        description:
          'There where the series has become stale: the reading is the last one, and comes once more with this mark.',
      }),
    ),
  }),
  { $id: 'Samples', title: 'Samples', description: 'The data of an event "samples" of the live stream.' },
)

export const ReadySchema = Type.Object(
  {
    ready: Type.Boolean(),
    reasons: Type.Array(Type.String(), { description: 'What is missing; empty when ready.' }),
  },
  { description: 'Ready.' },
)
export type ReadyAnswer = Static<typeof ReadySchema>

const PROBLEM_DESCRIPTIONS: Readonly<Record<number, string>> = {
  400: 'A parameter cannot be used; `parameter` names it. Or this is not an HTTP request.',
  401: 'A key is missing or wrong.',
  403: 'The key has not the scope that this needs, or a page of another site asks.',
  404: 'The path or the host does not exist.',
  405: 'The path does not allow this method.',
  408: 'The request did not arrive within 10 s.',
  413: 'The request has a body, or a longer one than the path takes.',
  415: 'The type of the body is not one that the path takes, or it is packed.',
  414: 'The URL is too long.',
  421: 'The header Host has a name that `api.hosts` does not list.',
  429: 'Too many requests, or live streams, of this address; `Retry-After` says when to try again.',
  431: 'The headers, or the URL, are too long.',
  500: 'The server failed; the log says how.',
  501: 'The store cannot do it; the detail says what can.',
  503: 'The process cannot answer now; `Retry-After` says when to try again.',
}

const RetryAfter = { 'Retry-After': Type.Integer({ description: 'Seconds.' }) }

/** What any request may be answered with, before a route reads it. */
const OF_EVERY_RESOURCE = [400, 408, 413, 414, 431]

/** The problem documents that a resource may answer with, as its response schemas. */
export function problems(...statuses: number[]) {
  return Object.fromEntries(
    [...new Set([...OF_EVERY_RESOURCE, ...statuses])].map((status) => [
      status,
      {
        description: PROBLEM_DESCRIPTIONS[status],
        content: { [PROBLEM_TYPE]: { schema: Type.Ref('Problem#') } },
        ...(status === 429 || status === 503 ? { headers: RetryAfter } : {}),
      },
    ]),
  )
}

/** What the answers that are made of a generation carry. */
export const GENERATION_HEADERS = {
  ETag: Type.String({ description: 'Names the generation: ask with it in `If-None-Match`.' }),
}

/** How a client says what it has already. */
export const ConditionSchema = Type.Object({
  'if-none-match': Type.Optional(Type.String({ description: 'The `ETag` of an answer: 304 while it still holds.' })),
})

/** What any request for values of a fabric may be answered with: a line of text, or a problem document for who asks for JSON. */
export function telemetryAnswers(...more: number[]) {
  const answers = problems(404, 421, 429, 500, 503, ...more)
  const plain = { 'text/plain': { schema: Type.String() } }
  return {
    304: Type.Null({ description: 'The client has this generation already (`If-None-Match`).' }),
    ...Object.fromEntries(
      Object.entries(answers).map(([status, answer]) => [
        status,
        { ...answer, content: { ...answer.content, ...plain } },
      ]),
    ),
  }
}

/** The same without a condition, such as those of a push. */
export function unconditionalAnswers(...more: number[]) {
  const { 304: _kept, ...answers } = telemetryAnswers(...more)
  return answers
}

/** A switch or port in a list. */
export const FabricRowSchema = Type.Object({
  switch_id: Type.String({ description: 'The name of a switch, or `<guid>_<port>`.' }),
  switch: Type.Optional(
    Type.String({ description: 'Of a port: the description of its node, where the source gives it.' }),
  ),
  at: MicrosecondsSchema,
  stale: Type.Optional(Type.Literal(true, { description: 'There where nothing new comes from its target.' })),
  value: Type.Optional(Type.Unsafe<unknown>({ type: ['number', 'string', 'null'], description: 'Of the metric.' })),
  delta: Type.Optional(
    nullable(
      Type.Number({
        description: 'What came on top since the snapshot before. Never negative; null where it cannot be known.',
      }),
    ),
  ),
  rate: Type.Optional(nullable(Type.Number({ description: 'That a second.' }))),
  saturated: Type.Optional(
    Type.Literal(true, { description: 'The counter stands at the largest value that it can hold.' }),
  ),
  reset: Type.Optional(
    Type.Literal(true, { description: 'The counter fell: it was cleared, or its device started again.' }),
  ),
})
