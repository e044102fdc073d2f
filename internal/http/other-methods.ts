import type { FastifyRequest } from 'fastify'
import { pathOf } from './answer-errors.ts'
import type { App } from './app-types.ts'
import { MethodError } from './errors.ts'

/** Any other method is answered with 404. */
const REFUSED = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** A path that has routes. */
interface Routed {
  /** Where the first of them was added: its hooks, such as a rate limit, apply to the refusals too. */
  readonly scope: App
  /** The path inside the scope. */
  readonly url: string
  readonly methods: Set<string>
}

/**
 * Answers 405 where a path has routes but none for the method of the request, and names the methods that it has in
 * `allow`. It collects the routes that are added after this call, so a new route needs nothing. The body is not read.
 *
 * In a folder of files (`/assets/*`) only the folder itself is such a path. Only the route of the folder knows which
 * files exist, so another method at a file is answered with 404.
 *
 * @returns the plugin that adds the refusals, to be registered after the last route
 */
export function refuseOtherMethods(app: App): () => Promise<void> {
  const paths = new Map<string, Routed>()
  app.addHook('onRoute', function (this: App, route) {
    const [path, url] = [route.url, route.routePath].map((text) => text.replace(FILES, '/')) as [string, string]
    if (path.includes('*')) return
    // `/files` and the folder `/files/` are one path.
    const key = path.replace(/(.)\/$/, '$1')
    const routed = paths.get(key) ?? { scope: this, url, methods: new Set() }
    paths.set(key, routed)
    for (const method of [route.method].flat()) routed.methods.add(method)
  })
  return async () => {
    for (const routed of [...paths.values()]) addRefusal(routed)
  }
}

const FILES = /\/\*$/

function addRefusal({ scope, url, methods }: Routed): void {
  const allowed = [...methods].sort()
  // The scope of the path answers errors in its own way.
  const refuse = async (request: FastifyRequest): Promise<never> => {
    throw new MethodError(request.method, pathOf(request.url), allowed)
  }
  const method = REFUSED.filter((name) => !methods.has(name))
  scope.route({ method, url, config: { needs: 'public' }, schema: { hide: true }, onRequest: refuse, handler: refuse })
}
