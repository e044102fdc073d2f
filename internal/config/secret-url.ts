/** The parameters of a URL whose values no log line may show. */
const SECRET_PARAMETER = /token|passw|pwd|secret|key|credential|signature|^(p|auth|sig)$/i
/** A @, also percent-encoded, once or more. */
const AT = /@|%(?:25)*40/gi

/**
 * A URL for people: without password, token, and values of parameters. It takes any text that a user may write for a
 * URL, as the password may be the reason why it is none.
 *
 * @param isUrl whether the text was accepted as a URL
 */
export function showUrl(written: string, isUrl: boolean): string {
  const [, scheme = ''] = /^\s*((?:https?:|rediss?:|[a-z][a-z+]{1,9}:(?=\/\/))[\\/]*)/i.exec(written) ?? []
  const lastAt = [...written.matchAll(AT)].at(-1)
  const url = isUrl ? new URL(written) : undefined
  const hidesLater = url !== undefined && new RegExp(AT).test(url.pathname + url.search + url.hash)
  if (url === undefined || hidesLater) {
    if (lastAt === undefined) return `${scheme}${plainPlace(written.slice(scheme.length).trim())}`
    // After a ? or # the @ may be part of a token, so what follows it may be too.
    const isInQuery = /[?#]/.test(written.slice(0, lastAt.index))
    return `${scheme}***${isInQuery ? '' : `@${plainPlace(written.slice(lastAt.index + lastAt[0].length).trim())}`}`
  }
  const { username, password, search, hash } = url
  if (`${username}${password}${search}${hash}` === '') return written
  // A user without a password is a token, and so is one that looks like no name.
  const user = password !== '' && /^[\w.-]{1,32}$/.test(username) ? `${username}:***@` : '***@'
  const path = url.pathname === '/' && !/\/(?:[?#]|$)/.test(written.slice(scheme.length)) ? '' : url.pathname
  // A token may contain & and =, so not even the names of the parameters are shown.
  return `${url.protocol}//${username + password === '' ? '' : user}${url.host}${path}${search + hash === '' ? '' : '?***'}`
}

/** Where a URL may begin in a text: `http://`, or any scheme before a user and a password. */
const URL_IN_TEXT = /(?<![a-z])[a-z][a-z+]{1,9}:(?:[\\/]{2}|\S*(?:@|%(?:25)*40))/i

/** The value of a setting that is no URL, for people: a URL that was written there by mistake has no secret in it. */
export function showText(written: string): string {
  const at = written.search(URL_IN_TEXT)
  if (at < 0 || !/[@?#]|%(?:25)*40/.test(written.slice(at))) return written
  return written.slice(0, at) + showUrl(written.slice(at), false)
}

/** What of a URL no other output may show: its password or token, as written, decoded, and as HTTP sends it. */
export function secretsInUrl(written: string): string[] {
  const url = new URL(written)
  const secrets = new Set<string>()
  const add = (text: string): void => void secrets.add(text).add(decoded(text))
  add(url.password === '' ? url.username : url.password)
  if (url.password !== '') secrets.add(basicCredentials(decoded(url.username), decoded(url.password)))
  for (const [name, value] of url.searchParams) if (SECRET_PARAMETER.test(name)) add(value)
  // The parser may have taken a part of the password for something else, where it has a / or a @.
  const [, , rawPassword] = /^\s*\w+:[\\/]*([^:@]*):(.*)@/s.exec(written) ?? []
  if (rawPassword !== undefined) add(rawPassword)
  secrets.delete('')
  return [...secrets]
}

/** What follows `Basic ` in the header `Authorization`. */
export function basicCredentials(user: string, password: string): string {
  return Buffer.from(`${user}:${password}`).toString('base64')
}

/** As much of a text as is surely a host, a port and a path. */
function plainPlace(text: string): string {
  const [place = ''] = /^(?:(?:[\w.-]+|\[[\da-f:.]*\])(?::\d{1,5}(?!\w))?(?:\/[\w./-]*)?)?/i.exec(text) ?? []
  return place === text ? text : `${place}***`
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
