import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance, RawServerDefault } from 'fastify'
import type { Logger } from 'pino'
import type { Identity } from '../auth/identity.ts'
import type { Needs, OpenPart } from './needs.ts'

/** The app as its routes see it. The schema of a route gives the types of what the route reads. */
export type App = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, Logger, TypeBoxTypeProvider>

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the route reads the body of a request. */
    takesBody?: boolean
    /** What its requests need where a guard stands: by its method, if it does not say it. */
    needs?: Needs
    /** The part that it belongs to, which may be open to everybody. */
    opens?: OpenPart
    /** Whether its answer has no end: it is ended once the key of its client is no good any more. */
    streams?: boolean
  }

  interface FastifyRequest {
    /** Who asks; undefined where nobody has to say it. */
    identity: Identity | undefined
    /** The address from which it was asked, also when the connection is gone. */
    askedFrom: string
  }
}
