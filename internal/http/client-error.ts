import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { STATUS_CODES } from './node-http.ts'
import { PROBLEM_TYPE, type Problem, problemDocument } from './problem.ts'

/** By the code that Node.js gives the error. */
const PROBLEMS: Readonly<Record<string, Problem>> = {
  HPE_HEADER_OVERFLOW: { status: 431, detail: 'the headers, or the URL, are too long' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, detail: 'the request did not arrive in time' },
}
const NO_REQUEST: Problem = { status: 400, detail: 'this is not an HTTP request' }

/** In seconds, how long the check for late requests may take to notice one: Node.js' own 30 s would make 10 s up to 40 s. */
export const CONNECTIONS_CHECKING_INTERVAL_MS = 1_000

/**
 * For a server's event `clientError`: the bytes are not a request. There is no response object for them, so the answer
 * is written to the socket.
 */
export function answerClientError(error: { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  socket.end(problemResponse(PROBLEMS[error.code ?? ''] ?? NO_REQUEST))
}

/** Answers a request that expects what no server of ours does. Node.js alone would answer without our headers. */
export function refuseExpectations(server: Server): void {
  server.on('checkExpectation', ({ headers }: IncomingMessage, response: ServerResponse) => {
    const detail = `there is no ${JSON.stringify(headers.expect)} to expect`
    response.socket?.end(problemResponse({ status: 417, detail }))
  })
}

/** A whole answer, as the bytes of a connection that ends with it. */
export function problemResponse(problem: Problem, headers: Readonly<Record<string, string>> = {}): string {
  const body = problemDocument(problem)
  const lines = Object.entries({
    ...{ Connection: 'close', 'Content-Type': PROBLEM_TYPE, 'Content-Length': `${Buffer.byteLength(body)}` },
    ...{ 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' },
    ...headers,
  }).map(([name, value]) => `${name}: ${value}`)
  return [`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`, ...lines, '', body].join('\r\n')
}
