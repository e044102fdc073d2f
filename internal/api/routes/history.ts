import { Type } from '@sinclair/typebox'
import type { App } from '../../http/app-types.ts'
import { NotFoundError, OverloadError } from '../../http/errors.ts'
import { cleanText } from '../../sample/border.ts'
import {
  type Aggregate,
  type HistoryQuery,
  type HistorySeries,
  StoreError,
  type StoreReader,
} from '../../store/store.ts'
import type { Clock } from '../../time/clock.ts'
import type { HostsView } from '../../view/hosts/hosts-view.ts'
import { refuseHidden } from '../names.ts'
import { type HistoryAnswer, HistorySchema, problems } from '../schemas.ts'
import {
  AGGREGATES,
  type HistoryParams,
  MAX_BUCKETS,
  MAX_FIELDS_ASKED,
  MAX_TAGS_ASKED,
  otherReadings,
  parseHistoryParams,
} from './history-params.ts'

export interface HistoryOptions {
  readonly reader: StoreReader
  readonly view: HostsView
  readonly clock: Clock
  /** Queries that may run side by side. One more is answered with 503. */
  readonly maxQueries: number
  /** ms */
  readonly queryTimeoutMs: number
}

const TIME_FORMS =
  'An RFC 3339 time, an integer (µs since the epoch), `now`, or a time before now: `-90s`, `-5m`, `-1h`, `-7d`.'

const ParamsSchema = Type.Object({
  host: Type.String({ minLength: 1, maxLength: 1024, description: 'The tag `host`.', examples: ['web-01'] }),
})

const QuerySchema = Type.Object(
  {
    measurement: Type.String({ minLength: 1, maxLength: 256, examples: ['cpu'] }),
    field: Type.String({
      minLength: 1,
      maxLength: 8192,
      description: `Field names with commas between them, at most ${MAX_FIELDS_ASKED}. A comma of a name is written \`\\,\`.`,
      examples: ['usage_user,usage_system'],
    }),
    start: Type.Optional(Type.String({ description: `Start of the range, inclusive. ${TIME_FORMS} Default \`-5m\`.` })),
    end: Type.Optional(Type.String({ description: `End of the range, exclusive. ${TIME_FORMS} Default \`now\`.` })),
    every: Type.Optional(
      Type.String({
        description:
          'Length of a bucket: `250ms`, `1s`, `5m`, `1h`, `1d`. Buckets count from the epoch. Default: a round length that gives ' +
          `about 300 buckets, at least 1 s. At most ${MAX_BUCKETS} buckets.`,
      }),
    ),
    aggregate: Type.Optional(
      Type.Unsafe<Aggregate>({
        type: 'string',
        enum: AGGREGATES,
        description: 'How the values of a bucket become one. Default `mean`.',
      }),
    ),
    tag: Type.Optional(
      Type.Array(Type.String(), {
        description: `key=value that each series must have, or key= for series without this tag; may be repeated, at most ${MAX_TAGS_ASKED}. An equals sign of the key is written \`\\=\`.`,
        examples: [['cpu=cpu-total']],
      }),
    ),
  },
  { additionalProperties: false },
)

/** `GET /hosts/{host}/metrics`: the history of a host, from the store. */
export function addHistoryRoute(app: App, options: HistoryOptions): void {
  const { reader, view, clock } = options
  let running = 0

  app.get(
    '/hosts/:host/metrics',
    {
      schema: {
        operationId: 'getHistory',
        summary: 'The history of one or several fields of a measurement, aggregated by time',
        tags: ['hosts'],
        params: ParamsSchema,
        querystring: QuerySchema,
        response: { 200: HistorySchema, ...problems(404, 421, 429, 500, 503) },
      },
    },
    async (request): Promise<HistoryAnswer> => {
      // As it was cleaned before it was stored: a line break in it became two characters.
      const host = cleanText(request.params.host)
      const query = parseHistoryParams(host, request.query, clock.now())
      if (running >= options.maxQueries) throw new OverloadError(`${running} queries are running already`)
      running++
      try {
        const series = await ask(request.signal, (signal) => reader.history(query, signal))
        if (series.length === 0) await refuseUnknownHost(host, request.signal)
        await refuseOtherReading(query, request.query, series, request.signal)
        return {
          host,
          measurement: query.measurement,
          aggregate: query.aggregate,
          start: query.startUs,
          end: query.endUs,
          everyMs: query.everyUs / 1000,
          series,
        }
      } finally {
        running--
      }
    },
  )

  async function ask<T>(clientGone: AbortSignal, question: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const timeout = AbortSignal.timeout(options.queryTimeoutMs)
    try {
      return await question(AbortSignal.any([clientGone, timeout]))
    } catch (cause) {
      if (!timeout.aborted) throw cause
      throw new StoreError('away', `no answer within ${options.queryTimeoutMs} ms`, { cause })
    }
  }

  /** A field or a tag without a series may have been meant otherwise: then the client is told, and not given an empty answer. */
  async function refuseOtherReading(
    query: HistoryQuery,
    params: HistoryParams,
    series: readonly HistorySeries[],
    clientGone: AbortSignal,
  ): Promise<void> {
    for (const other of otherReadings(query, params, new Set(series.map(({ field }) => field)))) {
      const found = await ask(clientGone, (signal) => reader.history(other.query, signal))
      if (found.length > 0) refuseHidden(other.parameter, other.meant, other.written)
    }
  }

  /** Asked after a history that is empty, because a host with points is known. */
  async function refuseUnknownHost(host: string, clientGone: AbortSignal): Promise<void> {
    if (view.host(host) !== undefined) return
    if (await ask(clientGone, (signal) => reader.hasHost(host, signal))) return
    throw new NotFoundError(`no sample of a host named ${JSON.stringify(host)} is kept`)
  }
}
