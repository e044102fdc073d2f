// Constant headers for browsers. Helmet builds the same ones anew for each request, which took 40 of the 88 µs of a
// short answer. Where a proxy ends TLS, only the proxy knows whether its host is TLS only.

/** For data: no browser guesses its type, shows it as a page, or lets another site read it. Each header costs time. */
export const DATA_HEADERS = {
  // Values are old within a second, and a refusal ends with its cause. Files of the page set their own.
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none';frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
} as const

/** For data that is the same for a while: a client may keep it, and asks each time whether it still holds. */
export const KEPT_HEADERS = { ...DATA_HEADERS, 'cache-control': 'no-cache' } as const

/** For everything else: only our own scripts run, and no other page frames ours. */
const PAGE_HEADERS = {
  ...DATA_HEADERS,
  'content-security-policy': [
    "default-src 'self'",
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join(';'),
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
} as const

/**
 * For browsers that came over TLS: they use it for this host from now on. It holds for all ports of the name, so for a day alone,
 * and each answer renews it.
 */
const HSTS = { 'strict-transport-security': 'max-age=86400' } as const
const NONE = {} as const

/**
 * Further headers of an answer over TLS. @param host of the request. `localhost` gets none: it is the name of every other program
 * of the machine too, which would be out of reach for a day
 */
export function transportHeaders(host: string | undefined): Readonly<Record<string, string>> {
  return host === undefined || /^(?:[\w-]+\.)*localhost(?::\d*)?$/i.test(host) ? NONE : HSTS
}

/** @param url of the request, its path first */
export function securityHeaders(url: string): Readonly<Record<string, string>> {
  if (url.startsWith('/api/')) return DATA_HEADERS
  return url.startsWith('/telemetry/') ? KEPT_HEADERS : PAGE_HEADERS
}
