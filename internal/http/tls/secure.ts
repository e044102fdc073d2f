import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { TlsOptions, TLSSocket } from 'node:tls'
import type { LogThrottle } from '../../observe/log-throttle.ts'
import type { TlsMaterial } from '../../tls/material.ts'
import type { WatchedTls } from '../../tls/watched.ts'
import { problemResponse } from '../client-error.ts'
import type { Refusals } from '../doorkeeper.ts'
import { type Http2Limits, Http2Sessions } from './http2.ts'

export interface SecureOptions {
  /** Where it has a `ca`, clients must show a certificate of that authority. */
  readonly tls: WatchedTls
  readonly refusals: Refusals
  readonly faults: LogThrottle
  /** How long a client may take until its connection is encrypted, ms. */
  readonly handshakeTimeoutMs: number
  /** Answers requests of HTTP/2; without it the server speaks HTTP/1.1 alone. */
  readonly http2?: Http2Limits & { answer(request: IncomingMessage, response: ServerResponse): void }
}

/** What a server has open beside the connections that it knows of. */
export interface Secured {
  /** Ends what nothing is asked over, and lets the rest finish. */
  close(): void
  destroy(): void
}

/** The first byte of a connection with TLS: a record of a handshake. */
const HANDSHAKE = 0x16
/** A refused client has this long to read why, ms. */
const FAREWELL_MS = 1_000
const PLAIN =
  'this port speaks TLS alone: use https:// here; what was sent, a key too, went over the network unencrypted'
const NO_CERTIFICATE = 'this port wants a certificate of its clients, signed by the authority of its settings'

/**
 * Puts TLS below a server of HTTP, which sees decrypted connections as if they were its own: so its limits, its time limits and
 * its fast lane hold for them too. HTTP/2, where the client offers it, has connections of its own. Plain HTTP is told to use TLS.
 *
 * @param server it does not listen yet, and its connections are not limited yet: limits count from the first byte on
 */
export function secure(server: Server, options: SecureOptions): Secured {
  const { tls, refusals, faults, handshakeTimeoutMs, http2 } = options
  const { createServer } = process.getBuiltinModule('node:tls')
  const sessions = http2 === undefined ? undefined : new Http2Sessions(http2, http2.answer)
  const waiting = new Set<Socket>()
  // The listener of Node.js attaches the parser of HTTP/1.1.
  const admit = server.listeners('connection') as Array<(socket: Socket) => void>
  server.removeAllListeners('connection')

  const layer = createServer({
    ...contextOf(tls.material),
    ALPNProtocols: sessions === undefined ? ['http/1.1'] : ['h2', 'http/1.1'],
    handshakeTimeout: handshakeTimeoutMs,
    requestCert: tls.material.ca !== undefined,
    // Refused by `secureConnection`, in words: Node.js would only reset the connection.
    rejectUnauthorized: false,
  })
  tls.onChange((material) => layer.setSecureContext(contextOf(material)))
  layer.on('secureConnection', (socket) => {
    const isHttp2 = socket.alpnProtocol === 'h2'
    if (tls.material.ca !== undefined && !hasShownCertificate(socket)) {
      refusals.certificate++
      const address = socket.remoteAddress ?? ''
      faults.warn(
        'client certificate',
        { address, cause: socket.authorizationError },
        `a connection was refused: ${NO_CERTIFICATE}`,
      )
      if (isHttp2) sessions!.open(socket, { status: 403, detail: NO_CERTIFICATE })
      else refuse(socket, 403, NO_CERTIFICATE)
    } else if (isHttp2) sessions!.open(socket)
    else for (const listener of admit) listener.call(server, socket)
  })
  layer.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    socket.destroy()
    // A probe of TCP that says nothing, or a client that went away.
    if (error.code === 'ECONNRESET') return
    refusals.tls++
    faults.warn(
      `tls ${error.code}`,
      { address: socket.remoteAddress, err: error },
      'a connection could not be encrypted',
    )
  })

  server.on('connection', (socket: Socket) => {
    waiting.add(socket)
    socket.once('close', () => waiting.delete(socket))
    const ignore = (): void => {}
    socket.on('error', ignore)
    const late = setTimeout(() => socket.destroy(), handshakeTimeoutMs).unref()
    const look = (): void => {
      const first = socket.read(1) as Buffer | null
      if (first === null) return
      socket.off('readable', look)
      clearTimeout(late)
      if (first[0] !== HANDSHAKE) {
        refusals.plain++
        refuse(socket, 400, PLAIN)
        return
      }
      socket.unshift(first)
      socket.off('error', ignore)
      layer.emit('connection', socket)
    }
    socket.on('readable', look)
    socket.once('end', () => socket.destroy())
  })

  return {
    close() {
      sessions?.close()
    },
    destroy() {
      sessions?.destroy()
      for (const socket of waiting) socket.destroy()
    },
  }
}

/**
 * Whether the client has one that an authority of ours has signed. `authorized` alone is true of a client without any that comes
 * back with a ticket of a connection of TLS 1.3 that was refused.
 */
function hasShownCertificate(socket: TLSSocket): boolean {
  return socket.authorized && socket.getPeerX509Certificate() !== undefined
}

function contextOf({ cert, key, ca }: TlsMaterial): TlsOptions {
  const common = { ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) }
  if (ca === undefined) return common
  const { SSL_OP_NO_TICKET } = process.getBuiltinModule('node:crypto').constants
  // A ticket would let clients of an authority in that has been taken out since.
  return { ...common, ca, secureOptions: SSL_OP_NO_TICKET }
}

function refuse(socket: Socket, status: number, detail: string): void {
  socket.on('error', () => {})
  // Unread bytes would make the kernel reset the connection, and the client could miss the answer.
  socket.resume()
  socket.end(problemResponse({ status, detail }))
  setTimeout(() => socket.destroy(), FAREWELL_MS).unref()
}
