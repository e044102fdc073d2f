import fastifyRateLimit from '@fastify/rate-limit'
import type { App } from './app-types.ts'
import { clientOf, isLoopback } from './connection-limit.ts'
import { AddressLimitError } from './errors.ts'

const SETTING = '--api-requests-per-minute or SENTINEL_API_REQUESTS_PER_MINUTE'

/**
 * Limits the requests that one address may make to the routes of this scope; one more is answered with 429. Loopback is
 * not counted: local users run the dashboards, and could overload the machine in other ways.
 *
 * @param perMinute a function is asked at each request
 */
export async function limitByAddress(scope: App, perMinute: number | (() => number)): Promise<void> {
  await scope.register(fastifyRateLimit, {
    global: false,
    max: perMinute,
    timeWindow: '1 minute',
    keyGenerator: ({ ip }) => clientOf(ip),
    errorResponseBuilder: ({ ip }, { max, ttl }) =>
      new AddressLimitError(
        ip,
        `this address may ask ${max} times a minute`,
        SETTING,
        Math.max(1, Math.ceil(ttl / 1000)),
      ),
  })
  // The type of the plugin allows only fastify's own logger.
  const limit = scope.rateLimit().bind(scope) as (request: object, reply: object) => Promise<unknown>
  scope.addHook('onRequest', (request, reply, done) => {
    if (isLoopback(request.ip)) done()
    else limit(request, reply).then(() => done(), done)
  })
}
