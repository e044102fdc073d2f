import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { HttpError, UnknownHostError } from './errors.ts'

/** What probes and Prometheus ask for: they use names of services, and learn nothing that a page could misuse. */
const PROBED: readonly string[] = ['/health', '/ready', '/metrics']

function isProbed(path: string | undefined): boolean {
  return path !== undefined && PROBED.includes(path)
}

export interface HostRules {
  /** Names beside those of loopback, in lower case. Asked at each request, so a reload may change them. */
  readonly hosts: () => readonly string[]
  /** Where the process listens. It may be a name. */
  readonly listensOn?: string
  /** The setting to name in a refusal: `--api-hosts or SENTINEL_API_HOSTS`. */
  readonly setting: string
  /** Whether `X-Forwarded-Host` says what the client asked for. Only behind a proxy that sets it. */
  readonly trustProxy?: boolean
}

/**
 * Refuses requests for a name that is not this process's own. A page of any site can make its name resolve to 127.0.0.1
 * (DNS rebinding), and the browser then lets that page read every answer. It still sends the page's name in `Host`,
 * which no script can change. An address in `Host` is safe: rebinding needs a name.
 */
export class HostCheck {
  readonly #rules: HostRules
  /** The newest `Host` that passed, and the names that it was compared with: most requests repeat it. */
  #passed: string | undefined
  #names: readonly string[] = []

  constructor(rules: HostRules) {
    this.#rules = rules
  }

  /**
   * @param path of the route; undefined when there is none
   * @returns why the request is refused; undefined when it may be answered
   */
  refusal(request: IncomingMessage, path: () => string | undefined): HttpError | undefined {
    const { headers, httpVersion, url = '' } = request
    // RFC 9112, 3.2: 400 for every request without a `Host`, or with two. HTTP/1.0 has none, and a probe may use it.
    const { host } = headers
    const isMissing = host === undefined && (httpVersion !== '1.0' || !isProbed(path()))
    if (isMissing || countOfHosts(request) > 1) return new HttpError(400, 'a request needs one header Host')
    const names = this.#rules.hosts()
    if (names !== this.#names) this.#passed = undefined
    this.#names = names
    const forwarded = this.#rules.trustProxy === true ? headers['x-forwarded-host'] : undefined
    const asked = (forwarded === undefined ? '' : String(forwarded).trim()) || host || ''
    // `GET http://name/path`: a client of a proxy writes the name there, and it counts before `Host`.
    const inTarget = url.startsWith('/') ? undefined : /^\w+:\/\/([^/?#]*)/.exec(url)?.[1]
    if (inTarget === undefined && asked === this.#passed) return undefined
    const { listensOn } = this.#rules
    const known = listensOn === undefined ? names : [...names, listensOn.toLowerCase()]
    const written = forwarded === undefined ? [asked] : namesOf(asked)
    const stranger = [...written, inTarget ?? written[0]!].find((authority) => !isKnown(authority, known))
    if (stranger === undefined) this.#passed = asked
    else if (!isProbed(path())) return new UnknownHostError(stranger, this.#rules.setting)
    return undefined
  }
}

/** `name`, `name:8080`, `1.2.3.4:8080`, `[::1]:8080`, `[fe80::1%eth0]`. */
function isKnown(authority: string, names: readonly string[]): boolean {
  const [, inBrackets, plain = ''] =
    /^(?:\[([\da-f:.]+)(?:%[\w.~-]*)?\]|([^:[\]]+))(?::\d{0,5})?$/i.exec(authority) ?? []
  if (inBrackets !== undefined) return isIP(inBrackets) === 6
  const name = plain.toLowerCase().replace(/\.$/, '')
  if (name === '') return false
  return name === 'localhost' || name.endsWith('.localhost') || isIP(name) === 4 || names.includes(name)
}

/** Node.js keeps only the first `Host` in `headers`. */
function countOfHosts({ rawHeaders }: IncomingMessage): number {
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    if (name.length === 4 && name.toLowerCase() === 'host') count++
  }
  return count
}

/**
 * The names of `X-Forwarded-Host`. Some proxies add theirs to what the client sent, before or behind it, so that every
 * one of them has to be known.
 */
function namesOf(header: string): string[] {
  return header.split(',').map((name) => name.trim())
}
