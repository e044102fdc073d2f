import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { credentialOf } from '../auth/credentials.ts'
import { Failures } from '../auth/failures.ts'
import type { Identity, Scope } from '../auth/identity.ts'
import type { KeyRing } from '../auth/key-ring.ts'
import { LogThrottle } from '../observe/log-throttle.ts'
import type { App } from './app-types.ts'
import { hasBody } from './body.ts'
import { clientOf, isFromHere } from './connection-limit.ts'
import type { Refusals } from './doorkeeper.ts'
import { endConnection } from './end-connection.ts'
import { FailuresError, HttpError, KeyError, LocalOnlyError, ScopeError } from './errors.ts'
import { type Needs, needsOf, type OpenPart, partOf } from './needs.ts'

export interface GuardOptions {
  readonly keys: KeyRing
  /** What is open to everybody. Asked at each request. */
  readonly open: () => readonly OpenPart[]
  /** The part that all routes belong to which belong to no other. */
  readonly part?: OpenPart
  /** What the token that the roles share opens here. */
  readonly serviceScopes: readonly Scope[]
  /** Whether such a token alone makes a key necessary. */
  readonly tokenLocks?: boolean
  readonly refusals: Refusals
  /** Where the lines go that say who did what. */
  readonly logger: Logger
}

/** A line for each key, route and answer a minute at most: a sender may write a thousand times a second. */
const AUDIT_EVERY_MS = 60_000
const MOST_AUDIT_LINES = 1_000

/** Decides for each request whether its key lets it pass. The doorkeeper comes before it. */
export class Guard {
  readonly #options: GuardOptions
  readonly #failures = new Failures()
  readonly #audit: LogThrottle

  constructor(options: GuardOptions) {
    this.#options = options
    this.#audit = new LogThrottle(options.logger, { everyMs: AUDIT_EVERY_MS, maxKeys: MOST_AUDIT_LINES })
  }

  get keys(): KeyRing {
    return this.#options.keys
  }

  get part(): OpenPart | undefined {
    return this.#options.part
  }

  /** Whether a key is asked for. Without any key, this machine alone is answered. */
  get isOn(): boolean {
    const { keys, tokenLocks = false } = this.#options
    return keys.isConfigured || (tokenLocks && keys.hasServiceToken)
  }

  isOpen(part: OpenPart | undefined): boolean {
    return part !== undefined && this.#options.open().includes(part)
  }

  /**
   * Lets a plain GET pass that needs the scope `read`. Counts nothing: where it does not pass, it comes again.
   *
   * @returns the id of its key, or '' where it needs none; undefined where it does not pass
   */
  pass(request: IncomingMessage, part: OpenPart | undefined): string | undefined {
    if (this.isOpen(part)) return ''
    if (!this.isOn) return isFromHere(request, request.socket.remoteAddress ?? '') ? '' : undefined
    const identity = this.#identityOf(request, 'read')
    return identity !== undefined && this.#scopesOf(identity).includes('read') ? identity.id : undefined
  }

  /**
   * Whether a request may be answered.
   *
   * @param address of the client
   * @returns who asks; undefined where nobody has to say it
   * @throws HttpError why not, after a while where the address has failed often
   */
  async check(request: IncomingMessage, address: string, needs: Needs, part?: OpenPart): Promise<Identity | undefined> {
    let checked = this.judge(request, address, needs, part)
    if (checked instanceof KeyError && credentialOf(request.headers, true) !== undefined) {
      // A key that was made a moment ago may not have been read yet.
      await this.keys.refresh()
      checked = this.judge(request, address, needs, part)
    }
    if (!(checked instanceof HttpError)) return checked
    const { refusals } = this.#options
    if (checked instanceof ScopeError) {
      refusals.scope++
      throw checked
    }
    refusals.key++
    // A machine has many addresses of IPv6, and may use another one for each attempt.
    const client = clientOf(address)
    const { delayMs, isRefused } = this.#failures.count(client)
    if (isRefused) throw new FailuresError(address)
    if (delayMs > 0) {
      await sleep(delayMs, undefined, { ref: false })
      this.#failures.answered(client)
    }
    throw checked
  }

