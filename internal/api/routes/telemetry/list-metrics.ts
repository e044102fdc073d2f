import { type Static, Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { acceptsGzip } from '../../../http/accepts-gzip.ts'
import type { App } from '../../../http/app-types.ts'
import { COMPRESSION } from '../../../http/compression.ts'
import { ParameterError } from '../../../http/errors.ts'
import type { Ready } from '../../../http/fast-lane.ts'
import type { LatencyRecorder } from '../../../observe/latency.ts'
import type { Clock } from '../../../time/clock.ts'
import type { FabricGeneration } from '../../../view/fabric/fabric-generation.ts'
import type { FabricView } from '../../../view/fabric/fabric-view.ts'
import { RowWriter } from '../../../view/fabric/json.ts'
import { naturally } from '../../../view/fabric/naturally.ts'
import { Slices } from '../../../view/fabric/slices.ts'
import type { TargetRows } from '../../../view/fabric/target-rows.ts'
import { ConditionSchema, GENERATION_HEADERS, telemetryAnswers } from '../../schemas.ts'
import { parseTime } from '../history-params.ts'
import {
  type Answer,
  type Answers,
  isSentAlready,
  JSON_TYPE,
  linkTo,
  readyJson,
  ShortAnswers,
  sendAnswer,
  tagOf,
} from './answers.ts'
import { askedFabric, askedRow, checkMetric, FabricParam } from './asked-fabric.ts'

export type TelemetryShape = 'array' | 'object'

/** The most values of one answer, some 14 MB: that many rows of a fabric with few metrics, and fewer of one with many. */
const MOST_VALUES = 400_000
/**
 * Up to this length an answer is kept as text with its headers. As text it leaves in one piece with them: a request for 50 switches (3.7 KB)
 * takes a seventh less CPU than with bytes and headers made each time, 61 in place of 72 µs.
 */
const MOST_TEXT_BYTES = 16 * 1024
/** So many take a millisecond: more are written in slices. */
const FEW_VALUES = 4_096

const QuerySchema = Type.Object(
  {
    switch_id: Type.Optional(
      Type.Array(Type.String({ maxLength: 1024 }), {
        maxItems: 1000,
        description: 'Only these switches or ports; may be repeated.',
      }),
    ),
    metric: Type.Optional(
      Type.Array(Type.String({ maxLength: 1024 }), {
        maxItems: 256,
        description: 'Only these metrics; may be repeated.',
      }),
    ),
    updated_since: Type.Optional(
      Type.String({
        description: 'Only rows with a later time: RFC 3339, or µs since the epoch.',
        examples: ['2026-11-23T12:00:00Z'],
      }),
    ),
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: `The most rows of one answer. It has fewer where they have more than ${MOST_VALUES} values together: then, too, the header Link leads to the next page.`,
      }),
    ),
    cursor: Type.Optional(
      Type.String({
        maxLength: 1024,
        description: 'Where the page begins: as the header Link of the page before has it.',
      }),
    ),
    shape: Type.Optional(
      Type.Unsafe<TelemetryShape>({
        type: 'string',
        enum: ['array', 'object'],
        description: 'Default: the setting `api.telemetryShape`.',
      }),
    ),
    fabric: FabricParam,
  },
  { additionalProperties: false },
)
type Question = Static<typeof QuerySchema>

const PAGE_HEADERS = {
  ...GENERATION_HEADERS,
  Link: Type.String({ description: 'There where more rows follow: their URL, with `rel="next"`.' }),
}

const RowSchema = Type.Record(
  Type.String(),
  Type.Record(Type.String(), Type.Unsafe<unknown>({ type: ['number', 'string'] })),
)
const ListSchema = Type.Union([Type.Array(RowSchema), RowSchema], {
  description: 'The newest values of each row by metric, in natural order of the rows. What has no value is left out.',
})

export interface ListMetricsOptions {
  readonly view: FabricView
  readonly clock: Clock
  readonly answers: Answers
  readonly shape: TelemetryShape
  readonly latency: LatencyRecorder
}

/** `GET /ListMetrics`: all values, as they are now. Each answer is made once while a generation is shown. */
export function addListMetrics(app: App, { view, clock, answers, shape, latency }: ListMetricsOptions): void {
  app.get(
    '/ListMetrics',
    {
      schema: {
        operationId: 'listMetrics',
        summary: 'The values of all switches or ports, as they are now',
        tags: ['fabric'],
        querystring: QuerySchema,
        headers: ConditionSchema,
        response: {
          200: { description: 'The values.', headers: PAGE_HEADERS, content: { [JSON_TYPE]: { schema: ListSchema } } },
          ...telemetryAnswers(),
        },
      },
    },
    (request, reply): void | Promise<void> => {
      const begunMs = performance.now()
      const { query } = request
      const generation = askedFabric(view, query.fabric)
      const answer = answers.get(generation, request.url, () => answerOf(generation, query, request, shape, clock))
      const send = (made: Answer): void => {
        if (!isSentAlready(request, reply, tagOf(generation.id))) sendAnswer(reply, made)
        latency.record(Math.round((performance.now() - begunMs) * 1000))
      }
      if (!(answer instanceof Promise)) return send(answer)
      return answer.then(async (made) => {
        send(made)
        // Before the answer is sent, a promise of nothing would end it, empty: gzip begins it later.
        await reply
      })
    },
  )
}

