import { setTimeout } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import { acceptsGzip } from '../http/accepts-gzip.ts'
import type { App } from '../http/app-types.ts'
import { isConditional, isNotModified, validatorHeaders } from '../http/conditional.ts'
import { clientOf } from '../http/connection-limit.ts'
import { ParameterError } from '../http/errors.ts'
import { Askers } from './askers.ts'
import { answerWrongly, MODES, type Mode, modeOf } from './faults.ts'
import type { Profile } from './profile.ts'
import { type Headers, send } from './send.ts'
import { rowsOf, type Shard } from './shards.ts'
import type { Snapshot } from './snapshot.ts'

/** What is answered to a client that has the snapshot already and does not say so. */
export type Repeat = 'full' | 'not-modified'

export interface CountersOptions {
  readonly profile: Pick<Profile, 'header' | 'names' | 'path' | 'contentType'>
  readonly snapshot: () => Snapshot
  /** What is answered to requests that name no mode. Asked at each request, as the next one. */
  readonly mode: () => Mode
  readonly repeat: () => Repeat
  readonly slowMs: number
  /** Fires when the process stops: nothing waits any longer. */
  readonly stopping: AbortSignal
  readonly onFault: (mode: Mode) => void
}

const MAX_SHARDS = 1_000
/** Whoever keeps a snapshot has to ask whether it is still the newest. */
const COMMON = { 'cache-control': 'no-cache', vary: 'accept-encoding' }

const QUERY = Type.Object(
  {
    mode: Type.Optional(Type.String()),
    num_shards: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_SHARDS })),
    shard: Type.Optional(Type.Integer({ minimum: 0 })),
    sharding_field: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
)

interface ShardQuery {
  readonly num_shards?: number
  readonly shard?: number
  readonly sharding_field?: string
}

/** `GET /counters`: the snapshot of now, or a shard of it, or what a fault leaves of it. */
export function addCountersRoute(app: App, options: CountersOptions): void {
  const { profile, stopping } = options
  const askers = new Askers()
  app.route({
    method: ['GET', 'HEAD'],
    url: profile.path ?? '/counters',
    // A snapshot is compressed once for all, and not again for each request.
    compress: false,
    schema: { querystring: QUERY },
    handler: async (request, reply) => {
      const { query, headers: asked } = request
      const mode = modeFor(query.mode, options.mode())
      const shard = shardFor(query, profile)
      const gone = new AbortController()
      reply.raw.once('close', () => gone.abort())
      const left = AbortSignal.any([gone.signal, stopping])
      if (mode !== 'NONE') options.onFault(mode)
      if (mode === 'SLOW') await setTimeout(options.slowMs, undefined, { signal: left }).catch(() => {})

      const snapshot = options.snapshot()
      const isPlain = mode === 'NONE' || mode === 'SLOW'
      const zips = isPlain && acceptsGzip(asked['accept-encoding'])
      const validators = {
        etag: `"${[snapshot.atUs.toString(36), snapshot.number, ...nameOf(shard), ...(zips ? ['gzip'] : [])].join('-')}"`,
        modifiedAtMs: snapshot.atUs / 1_000,
      }
      reply.headers(COMMON)
      if (isPlain && isKnown()) return reply.code(304).headers(validatorHeaders(validators)).send()

      const rows = shard === undefined ? snapshot.body : await rowsOf(shard, snapshot.body)
      const body = zips ? await rows.gzipped() : rows
      const common = reply.getHeaders()
      const headers: Headers = {
        ...common,
        ...validatorHeaders(validators),
        'content-type': profile.contentType ?? 'text/csv; charset=utf-8',
        ...(zips ? { 'content-encoding': 'gzip' } : {}),
      }
      reply.hijack()
      if (isPlain) {
        const pieces = request.method === 'HEAD' ? [] : body.pieces
        await send(reply.raw, { headers: { ...headers, 'content-length': body.bytes }, pieces })
      } else await answerWrongly(mode, reply.raw, { common, headers, body }, left)
      return reply

      function isKnown(): boolean {
        if (isConditional(asked)) return isNotModified(asked, validators)
        if (options.repeat() === 'full' || request.method === 'HEAD') return false
        return askers.hasAsked([clientOf(request.ip), ...nameOf(shard)].join(' '), snapshot)
      }
    },
  })
}

function modeFor(asked: string | undefined, otherwise: Mode): Mode {
  if (asked === undefined || asked === '') return otherwise
  const mode = modeOf(asked)
  if (mode !== undefined) return mode
  throw new ParameterError('mode', `there is no mode ${JSON.stringify(asked)}: it is one of ${MODES.join(', ')}`)
}

/** As UFM's telemetry divides its rows. @returns undefined for all rows */
function shardFor(query: ShardQuery, { header, names }: CountersOptions['profile']): Shard | undefined {
  const { num_shards: count, shard: index, sharding_field: field = names[0] } = query
  if (field === undefined || !names.includes(field)) {
    if (names.length === 0 && count === undefined && index === undefined && field === undefined) return undefined
    if (names.length === 0) throw new ParameterError('num_shards', 'num_shards and shard are for profiles with CSV')
    throw new ParameterError('sharding_field', `sharding_field must be one of ${names.join(', ')}`)
  }
  if (count === undefined && index === undefined) return undefined
  if (count === undefined) throw new ParameterError('num_shards', 'num_shards is missing: shard alone names no part')
  if (index === undefined) throw new ParameterError('shard', `shard is missing: it is from 0 to ${count - 1}`)
  if (index >= count) throw new ParameterError('shard', `shard must be below num_shards, from 0 to ${count - 1}`)
  return { index, count, column: header.split(',').indexOf(field) }
}

/** What tells one shard from another, and from all rows. */
function nameOf(shard: Shard | undefined): number[] {
  return shard === undefined ? [] : [shard.index, shard.count, shard.column]
}
