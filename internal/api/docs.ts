import fastifySwagger from '@fastify/swagger'
import fastifySwaggerUi from '@fastify/swagger-ui'
import type { App } from '../http/app-types.ts'
import { ProblemSchema, SamplesSchema } from './schemas.ts'

/** Swagger UI takes icons from data: URLs and sets styles on elements. Its page has no inline script. */
const DOCS_CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** OpenAPI 3.1 at `/docs/json`, for people at `/docs`. It lists the routes that are added after it. */
export async function addDocs(app: App, version: string): Promise<void> {
  app.addSchema(ProblemSchema)
  app.addSchema(SamplesSchema)
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'SentinelStream',
        version,
        description:
          'What hosts do now, and what they did. All times are integer microseconds since the Unix epoch, UTC. Every ' +
          'error is a problem document (RFC 9457).',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      tags: [
        { name: 'hosts', description: 'Hosts and their history' },
        { name: 'fabric', description: 'Switches and their ports' },
        { name: 'pipeline', description: 'Servers, agents and what became of the samples' },
        { name: 'queue', description: 'What waits, and who reads it' },
        { name: 'intake', description: 'Samples of other senders' },
        { name: 'live', description: 'Changes as they happen' },
        { name: 'process', description: 'For operators' },
      ],
    },
    refResolver: {
      buildLocalReference: (json, _baseUri, _fragment, i) => (typeof json.$id === 'string' ? json.$id : `def-${i}`),
    },
  })
  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    staticCSP: DOCS_CSP,
    theme: { title: 'SentinelStream API' },
  })
}
