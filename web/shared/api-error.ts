import { retryAfterMs } from './request.ts'

/**
 * How the API answers: `locked` means that it asks for a key, or for one that may more; `limited` that it is asked more often than it allows;
 * `away` that it answers with errors or not at all.
 */
export type ApiState = 'ok' | 'away' | 'locked' | 'limited'

/** How long after an error the API is asked again where it does not say it, ms. */
const RETRY_MS: Readonly<Record<Exclude<ApiState, 'ok'>, number>> = { away: 1000, locked: 10_000, limited: 5000 }

/** The API refused, with its problem document (RFC 9457), or did not answer at all (status 0). */
export class ApiError extends Error {
  readonly status: number
  readonly detail: string
  /** The parameter of the question that is wrong; empty where none is. */
  readonly parameter: string
  /** The scope that the key lacks (403); empty where it lacks none. */
  readonly scope: string
  /** When the API may be asked again, ms. */
  readonly retryMs: number

  constructor(
    status: number,
    detail: string,
    options: ErrorOptions & { parameter?: string; scope?: string; retryMs?: number | undefined } = {},
  ) {
    super(`${status === 0 ? 'no answer' : status}: ${detail}`, options)
    this.name = 'ApiError'
    this.status = status
    this.detail = detail
    this.parameter = options.parameter ?? ''
    this.scope = options.scope ?? ''
    this.retryMs = options.retryMs ?? RETRY_MS[this.state]
  }

  get state(): Exclude<ApiState, 'ok'> {
    if (this.status === 401 || this.scope !== '') return 'locked'
    return this.status === 429 ? 'limited' : 'away'
  }
}

/** Why the API refuses, by the problem document of its answer. */
export async function refusalOf(response: Response): Promise<ApiError> {
  const problem = await response.json().catch(() => ({}))
  const detail = String(problem.detail ?? problem.title ?? response.statusText)
  const [parameter, scope] = [String(problem.parameter ?? ''), String(problem.scope ?? '')]
  return new ApiError(response.status, detail, { parameter, scope, retryMs: retryAfterMs(response) })
}
