/** The header by which the API gets the key. Never the URL: proxies log it, and a link would carry it away. */
const KEY_HEADER = 'x-api-key'

let key: string | undefined

/** From now on every request carries this key; undefined for none. */
export function setKey(next: string | undefined): void {
  key = next
}

/** Asks the API, with the key of this page. @throws what `fetch` throws */
export function request(
  path: string,
  init: Omit<RequestInit, 'headers'> & { readonly headers?: Readonly<Record<string, string>> },
): Promise<Response> {
  const headers = { ...init.headers, ...(key === undefined ? {} : { [KEY_HEADER]: key }) }
  return fetch(path, { ...init, headers, cache: 'no-store' })
}

/** When the server wants to be asked again, ms; undefined where it does not say. */
export function retryAfterMs({ headers }: Response): number | undefined {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined
}
