import type { FastifyReply } from 'fastify'
import { JSON_TYPE } from '../../http/answer.ts'
import type { App } from '../../http/app-types.ts'
import type { LogThrottle } from '../../observe/log-throttle.ts'
import type { Clock } from '../../time/clock.ts'
import { NO_FIGURES } from '../../view/hosts/figures.ts'
import type { HostsView } from '../../view/hosts/hosts-view.ts'
import type { HostsOfStore, KnownHosts } from '../../view/hosts/known-hosts.ts'
import { type HostsAnswer, HostsSchema, problems } from '../schemas.ts'
import { logStoreFault } from '../store-errors.ts'

export interface HostsOptions {
  readonly view: HostsView
  readonly known: KnownHosts
  readonly clock: Clock
  readonly storeIsAway: () => boolean
  readonly faults: LogThrottle
}

type HostAnswer = HostsAnswer['hosts'][number]

/** The newest answer, and what it was made of. */
interface Made {
  readonly now: number
  readonly generation: number
  readonly stored: HostsOfStore
  readonly body: string
}

/**
 * How long one answer serves all clients while nothing changes, µs. The answer says when it was made, and clients ask
 * again after a hundred times as long.
 */
const SHARED_US = 10_000

const naturally = new Intl.Collator('en', { numeric: true })

/**
 * `GET /hosts`: all hosts with their figures. While the store is away, those that it reported last and the live ones.
 */
export function addHostsRoute(app: App, options: HostsOptions): void {
  const answers = new HostsAnswers(options)
  app.get(
    '/hosts',
    {
      schema: {
        operationId: 'listHosts',
        summary: 'All hosts of the last seven days, with their latest figures',
        tags: ['hosts'],
        response: { 200: HostsSchema, ...problems(421, 429, 500) },
      },
    },
    async (_request, reply: FastifyReply) => reply.type(JSON_TYPE).send(await answers.get()),
  )
}

/** Makes the answers of `GET /hosts`, as JSON. */
class HostsAnswers {
  readonly #options: HostsOptions
  #newest: Made | undefined

  constructor(options: HostsOptions) {
    this.#options = options
  }

  async get(): Promise<string> {
    const { known, clock } = this.#options
    const stored = await known.get()
    return this.#bodyOf(stored, clock.now())
  }

  #bodyOf(stored: HostsOfStore, now: number): string {
    const { view, faults } = this.#options
    if (stored.failure !== undefined) logStoreFault(faults, stored.failure)
    const { generation } = view
    const newest = this.#newest
    if (newest?.generation === generation && newest.stored === stored && Math.abs(now - newest.now) < SHARED_US)
      return newest.body
    const body = JSON.stringify(this.#answerOf(stored, now))
    this.#newest = { now, generation, stored, body }
    return body
  }

  #answerOf(stored: HostsOfStore, now: number): HostsAnswer {
    const { view, storeIsAway } = this.#options
    const hosts: HostAnswer[] = []
    for (const host of view.watched()) {
      const { name, stale, clockOffsetMs } = host
      const ageMs = Math.round(host.ageMs)
      hosts.push({ host: name, lastSeenAt: now - ageMs * 1000, ageMs, stale, clockOffsetMs, ...host.figures() })
    }
    for (const { host, lastSeenAt: newestAt } of stored.hosts.values()) {
      if (view.host(host) !== undefined) continue
      // Nothing of it arrived here. Its newest sample may have a time in the future, where a clock was wrong.
      const lastSeenAt = Math.min(newestAt, now)
      const ageMs = Math.round((now - lastSeenAt) / 1000)
      hosts.push({ host, lastSeenAt, ageMs, stale: true, clockOffsetMs: null, ...NO_FIGURES })
    }
    hosts.sort((a, b) => naturally.compare(a.host, b.host))
    return { now, partial: !stored.complete || storeIsAway(), hosts }
  }
}
