import type { RouteOptions } from 'fastify'
import type { Scope } from '../auth/identity.ts'

/**
 * What a route asks of who asks: a key with a scope; `anyone` lets requests without a key pass, and refuses wrong ones;
 * `public` looks at none.
 */
export type Needs = Scope | 'anyone' | 'public'

/** Parts that an operator may open to everybody (`auth.public`). */
export const OPEN_PARTS = ['metrics', 'debug', 'telemetry', 'queue'] as const
export type OpenPart = (typeof OPEN_PARTS)[number]

/** The page, which asks for the key, and what says how to use the API. */
const PUBLIC_PATHS: readonly string[] = ['/', '/*', '/health', '/ready', '/ping']
const PUBLIC_FOLDERS = /^\/(docs|swagger|assets)(\/|$)/

type Route = Pick<RouteOptions, 'method' | 'url'>

/** What a route needs that does not say it: a read needs `read`, everything else `write`. */
export function needsOf({ method, url }: Route): Needs {
  if (PUBLIC_PATHS.includes(url) || PUBLIC_FOLDERS.test(url)) return 'public'
  const methods = [method].flat()
  if (methods.includes('OPTIONS')) return 'public'
  return methods.every((name) => name === 'GET' || name === 'HEAD') ? 'read' : 'write'
}

/** Values of fabrics may be open to whoever reads; what is pushed never is. */
export function partOf({ method, url }: Route): OpenPart | undefined {
  if (url === '/metrics') return 'metrics'
  const isRead = [method].flat().every((name) => name === 'GET' || name === 'HEAD')
  return isRead && url.startsWith('/telemetry/') ? 'telemetry' : undefined
}
