import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { hasBody } from './body.ts'
import type { AddressLimit } from './rate-limit.ts'

/** An answer of status 200 that is there already. */
export interface ReadyAnswer {
  /** Names and values in turns, without those that every answer has. */
  readonly headers: readonly string[]
  readonly body: string | Buffer
}

/** @param search of the URL, without `?`. @returns undefined where the route has to answer */
export type Ready = (search: string, request: IncomingMessage) => ReadyAnswer | undefined

export interface FastLaneOptions {
  /** By path. */
  readonly ready: ReadonlyMap<string, Ready>
  readonly limit: AddressLimit
}

export interface FastLaneRules extends FastLaneOptions {
  /** Whether the sender may ask at all. */
  readonly passes: (request: IncomingMessage) => boolean
  /** Those that every answer of these paths has, as `ReadyAnswer.headers`. */
  readonly headers: readonly string[]
  readonly trustProxy: boolean
}

/** What makes another answer of it than a plain 200. */
const CONDITIONS = ['if-none-match', 'if-match', 'if-modified-since', 'range', 'upgrade'] as const

/**
 * Lets plain GETs past the router, hooks and replies of fastify, where their answers are ready. They are checked and
 * counted as on the usual way, and get the same bytes. Whatever is not plain, or not good, goes the usual way, which
 * knows all the words. What it gains is in docs/benchmarks.md (`npm run speed -- --rows get-metric`): a request still takes
 * 60 µs of CPU, where a fastify that answers a constant takes 37.
 *
 * @param server it does not listen yet
 */
export function openFastLane(server: Server, rules: FastLaneRules): void {
  const usual = server.listeners('request') as Array<(request: IncomingMessage, response: ServerResponse) => void>
  server.removeAllListeners('request')
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const answer = request.method === 'GET' ? readyAnswer(request, rules) : undefined
    if (answer === undefined) for (const listener of usual) listener.call(server, request, response)
    else response.writeHead(200, [...rules.headers, ...answer.headers]).end(answer.body)
  })
}

function readyAnswer(request: IncomingMessage, rules: FastLaneRules): ReadyAnswer | undefined {
  const url = request.url!
  const pathEnd = url.indexOf('?')
  const ready = rules.ready.get(pathEnd < 0 ? url : url.slice(0, pathEnd))
  if (ready === undefined) return undefined
  const { headers } = request
  if (hasBody(request) || CONDITIONS.some((name) => headers[name] !== undefined) || !rules.passes(request))
    return undefined
  const client = clientOf(request, rules.trustProxy)
  if (client === undefined) return undefined
  const answer = ready(pathEnd < 0 ? '' : url.slice(pathEnd + 1), request)
  // One that is refused here is counted twice, which changes nothing: its window is full.
  return answer !== undefined && rules.limit.refusal(client) === undefined ? answer : undefined
}

/** The address of the client; undefined where a proxy says more than that. */
function clientOf({ headers, socket }: IncomingMessage, trustProxy: boolean): string | undefined {
  const forwarded = trustProxy ? headers['x-forwarded-for'] : undefined
  if (forwarded === undefined) return socket.remoteAddress
  return /^[\da-f.:]+$/i.test(String(forwarded)) ? String(forwarded) : undefined
}
