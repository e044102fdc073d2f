import type { IncomingHttpHeaders } from 'node:http'

/**
 * Whether a page of another origin made the request, as far as the browser says so. A page of another port is another
 * origin too, although browsers call it `same-site`: any program of this machine may serve it. Programs that are no
 * browser send none of these headers.
 */
export function isFromOtherPage(headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  // Browsers say where a request comes from only to HTTPS and loopback. With POST and fetch they always send the origin.
  const { origin, host } = headers
  return origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host?.toLowerCase())
}

/** Whether a request of this method may change something. OPTIONS asks only whether another origin may ask. */
export function isWrite(method: string | undefined): boolean {
  return method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS'
}