  /** The same at once, where it counts and delays nothing. */
  judge(request: IncomingMessage, address: string, needs: Needs, part?: OpenPart): Identity | HttpError | undefined {
    if (needs === 'public' || this.isOpen(part)) return undefined
    if (!this.isOn) return isFromHere(request, address) ? undefined : new LocalOnlyError(address)
    const credential = credentialOf(request.headers, needs === 'write')
    if (credential === undefined) return needs === 'anyone' ? undefined : new KeyError(address)
    const identity = this.#identityOf(request, needs)
    if (identity === undefined) return new KeyError(address)
    if (needs === 'anyone') return identity
    const scopes = this.#scopesOf(identity)
    return scopes.includes(needs) ? identity : new ScopeError(needs, scopes, identity.name)
  }

  /** Says who did what, where it is a write or the work of an administrator. */
  audit(
    identity: Identity,
    scope: Scope,
    done: { method: string; route: string; status: number; address: string },
  ): void {
    const { name: key, kind } = identity
    const fields = { audit: true, key, kind, scope, ...done }
    const line = `${identity.id} ${done.method} ${done.route} ${done.status} ${done.address}`
    this.#audit.info(line, fields, 'audit: who did what')
  }

  close(): void {
    this.#audit.flush()
  }

  #scopesOf({ kind, scopes }: Identity): readonly Scope[] {
    return kind === 'service' ? this.#options.serviceScopes : scopes
  }

  #identityOf({ headers }: IncomingMessage, needs: Needs): Identity | undefined {
    const credential = credentialOf(headers, needs === 'write')
    if (credential === undefined) return undefined
    const { kind, secret } = credential
    return kind === 'service' ? this.keys.identifyService(secret) : this.keys.identify(secret)
  }
}

/** Asks each request to the routes of a scope, and of those inside it, for what its route needs. */
export function guardRoutes(scope: App, guard: Guard): void {
  const streams = new Set<{ readonly identity: Identity; readonly reply: FastifyReply }>()
  scope.decorateRequest('identity')
  scope.decorateRequest('askedFrom', '')
  scope.addHook('onRoute', (route) => {
    const needs = route.config?.needs ?? needsOf(route)
    const opens = route.config?.opens ?? partOf(route) ?? guard.part
    route.config = { ...route.config, needs, ...(opens === undefined ? {} : { opens }) }
    if (needs === 'write' || needs === 'admin') {
      route.onResponse = [...[route.onResponse ?? []].flat(), auditHook(guard, needs)]
    }
  })
  scope.addHook('onRequest', (request, reply, done) => {
    const { needs = 'public', opens, streams: isStream } = request.routeOptions.config
    // Once it is answered its connection may be gone, and nothing else knows the address.
    const address = request.ip
    request.askedFrom = address
    const checked = guard.judge(request.raw, address, needs, opens)
    if (!(checked instanceof HttpError)) {
      request.identity = checked
      if (isStream === true && checked !== undefined) follow(checked, reply)
      done()
      return
    }
    guard.check(request.raw, address, needs, opens).then(
      (identity) => {
        request.identity = identity
        if (isStream === true && identity !== undefined) follow(identity, reply)
        done()
      },
      (error: Error) => {
        // Nobody has read the body, so no other request can follow it.
        if (hasBody(request.raw)) endConnection(request, reply)
        done(error)
      },
    )
  })
  const undo = guard.keys.onChange(endStreams)
  const timer = setInterval(endStreams, 1_000).unref()
  scope.addHook('onClose', async () => {
    undo()
    clearInterval(timer)
    guard.close()
  })

  function follow(identity: Identity, reply: FastifyReply): void {
    const stream = { identity, reply }
    streams.add(stream)
    reply.raw.once('close', () => streams.delete(stream))
  }

  function endStreams(): void {
    for (const { identity, reply } of streams) if (!guard.keys.isGood(identity)) reply.raw.destroy()
  }
}

function auditHook(guard: Guard, scope: Scope) {
  return (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const { identity, askedFrom: address, method } = request
    const route = request.routeOptions.url ?? ''
    if (identity !== undefined) guard.audit(identity, scope, { method, route, status: reply.statusCode, address })
    done()
  }
}
