import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import type { App } from '../../http/app-types.ts'
import { AddressCounts, isLoopback } from '../../http/connection-limit.ts'
import { AddressLimitError, type HttpError, OverloadError } from '../../http/errors.ts'
import type { Feed } from '../../live/feed.ts'
import { FeedFilter } from '../../live/feed-filter.ts'
import type { LiveTable } from '../../live/live-table.ts'
import { escapeName, hiddenName, parseNames, refuseHidden } from '../names.ts'
import { problems } from '../schemas.ts'

/** How long clients may take to read the last event when the server stops, ms. */
const FAREWELL_MS = 1_000

const SETTING = '--api-max-live-clients-per-address or SENTINEL_API_MAX_LIVE_CLIENTS_PER_ADDRESS'

const names = (what: string) =>
  Type.Optional(
    Type.Array(Type.String({ maxLength: 8192 }), {
      maxItems: 100,
      description: `Only these ${what}, with commas between them; may be repeated. A comma of a name is written \`\\,\`. Default: all.`,
    }),
  )

const QuerySchema = Type.Object(
  { host: names('hosts'), measurement: names('measurements') },
  { additionalProperties: false },
)

const HeadersSchema = Type.Object({
  'last-event-id': Type.Optional(
    Type.String({
      description: 'The id of the last event that the client has: the stream sends only what changed after it.',
    }),
  ),
})

const STREAM = `An endless text/event-stream. It begins with everything that passes the filters. Then it brings the changes, at most
four times a second, each series once with its newest reading.

- \`event: samples\`, data: see the schema Samples. It has an \`id\` where the client has everything up to it.
- \`event: lost\`, data \`{"series": 12}\`: the number of readings that this client missed because it reads too slowly.
- \`event: end\`: the server stops. The client may come back in a second.
- A comment line after 15 s without an event.`

/**
 * `GET /live`: the latest readings and their changes, until the client leaves.
 *
 * @param mostOfOneAddress streams. Loopback has no such limit: a proxy on this machine brings all its clients from there
 */
export function addLiveRoute(app: App, feed: Feed, table: LiveTable, mostOfOneAddress: () => number): void {
  const open = new Set<ServerResponse>()
  const ofAddress = new AddressCounts()

  app.get(
    '/live',
    {
      schema: {
        operationId: 'streamLive',
        summary: 'The latest readings and their changes',
        tags: ['live'],
        querystring: QuerySchema,
        headers: HeadersSchema,
        response: {
          200: { description: STREAM, content: { 'text/event-stream': { schema: Type.String() } } },
          ...problems(421, 429, 503),
        },
      },
    },
    async (request, reply): Promise<string | undefined> => {
      const { host, measurement } = request.query
      const filter = new FeedFilter(
        namesOf('host', host, () => hostsOf(table)),
        namesOf('measurement', measurement, () => measurementsOf(table)),
      )
      reply.header('content-type', 'text/event-stream; charset=utf-8')
      reply.header('cache-control', 'no-store')
      // Without this nginx collects the events and sends them in lumps.
      reply.header('x-accel-buffering', 'no')
      if (request.method === 'HEAD') return ''
      const refusal = refusalOf(request.ip)
      if (refusal !== undefined) {
        feed.stats.refused++
        throw refusal
      }
      stream(reply, filter, request.headers['last-event-id'], ofAddress.enter(request.ip))
      return undefined
    },
  )

  function refusalOf(address: string): HttpError | undefined {
    if (!feed.hasRoom) return new OverloadError('the live feed has no room for another client')
    if (isLoopback(address) || ofAddress.of(address) < mostOfOneAddress()) return undefined
    const detail = `this address has ${ofAddress.of(address)} live streams open already`
    return new AddressLimitError(address, detail, SETTING)
  }

  function stream(
    reply: FastifyReply,
    filter: FeedFilter,
    lastEventId: string | undefined,
    leaveAddress: () => void,
  ): void {
    reply.hijack()
    const response = reply.raw
    response.writeHead(200, reply.getHeaders() as Record<string, string>)
    open.add(response)
    const place = feed.join(response, filter, lastEventId)
    response.on('drain', () => place?.drained())
    response.on('close', () => {
      open.delete(response)
      leaveAddress()
      place?.leave()
    })
  }

  /** The names of a parameter. A list that hides a name with a comma is refused: its client would wait for ever. */
  function namesOf(
    parameter: string,
    lists: readonly string[] | undefined,
    known: () => Iterable<string>,
  ): string[] | undefined {
    for (const list of lists ?? []) {
      const hidden = list.includes(',') ? hiddenName(list, known()) : undefined
      if (hidden !== undefined) refuseHidden(parameter, `a ${parameter} ${JSON.stringify(hidden)}`, escapeName(hidden))
    }
    return lists?.flatMap((list) => parseNames(parameter, list))
  }

  // `close` waits for all connections, and these would never end.
  app.addHook('preClose', async () => {
    feed.close()
    await Promise.race([Promise.all([...open].map(closed)), sleep(FAREWELL_MS, undefined, { ref: false })])
    for (const response of open) response.destroy()
  })
}

function* hostsOf(table: LiveTable): Iterable<string> {
  for (const { host } of table.byHost.all()) yield host
}

function* measurementsOf(table: LiveTable): Iterable<string> {
  for (const { series } of table.all()) yield series.measurement
}

function closed(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => response.once('close', resolve))
}
