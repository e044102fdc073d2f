import type { WhoAmI } from '../shared/api.ts'
import type { ApiError } from '../shared/api-error.ts'
import { countdownText, dayText, timeText } from '../shared/times.ts'

/** The page reads, and changes nothing. */
const NEEDED = 'read'

/** Why the page asks for a key that it had not, or has no longer. */
export function whyText(error: ApiError | undefined, hadKey: boolean): string {
  if (error?.status === 403) return `The key may not do this: ${error.detail}. Log in with another one, or ask for it.`
  if (hadKey) return 'The key is not taken any more: it has ended, or was revoked. Log in with another one.'
  return 'This server answers to those who have a key.'
}

/** Why a key is not used; undefined where it is. */
export function refusalText({ name, scopes }: WhoAmI): string | undefined {
  if (name === null)
    return 'The server did not look at the key. Something between it and this page takes the header X-API-Key away.'
  if (scopes.includes(NEEDED)) return undefined
  return `The key ${name} has the scope ${listText(scopes)}. This page reads: it needs a key with the scope ${NEEDED}.`
}

/** Why the server did not say whose key it is. */
export function failureText(error: ApiError): string {
  if (error.status === 401) return 'This key is not taken: it is wrong, has ended, or was revoked.'
  if (error.status === 429)
    return `Too many attempts came from this address. Try again in ${countdownText(error.retryMs)}.`
  if (error.status === 0) return 'The API does not answer. Is it running? Try again.'
  return `The API answers with an error (${error.status}): ${error.detail}. Try again.`
}

/** `grafana · read, write`. */
export function whoText({ name, scopes }: WhoAmI): string {
  return `${name} · ${listText(scopes)}`
}

/** `Key grafana may read. It ends 12 Dec 18:00.` */
export function whoSentence({ name, scopes, endsAt }: WhoAmI): string {
  const end = endsAt === null ? '' : ` It ends ${dayText(endsAt / 1000)} ${timeText(endsAt / 1000, false)}.`
  return `Key ${name} may ${listText(scopes)}.${end}`
}

function listText(scopes: readonly string[]): string {
  return scopes.length === 0 ? 'nothing' : scopes.join(', ')
}
