import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'

export const PROBLEM_TYPE = 'application/problem+json'

/** What a client is told of an error: never more than it can use. */
export interface Problem {
  readonly status: number
  /** What is wrong with this request, in words. */
  readonly detail: string
  /** The path that was asked for. */
  readonly instance?: string
  /** The parameter that is wrong. */
  readonly parameter?: string | undefined
}

/**
 * A problem document of RFC 9457. Its type is `about:blank`: the status says what kind of problem it is, and there is no page to look it
 * up that would say more than the detail does.
 */
export function problemDocument({ status, detail, instance, parameter }: Problem): string {
  return JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status, detail, instance, parameter })
}

/** What Node.js calls it when there is no request to answer, for `answerClientError`. */
const CLIENT_ERRORS: Readonly<Record<string, Problem>> = {
  HPE_HEADER_OVERFLOW: { status: 431, detail: 'the headers, or the URL, are too long' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, detail: 'the request did not arrive in time' },
}
const NO_REQUEST: Problem = { status: 400, detail: 'this is no HTTP request' }

/** For a server's `clientError`: answers bytes that are no request, straight on the socket, for there is no response to write to. */
export function answerClientError(error: { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const problem = CLIENT_ERRORS[error.code ?? ''] ?? NO_REQUEST
  const body = problemDocument(problem)
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    'Connection: close',
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}