/** The same without fastify, where the answer was made already, and compressed if the client asks for that. */
export function readyList(view: FabricView, answers: Answers): Ready {
  const short = new ShortAnswers()
  return ({ url, headers }) => {
    const generation = view.only
    if (generation === undefined) return undefined
    const made = answers.made(generation, url!)
    if (made === undefined) return undefined
    const link: Record<string, string> = made.next === undefined ? {} : { link: linkTo(made.next) }
    const zips = made.body.length >= COMPRESSION.threshold && acceptsGzip(headers['accept-encoding'])
    if (zips) {
      const body = answers.zipped(made)
      return body && readyJson(generation, body, { ...link, vary: 'accept-encoding', 'content-encoding': 'gzip' })
    }
    if (made.body.length > MOST_TEXT_BYTES) return readyJson(generation, made.body, link)
    return short.get(generation, url!, () => readyJson(generation, made.body.toString(), link))
  }
}

function answerOf(
  generation: FabricGeneration,
  query: Question,
  { url }: Pick<FastifyRequest, 'url'>,
  usualShape: TelemetryShape,
  clock: Clock,
): Answer | Promise<Answer> {
  const sinceUs = query.updated_since === undefined ? Number.NEGATIVE_INFINITY : parseSince(query.updated_since, clock)
  const rows = askedRows(generation, query)
  for (const metric of query.metric ?? []) checkMetric(generation, metric)
  const values = Math.max(1, query.metric?.length ?? generation.metrics.length)
  const most = Math.min(query.limit ?? Number.POSITIVE_INFINITY, Math.ceil(MOST_VALUES / values))
  const page = new Page(generation, query, most, sinceUs)
  const isArray = (query.shape ?? usualShape) === 'array'
  const finished = (): Answer => {
    const body = Buffer.from(page.body(isArray))
    return page.next === undefined ? { body } : { body, next: urlOfPage(url, page.next) }
  }
  // Rows that are not new enough are walked through too.
  const walked = sinceUs > 0 ? rows.length : Math.min(rows.length, most)
  if (walked * values > FEW_VALUES) return page.fillInSlices(rows, isArray).then(finished)
  for (const row of rows) if (!page.add(row, isArray)) break
  return finished()
}

/** One page of rows, as JSON. */
class Page {
  /** The last row of the page, where others follow. */
  next: string | undefined
  readonly #generation: FabricGeneration
  readonly #most: number
  readonly #sinceUs: number
  readonly #writers: ReadonlyMap<TargetRows, RowWriter>
  #json = ''
  #rows = 0
  #last = ''

  constructor(generation: FabricGeneration, { metric }: Question, most: number, sinceUs: number) {
    const asked = metric && new Set(metric)
    this.#generation = generation
    this.#most = most
    this.#sinceUs = sinceUs
    const isAsked = (name: string): boolean => asked === undefined || asked.has(name)
    this.#writers = new Map(generation.targets.map((target) => [target, new RowWriter(target, isAsked)]))
  }

  /** @returns false where the page is full */
  add(first: number, isArray: boolean): boolean {
    const row = this.#generation.newest(first)
    if (this.#generation.atUs(row) <= this.#sinceUs) return true
    if (this.#rows === this.#most) {
      this.next = this.#last
      return false
    }
    this.#last = this.#generation.idOf(row)
    const member = `${JSON.stringify(this.#last)}:${this.#writers.get(this.#generation.targetOf(row))!.valuesOf(row)}`
    this.#json += (this.#rows === 0 ? '' : ',') + (isArray ? `{${member}}` : member)
    this.#rows++
    return true
  }

  async fillInSlices(rows: ArrayLike<number>, isArray: boolean): Promise<void> {
    const slices = new Slices()
    for (let i = 0; i < rows.length; i++) {
      if (!this.add(rows[i]!, isArray)) return
      if (slices.isOver) await slices.pause()
    }
  }

  body(isArray: boolean): string {
    return isArray ? `[${this.#json}]` : `{${this.#json}}`
  }
}

/** The rows in natural order, from the cursor on. */
function askedRows(generation: FabricGeneration, query: Question): Uint32Array {
  const { order } = generation.index
  const from = query.cursor === undefined ? 0 : firstAfter(generation, query.cursor)
  if (query.switch_id === undefined) return order.subarray(from)
  const found = new Set(query.switch_id.map((id) => generation.idOf(askedRow(generation, id))))
  const after = [...found].sort(naturally).filter((id) => query.cursor === undefined || naturally(id, query.cursor) > 0)
  return Uint32Array.from(after, (id) => generation.find(id))
}

/** Where the rows after this id begin; it need not be among them. */
export function firstAfter(generation: FabricGeneration, id: string): number {
  const { order } = generation.index
  let from = 0
  let to = order.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if (naturally(generation.idOf(order[middle]!), id) <= 0) from = middle + 1
    else to = middle
  }
  return from
}

/** The answer serves for as long as its generation, so it cannot depend on the time at which it is asked for. */
function parseSince(text: string, clock: Clock): number {
  if (/^\d/.test(text)) return parseTime('updated_since', text, clock.now())
  throw new ParameterError(
    'updated_since',
    `${JSON.stringify(text)} is not a time: give an RFC 3339 time, or microseconds since 1970`,
  )
}

/** The same question with another cursor. */
export function urlOfPage(url: string, cursor: string): string {
  const [path = '', query = ''] = url.split('?', 2)
  const parameters = new URLSearchParams(query)
  parameters.set('cursor', cursor)
  return `${path}?${parameters.toString()}`
}
