import { type Static, Type } from '@sinclair/typebox'
import type { App } from '../../http/app-types.ts'
import { problems, type ReadyAnswer, ReadySchema } from '../schemas.ts'

export interface HealthOptions {
  /** What keeps the process from its work, in words; empty when it is ready. */
  ready(): readonly string[]
  /** Prometheus' text format. */
  metrics(): Promise<string>
}

const HealthSchema = Type.Object({
  name: Type.String(),
  message: Type.String(),
  status: Type.Literal('pass'),
  checks: Type.Array(Type.Unknown()),
})
const HEALTHY: Static<typeof HealthSchema> = {
  name: 'sentinelstream',
  message: 'ready for writes',
  status: 'pass',
  checks: [],
}

/**
 * `/health`, `/ready` and `/metrics`, for operators. They take any parameter: probes add one against caches, and a scrape
 * configuration may have its own.
 */
export function addHealthRoutes(app: App, options: HealthOptions): void {
  app.get(
    '/health',
    {
      schema: {
        operationId: 'health',
        summary: 'Whether the process is alive',
        tags: ['process'],
        response: {
          200: {
            description: 'The text `OK`; to who asks for JSON, what clients of InfluxDB look for.',
            content: { 'text/plain': { schema: Type.String() }, 'application/json': { schema: HealthSchema } },
          },
          ...problems(),
        },
      },
    },
    (request, reply): void => {
      if (request.headers.accept?.includes('application/json') === true) reply.send(HEALTHY)
      else reply.type('text/plain; charset=utf-8').send('OK')
    },
  )

  app.get(
    '/ready',
    {
      schema: {
        operationId: 'ready',
        summary: 'Whether the process can do its work, and if not, why',
        tags: ['process'],
        response: { 200: ReadySchema, 503: { ...ReadySchema, description: 'Not ready.' }, ...problems() },
      },
    },
    async (_request, reply): Promise<ReadyAnswer> => {
      const reasons = [...options.ready()]
      const ready = reasons.length === 0
      reply.code(ready ? 200 : 503)
      return { ready, reasons }
    },
  )

  app.get(
    '/metrics',
    {
      schema: {
        operationId: 'metrics',
        summary: 'Counters of the process for Prometheus',
        tags: ['process'],
        response: {
          200: { description: 'Prometheus text format 0.0.4.', content: { 'text/plain': { schema: Type.String() } } },
          ...problems(500),
        },
      },
    },
    async (_request, reply) => {
      reply.type('text/plain; version=0.0.4; charset=utf-8')
      return options.metrics()
    },
  )
}
