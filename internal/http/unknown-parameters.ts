import type { App } from './app-types.ts'

const NONE = { type: 'object', properties: {}, additionalProperties: false } as const

/**
 * Makes the routes of a scope refuse parameters that they do not list, also those that list none: a misspelt one would
 * be ignored, and the answer would look right. It applies to routes that are added after this call.
 */
export function refuseUnknownParameters(scope: App): void {
  scope.addHook('onRoute', (route) => {
    route.schema = { querystring: NONE, ...route.schema }
  })
}
