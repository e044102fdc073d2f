import type { Scope } from '../auth/identity.ts'
import type { LogThrottle } from '../observe/log-throttle.ts'
import { errorText } from '../text/error-text.ts'
import type { Problem } from './problem.ts'

export interface HttpErrorOptions extends ErrorOptions {
  readonly parameter?: string
  /** That a key needs for it. */
  readonly scope?: Scope
  readonly retryAfterSeconds?: number
}

/** An error that carries its answer: its message is the detail of the problem document that the client gets. */
export class HttpError extends Error implements Problem {
  readonly status: number
  readonly parameter: string | undefined
  readonly scope: Scope | undefined
  /** When another try may succeed. */
  readonly retryAfterSeconds: number | undefined

  constructor(status: number, detail: string, options: HttpErrorOptions = {}) {
    super(detail, options)
    this.name = new.target.name
    this.status = status
    this.parameter = options.parameter
    this.scope = options.scope
    this.retryAfterSeconds = options.retryAfterSeconds
  }

  get detail(): string {
    return this.message
  }

  /** The headers of this error alone, beside those of every answer. */
  headers(): Readonly<Record<string, string>> {
    return this.retryAfterSeconds === undefined ? {} : { 'retry-after': `${this.retryAfterSeconds}` }
  }

  /** Logs the error for the operator. A mistake of the client is not logged. */
  log(_faults: LogThrottle, _path: string): void {}
}

/** The request has a parameter that cannot be used. The detail says which rule it breaks. */
export class ParameterError extends HttpError {
  constructor(parameter: string, detail: string) {
    super(400, detail, { parameter })
  }
}

export class NotFoundError extends HttpError {
  constructor(detail: string) {
    super(404, detail)
  }
}

/** No route has this path. */
export class UnknownPathError extends NotFoundError {
  constructor(path: string) {
    super(`there is nothing at ${path}`)
  }
}

/** The path has routes, but none for this method. */
export class MethodError extends HttpError {
  readonly #allow: string

  /** @param allowed the methods that the path has routes for */
  constructor(method: string, path: string, allowed: readonly string[]) {
    super(405, `${path} does not allow ${method}`)
    this.#allow = allowed.join(', ')
  }

  override headers(): Readonly<Record<string, string>> {
    return { allow: this.#allow }
  }
}

/** The request has a body, and nothing reads it. */
export class BodyError extends HttpError {
  constructor() {
    super(413, 'this resource takes no body')
  }
}

export class StoppingError extends HttpError {
  constructor() {
    super(503, 'the process is stopping', { retryAfterSeconds: 1 })
  }
}

export class UrlTooLongError extends HttpError {
  constructor(maxLength: number) {
    super(414, `the URL is longer than ${maxLength} characters`)
  }
}

/** The request asks for a name that this process does not answer to. */
export class UnknownHostError extends HttpError {
  readonly #host: string

  /** @param setting that allows the name */
  constructor(host: string, setting: string) {
    const shown = host.length > 100 ? `${host.slice(0, 100)}…` : host
    super(421, `this process does not answer as ${JSON.stringify(shown)}; to allow that name, add it to ${setting}`)
    this.#host = shown
  }

  override log(faults: LogThrottle, path: string): void {
    faults.warn(this.name, { host: this.#host, path }, `a request was refused: ${this.detail}`)
  }
}

/** A page of another origin made the request, without the user's doing. */
export class OtherPageError extends HttpError {
  constructor() {
    super(403, 'a page of another site must not ask this; open the address by itself')
  }

  override log(faults: LogThrottle, path: string): void {
    faults.warn(this.name, { path }, 'a request was refused: a page of another site made it')
  }
}

/**
 * A key is missing, unknown, at its end or revoked: the answer says none of these, so that nobody learns which keys there
 * were.
 */
export class KeyError extends HttpError {
  readonly #address: string

  constructor(
    address: string,
    detail = 'a key is missing or wrong: send it in the header X-API-Key, or as Bearer in Authorization; a key in the URL is not read',
  ) {
    super(401, detail)
    this.#address = address
  }

  override headers(): Readonly<Record<string, string>> {
    // Never `Basic`: a browser would ask for a user and a password in a window of its own.
    return { 'www-authenticate': 'Bearer realm="SentinelStream"' }
  }

  override log(faults: LogThrottle, path: string): void {
    faults.warn(this.name, { address: this.#address, path }, `a request was refused: ${this.detail}`)
  }
}

/** There is no key at all, and the client is not of this machine. */
export class LocalOnlyError extends KeyError {
  constructor(address: string) {
    super(
      address,
      'there are no keys yet, so this process answers its own machine alone: "sentinel keys create" makes one',
    )
  }
}

/** The key is good, and does not allow this. */
export class ScopeError extends HttpError {
  readonly #key: string

  /** @param key its name */
  constructor(scope: Scope, has: readonly Scope[], key: string) {
    super(403, `this needs a key with the scope ${scope}; this one has ${has.join(', ') || 'none'}`, { scope })
    this.#key = key
  }

  override log(faults: LogThrottle, path: string): void {
    faults.warn(`${this.name} ${this.#key}`, { key: this.#key, path }, `a request was refused: ${this.detail}`)
  }
}

/** So many wrong keys came from an address that their answers have no room to wait. */
export class FailuresError extends HttpError {
  readonly #address: string

  constructor(address: string) {
    super(429, 'too many wrong keys came from this address', { retryAfterSeconds: 2 })
    this.#address = address
  }

  override log(faults: LogThrottle, path: string): void {
    faults.warn(this.name, { address: this.#address, path }, `a request was refused: ${this.detail}`)
  }
}

/** The process runs as many requests as it allows. There may be room in a second. */
export class OverloadError extends HttpError {
  constructor(detail: string) {
    super(503, detail, { retryAfterSeconds: 1 })
  }

  override log(faults: LogThrottle, path: string): void {
    faults.warn(this.name, { err: this, path }, 'a request was refused: the process has no room for it')
  }
}

/** One address has as much open, or asks as often, as it may. */
export class AddressLimitError extends HttpError {
  readonly #address: string
  readonly #setting: string

  /** @param setting that allows more */
  constructor(address: string, detail: string, setting: string, retryAfterSeconds = 1) {
    super(429, detail, { retryAfterSeconds })
    this.#address = address
    this.#setting = setting
  }

  override log(faults: LogThrottle, path: string): void {
    const fields = { address: this.#address, path }
    faults.warn(
      `${this.name} ${this.#setting}`,
      fields,
      `a request was refused: ${this.detail}; ${this.#setting} allows more`,
    )
  }
}

/** A fault of this program. Only the log has the details. */
export class InternalError extends HttpError {
  constructor(cause: unknown) {
    super(500, 'the server failed; its log says why', { cause })
  }

  override log(faults: LogThrottle, path: string): void {
    faults.error(errorText(this.cause).slice(0, 80), { err: this.cause, path }, 'a request failed')
  }
}
