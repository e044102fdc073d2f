import type { FastifyRequest } from 'fastify'
import type { App } from '../../../http/app-types.ts'
import type { Refusals } from '../../../http/doorkeeper.ts'
import { endConnection } from '../../../http/end-connection.ts'
import { HttpError } from '../../../http/errors.ts'
import { countRequest, RateLimit, rateHeaders, ratesOf, type Sharing } from '../../../http/rate-limit.ts'
import type { Desk } from '../../../intake/desk.ts'
import { type BodyLimits, withBody } from './body.ts'
import { addCsvRoute } from './csv.ts'
import { addPingRoute } from './ping.ts'
import { addRemoteWriteRoute } from './remote-write.ts'
import { Room } from './room.ts'
import { addTelemetryRoute } from './telemetry.ts'
import { addWriteRoutes, type TakeBody } from './write.ts'

export interface IntakeRoutesOptions {
  /** Undefined over a broker that keeps no message (Pub/Sub): every request is answered 503. */
  readonly desk: Desk | undefined
  /** Asked at each request. */
  readonly limits: () => BodyLimits & IntakeLimits
  /** Counts of requests of other processes; without it this one counts alone. */
  readonly sharing?: Sharing | undefined
}

interface IntakeLimits {
  readonly maxReadingBytes: number
  readonly requestsPerMinute: number
  readonly requestsPerMinutePerKey: number
}

const NO_DESK =
  'over broker.kind pubsub nothing would be durable, so nothing is taken: run every role with --broker-kind streams (SENTINEL_BROKER_KIND=streams)'

/** The routes that take samples of other senders. They only translate: `internal/intake/` takes. */
export function addIntakeRoutes(
  app: App,
  { desk, limits, sharing, refusals }: IntakeRoutesOptions & { readonly refusals: Refusals },
): void {
  const room = new Room(() => limits().maxReadingBytes)
  const rates = ratesOf('intake', {
    requestsPerMinute: () => limits().requestsPerMinute,
    requestsPerMinutePerKey: () => limits().requestsPerMinutePerKey,
  })
  const limit = new RateLimit({ ...rates, sharing })
  app.addHook('onClose', async () => limit.close())
  app.removeAllContentTypeParsers()
  // The route reads the body itself when there is room for it. Senders give it any type, or none.
  app.addContentTypeParser('*', (_request, _body, done) => done(null))
  // Each route has words of its own for a refusal.
  const refused = new WeakMap<FastifyRequest, Error>()
  app.addHook('onRequest', (request, reply, done) => {
    const counted = request.method === 'POST' ? countRequest(limit, request) : undefined
    if (counted !== undefined) reply.headers(rateHeaders(counted))
    if (counted?.refusal !== undefined) {
      refusals.rate++
      refused.set(request, counted.refusal)
    }
    done()
  })
  const deskFor = (request: FastifyRequest): Desk => {
    const refusal = refused.get(request)
    if (refusal !== undefined) throw refusal
    if (desk === undefined) throw new HttpError(503, NO_DESK)
    return desk
  }
  const takeBody: TakeBody = async (request, take) => {
    const open = deskFor(request)
    return withBody(request.raw, limits(), room, (body) => take(open, body))
  }
  // A body that nobody has read stays on the connection, so no other request can follow it.
  app.addHook('onError', async (request, reply) => {
    if (!request.raw.complete) endConnection(request, reply)
  })
  addPingRoute(app)
  addWriteRoutes(app, takeBody)
  addTelemetryRoute(app, takeBody)
  addRemoteWriteRoute(app, { takeBody, maxBodyBytes: () => limits().maxBodyBytes })
  addCsvRoute(app, deskFor)
}
