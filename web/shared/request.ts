/** Asks the API. @throws what `fetch` throws */
export function request(
  path: string,
  init: Omit<RequestInit, 'headers'> & { readonly headers?: Readonly<Record<string, string>> },
): Promise<Response> {
  return fetch(path, { ...init, cache: 'no-store' })
}

/** When the server wants to be asked again, ms; undefined where it does not say. */
export function retryAfterMs({ headers }: Response): number | undefined {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined
}
