import { STATUS_CODES } from './node-http.ts'

export const PROBLEM_TYPE = 'application/problem+json'

/** The parts of an error that a client gets. */
export interface Problem {
  readonly status: number
  /** What is wrong with this request, in words. */
  readonly detail: string
  /** The path of the request. */
  readonly instance?: string
  /** The parameter that is wrong. */
  readonly parameter?: string | undefined
  /** That a key needs for this (status 403). */
  readonly scope?: string | undefined
}

/** A problem document (RFC 9457). Its type is `about:blank`: no page would say more than status and detail do. */
export function problemDocument({ status, detail, instance, parameter, scope }: Problem): string {
  return JSON.stringify({
    type: 'about:blank',
    title: STATUS_CODES[status],
    status,
    detail,
    instance,
    parameter,
    scope,
  })
}
