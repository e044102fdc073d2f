import fastifySwagger from '@fastify/swagger'
import fastifySwaggerUi from '@fastify/swagger-ui'
import type { FastifySchema } from 'fastify'
import type { App } from '../http/app-types.ts'
import type { Needs } from '../http/needs.ts'
import { ProblemSchema, problems, SamplesSchema } from './schemas.ts'

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
          'error is a problem document (RFC 9457). Where there are keys, a request needs one, in a header: what is needed ' +
          'stands at each path. A key in a URL is not read.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: {
        securitySchemes: {
          apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
          bearer: { type: 'http', scheme: 'bearer' },
          basic: { type: 'http', scheme: 'basic', description: 'For writes: the key is the password.' },
          serviceToken: { type: 'apiKey', in: 'header', name: 'X-Service-Token', description: 'Of our own roles.' },
        },
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
    transform: ({ schema, url, route }) => ({ url, schema: withKeys(schema ?? {}, route.config?.needs) }),
    refResolver: {
      buildLocalReference: (json, _baseUri, _fragment, i) => (typeof json.$id === 'string' ? json.$id : `def-${i}`),
    },
  })
  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    staticCSP: DOCS_CSP,
    theme: { title: 'SentinelStream API' },
  })
  // Where other programs have the same page.
  for (const path of ['/swagger', '/swagger/*'])
    app.get(path, { schema: { hide: true } }, (_request, reply) => reply.redirect('/docs'))
}

/** The answers to a request without its key, and the ways to send one. */
function withKeys(schema: FastifySchema, needs: Needs | undefined): FastifySchema {
  if (needs === undefined || needs === 'public' || needs === 'anyone') return schema
  const response = schema.response as Readonly<Record<number, object>> | undefined
  // Some paths answer in another form too: in that in which they refuse what they cannot read.
  const inWords = ({ description }: { readonly description: string }): object => ({ ...response?.[400], description })
  const ways = ['apiKey', 'bearer', ...(needs === 'write' ? ['basic', 'serviceToken'] : [])]
  const { 401: missing, 403: forbidden } = problems(401, 403) as Readonly<Record<number, { description: string }>>
  return {
    ...schema,
    security: ways.map((way) => ({ [way]: [needs] })),
    response: { ...response, 401: inWords(missing!), 403: inWords(forbidden!) },
  }
}
