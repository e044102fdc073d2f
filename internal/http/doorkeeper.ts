import type { IncomingMessage } from 'node:http'
import { HostCheck, type HostRules } from './asked-host.ts'
import { type HttpError, OtherPageError, UnknownHostError } from './errors.ts'
import { isFromOtherPage, isWrite } from './other-sites.ts'

/** What was refused because of who asked, since the start, by reason. All listeners of a process share one. */
export class Refusals {
  /** Requests for a name that is not ours. */
  host = 0
  /** Requests that a page of another origin made. */
  page = 0
  /** Requests without a key, or with a wrong one. */
  key = 0
  /** Requests whose key does not allow what they ask for. */
  scope = 0
  /** Connections of an address that had too many, or beyond those of the whole listener. */
  connections = 0
  /** Requests of a client that had made as many as it may. */
  rate = 0
  /** Connections without TLS to a port that speaks TLS alone. */
  plain = 0
  /** Connections that could not be encrypted. */
  tls = 0
  /** Connections without a certificate of the client, where one is wanted. */
  certificate = 0
}

export interface DoorkeeperOptions extends HostRules {
  /** Whether pages of other origins are refused reads too, and not only writes. */
  readonly refusesReadsOfOtherPages: boolean
  readonly refusals: Refusals
}

/** Decides for each request whether its sender may ask at all. Any route comes after it. */
export class Doorkeeper {
  readonly #options: DoorkeeperOptions
  readonly #hosts: HostCheck

  constructor(options: DoorkeeperOptions) {
    this.#options = options
    this.#hosts = new HostCheck(options)
  }

  /**
   * @param path of the route; undefined when there is none
   * @returns why the request is refused; undefined when it may be answered
   */
  refusal(request: IncomingMessage, path: () => string | undefined): HttpError | undefined {
    const { refusesReadsOfOtherPages, refusals } = this.#options
    const refusal = this.#hosts.refusal(request, path)
    if (refusal instanceof UnknownHostError) refusals.host++
    if (refusal !== undefined) return refusal
    if (!refusesReadsOfOtherPages && !isWrite(request.method)) return undefined
    if (!isFromOtherPage(request.headers)) return undefined
    refusals.page++
    return new OtherPageError()
  }

  /** Whether a GET is not refused. Counts nothing: where it is, it comes again. */
  passes(request: IncomingMessage): boolean {
    return !this.#options.refusesReadsOfOtherPages && this.#hosts.refusal(request, () => undefined) === undefined
  }
}
