import type { FastifyRequest } from 'fastify'
import { endConnection } from '../../../http/app.ts'
import type { App } from '../../../http/app-types.ts'
import { HttpError } from '../../../http/errors.ts'
import { AddressLimit } from '../../../http/rate-limit.ts'
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
  readonly limits: () => BodyLimits & { readonly maxReadingBytes: number; readonly requestsPerMinute: number }
}

const SETTING = '--intake-requests-per-minute or SENTINEL_INTAKE_REQUESTS_PER_MINUTE'
const NO_DESK =
  'over broker.kind pubsub nothing would be durable, so nothing is taken: run every role with --broker-kind streams (SENTINEL_BROKER_KIND=streams)'

/** The routes that take samples of other senders. They only translate: `internal/intake/` takes. */
export function addIntakeRoutes(app: App, { desk, limits }: IntakeRoutesOptions): void {
  const room = new Room(() => limits().maxReadingBytes)
  const limit = new AddressLimit(() => limits().requestsPerMinute, SETTING)
  app.removeAllContentTypeParsers()
  // The route reads the body itself when there is room for it. Senders give it any type, or none.
  app.addContentTypeParser('*', (_request, _body, done) => done(null))
  const deskFor = ({ ip }: FastifyRequest): Desk => {
    const refusal = limit.refusal(ip)
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
