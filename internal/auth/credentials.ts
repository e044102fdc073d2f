import type { IncomingHttpHeaders } from 'node:http'

/** A key that came with a request, or the token of a role. Nothing of the URL is looked at. */
export interface Credential {
  readonly kind: 'key' | 'service'
  readonly secret: string
}

export const SERVICE_HEADER = 'x-service-token'

/**
 * What a request shows, in this order: `X-Service-Token`, `X-API-Key`, `Authorization: Bearer`.
 *
 * @param ofWriters whether `Authorization: Token` and `Basic` count too, as clients of InfluxDB send them: the key is the
 *   password, the user is anybody
 */
export function credentialOf(headers: IncomingHttpHeaders, ofWriters: boolean): Credential | undefined {
  const token = headers[SERVICE_HEADER]
  if (token !== undefined) return { kind: 'service', secret: String(token) }
  const key = headers['x-api-key'] ?? keyIn(headers.authorization, ofWriters)
  return key === undefined ? undefined : { kind: 'key', secret: String(key) }
}

function keyIn(authorization: string | undefined, ofWriters: boolean): string | undefined {
  const [, scheme = '', value = ''] = /^([\w-]+) +(\S+) *$/.exec(authorization ?? '') ?? []
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return value
    case 'token':
      return ofWriters ? value : undefined
    case 'basic':
      return ofWriters ? passwordIn(value) : undefined
    default:
      return undefined
  }
}

function passwordIn(encoded: string): string | undefined {
  const pair = Buffer.from(encoded, 'base64').toString()
  const colon = pair.indexOf(':')
  return colon < 0 ? undefined : pair.slice(colon + 1)
}
