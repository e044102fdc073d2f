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

/** What every history may be asked for, beside its measurement. */
export const HISTORY_PARAMS = {
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
}

const QuerySchema = Type.Object(
  { measurement: Type.String({ minLength: 1, maxLength: 256, examples: ['cpu'] }), ...HISTORY_PARAMS },
  { additionalProperties: false },
)

/** `GET /hosts/{host}/metrics`: the history of a host, from the store. */
export function addHistoryRoute(app: App, view: HostsView, reader: StoreReader, histories: Histories): void {
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
      const isKnown = async (_query: HistoryQuery, signal: AbortSignal): Promise<boolean> =>
        view.host(host) !== undefined || (await reader.hasHost(host, signal))
      const asked = { tags: { host }, params: request.query, isKnown, what: `a host named ${JSON.stringify(host)}` }
      return { host, ...(await histories.get(asked, request.signal)) }
    },
  )
}

/** A history that somebody asks for. */
export interface HistoryAsked {
  /** What the path names. */
  readonly tags: Readonly<Record<string, string>>
  readonly params: HistoryParams
  /** Asked after a history that is empty: whether the path names something that exists. */
  readonly isKnown: (query: HistoryQuery, signal: AbortSignal) => Promise<boolean>
  /** That in words. */
  readonly what: string
}

/** Reads histories from the store, so many side by side. */
export class Histories {
  readonly #options: HistoryOptions
  #running = 0

  constructor(options: HistoryOptions) {
    this.#options = options
  }

  async get(
    { tags, params, isKnown, what }: HistoryAsked,
    clientGone: AbortSignal,
  ): Promise<Omit<HistoryAnswer, 'host'>> {
    const { reader, clock } = this.#options
    const query = parseHistoryParams(tags, params, clock.now())
    return this.#inTurn(async () => {
      const series = await this.#ask(clientGone, (signal) => reader.history(query, signal))
      if (series.length === 0 && !(await this.#ask(clientGone, (signal) => isKnown(query, signal))))
        throw new NotFoundError(`no sample of ${what} is kept`)
      await this.#refuseOtherReading(query, params, series, clientGone)
      return {
        measurement: query.measurement,
        aggregate: query.aggregate,
        start: query.startUs,
        end: query.endUs,
        everyMs: query.everyUs / 1000,
        series,
      }
    })
  }

  /** Any other question to the store: one of as many as may run. */
  ask<T>(clientGone: AbortSignal, question: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#inTurn(() => this.#ask(clientGone, question))
  }

  async #inTurn<T>(job: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#options.maxQueries)
      throw new OverloadError(`${this.#running} queries are running already`)
    this.#running++
    try {
      return await job()
    } finally {
      this.#running--
    }
  }

  async #ask<T>(clientGone: AbortSignal, question: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { queryTimeoutMs } = this.#options
    const timeout = AbortSignal.timeout(queryTimeoutMs)
    try {
      return await question(AbortSignal.any([clientGone, timeout]))
    } catch (cause) {
      if (!timeout.aborted) throw cause
      throw new StoreError('away', `no answer within ${queryTimeoutMs} ms`, { cause })
    }
  }

  /** A field or a tag without a series may have been meant otherwise: then the client is told, and not given an empty answer. */
  async #refuseOtherReading(
    query: HistoryQuery,
    params: HistoryParams,
    series: readonly HistorySeries[],
    clientGone: AbortSignal,
  ): Promise<void> {
    for (const other of otherReadings(query, params, new Set(series.map(({ field }) => field)))) {
      const found = await this.#ask(clientGone, (signal) => this.#options.reader.history(other.query, signal))
      if (found.length > 0) refuseHidden(other.parameter, other.meant, other.written)
    }
  }
}
