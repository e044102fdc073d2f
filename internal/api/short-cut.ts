import type { IncomingMessage, RequestListener, Server } from 'node:http'
import { isLoopback } from './loopback.ts'
import { HOSTS_TYPE, type HostsAnswers } from './routes/hosts.ts'
import { securityHeaders } from './security-headers.ts'

const HOSTS_URL = '/api/v1/hosts'

/**
 * Answers `GET /api/v1/hosts` before the router where the answer is made already, with the bytes that the route would send: routing,
 * hooks and reply of fastify are felt in so short an answer (docs/decisions/0010 has the figures). Only to this machine, the one address
 * whose requests are not counted, and not while the server closes; all else goes the usual way.
 */
export function shortCut(server: Server, hosts: HostsAnswers): void {
  const [usualWay] = server.listeners('request') as RequestListener[]
  const headers = { ...securityHeaders(HOSTS_URL), 'content-type': HOSTS_TYPE, 'content-length': 0 }
  let ofThisTurn: string | undefined

  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    const body = isForHosts(request) && server.listening ? answerOfThisTurn() : undefined
    if (body === undefined) {
      usualWay!(request, response)
      return
    }
    headers['content-length'] = Buffer.byteLength(body)
    response.writeHead(200, headers)
    response.end(body)
  })

  /** All who are read in one turn of the event loop get one answer, and the clock is looked at once. */
  function answerOfThisTurn(): string | undefined {
    if (ofThisTurn !== undefined) return ofThisTurn
    try {
      ofThisTurn = hosts.atOnce()
    } catch {
      // The usual way fails too, answers with it, and logs it; here it would end the process.
      return undefined
    }
    setImmediate(() => {
      ofThisTurn = undefined
    })
    return ofThisTurn
  }
}

function isForHosts({ url, method, socket }: IncomingMessage): boolean {
  return url === HOSTS_URL && method === 'GET' && isLoopback(socket.remoteAddress ?? '')
}
