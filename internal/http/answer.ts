import type { HttpError } from './errors.ts'
import { PROBLEM_TYPE, problemDocument } from './problem.ts'

/** An answer of the admin listener. */
export interface Answer {
  readonly status: number
  readonly type: string
  /** Left out in the answer to a HEAD, where making the body would take a while. */
  readonly body?: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
}

/** What a route knows of a GET or a HEAD. */
export interface Asked {
  readonly isHead: boolean
  /** The header `host`, such as `127.0.0.1:6060`. The client may have written anything. */
  readonly host: string
  readonly query: URLSearchParams
  /** Aborted when the client has gone away, or the process stops. */
  readonly signal: AbortSignal
}

/** @throws HttpError for every answer but success */
export type Route = (asked: Asked) => Answer | Promise<Answer>

export const JSON_TYPE = 'application/json; charset=utf-8'

export function json(status: number, value: object): Answer {
  return { status, type: JSON_TYPE, body: `${JSON.stringify(value)}\n` }
}

/** @param path of the request */
export function refusal(error: HttpError, path: string): Answer {
  const { status, detail, parameter, scope } = error
  return {
    status,
    type: PROBLEM_TYPE,
    body: problemDocument({ status, detail, instance: path, parameter, scope }),
    headers: error.headers(),
  }
}
