import type { IncomingMessage, Server } from 'node:http'
import { isIPv6, type Socket } from 'node:net'
import type { LogThrottle } from '../observe/log-throttle.ts'
import { problemResponse } from './client-error.ts'
import type { Refusals } from './doorkeeper.ts'

export interface ConnectionLimits {
  /** Connections of all addresses. */
  readonly total: () => number
  /** Connections of one address. Undefined where all clients share the address of a proxy. */
  readonly perAddress: () => number | undefined
  /** The setting of `perAddress`, for the log. Undefined where it has none. */
  readonly setting?: string
}

/** A refused client has this long to read why, ms. */
const FAREWELL_MS = 1_000

/**
 * Limits the connections of a server, in all and by address. One more gets 503 with the reason, before any request, and
 * is closed; over TLS it is closed without a word. Loopback counts only for the total: a proxy on this machine brings all its clients from there.
 *
 * @param server it does not listen yet
 */
export function limitConnections(
  server: Server,
  limits: ConnectionLimits,
  { refusals, faults, tls }: { readonly refusals: Refusals; readonly faults: LogThrottle; readonly tls?: unknown },
): void {
  const counts = new AddressCounts()
  const advice = limits.setting === undefined ? '' : `; ${limits.setting} allows more of one address`
  let all = 0
  // The listener of Node.js attaches the parser. A refused connection must not get that far.
  const admit = server.listeners('connection') as Array<(socket: Socket) => void>
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    const refusal = refusalOf(address)
    if (refusal !== undefined) {
      refusals.connections++
      faults.warn('connections', { address }, `a connection was refused: ${refusal}${advice}`)
      // Words would need the handshake, which is what a refusal is to spare.
      if (tls === undefined) refuse(socket, refusal)
      else socket.destroy()
      return
    }
    all++
    const leave = counts.enter(address)
    socket.once('close', () => {
      all--
      leave()
    })
    for (const listener of admit) listener.call(server, socket)
  })

  function refusalOf(address: string): string | undefined {
    if (all >= limits.total()) return `${all} connections are open already`
    const most = isLoopback(address) ? undefined : limits.perAddress()
    const open = counts.of(address)
    return most !== undefined && open >= most ? `this address has ${open} connections open already` : undefined
  }
}

function refuse(socket: Socket, detail: string): void {
  socket.on('error', () => {})
  // Unread bytes would make the kernel reset the connection, and the client could miss the answer.
  socket.resume()
  socket.end(problemResponse({ status: 503, detail }, { 'Retry-After': '1' }))
  setTimeout(() => socket.destroy(), FAREWELL_MS).unref()
}

/** How many things each client has open. */
export class AddressCounts {
  readonly #counts = new Map<string, number>()

  of(address: string): number {
    return this.#counts.get(clientOf(address)) ?? 0
  }

  /** @returns its undo, to be called once */
  enter(address: string): () => void {
    const client = clientOf(address)
    this.#counts.set(client, this.of(address) + 1)
    return () => {
      const left = this.of(address) - 1
      if (left > 0) this.#counts.set(client, left)
      else this.#counts.delete(client)
    }
  }
}

/**
 * What counts as one client: an IPv4 address, or the first 64 bits of an IPv6 address, because a machine has all
 * addresses below them and may use each. A proxy may write a port behind it, another one for each connection.
 */
export function clientOf(address: string): string {
  const plain = withoutZone(withoutPort(address))
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain) ?? []
  if (mapped !== undefined) return mapped
  if (!isIPv6(plain)) return plain
  const [head = '', tail] = plain.split('::')
  const [before, after] = [head, tail ?? ''].map((part) => part.split(':').filter((group) => group !== '')) as [
    string[],
    string[],
  ]
  // An IPv4 address at the end takes the place of two groups, and none of the first four.
  const afterLength = after.length + (tail?.includes('.') ? 1 : 0)
  const zeros = tail === undefined ? 0 : 8 - before.length - afterLength
  const groups = [...before, ...Array<string>(Math.max(0, zeros)).fill('0'), ...after]
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}

/** Whether the address of a socket is loopback. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || address.toLowerCase().startsWith('::ffff:127.')
}

/**
 * Whether a request comes from this machine, and not through a proxy of it, which asks for others. What it says of them may be made up: then
 * it harms who made it up.
 */
export function isFromHere({ headers }: IncomingMessage, address: string): boolean {
  return isLoopback(address) && FORWARDED.every((name) => headers[name] === undefined)
}

/** What proxies add, by their own choice or because they were told to. */
const FORWARDED = ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via']

/** `1.2.3.4:5678` and `[::1]:5678`. */
function withoutPort(address: string): string {
  return /^(?:\[([^\]]*)\]|([\d.]+))(?::\d+)?$/.exec(address)?.slice(1).join('') ?? address
}

function withoutZone(address: string): string {
  return address.split('%', 1)[0]!
}
