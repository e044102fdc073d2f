import { type HostFigures, NO_FIGURES } from '../live/live-host.ts'
import type { LiveTable } from '../live/live-table.ts'
import type { Clock } from '../observe/clock.ts'
import type { LogThrottle } from '../observe/log-throttle.ts'
import type { Api } from './app-types.ts'
import { logStoreFault } from './errors.ts'
import type { KnownHosts } from './known-hosts.ts'
import { type HostsAnswer, HostsSchema, problems } from './schemas.ts'

export interface HostsOptions {
  readonly table: LiveTable
  readonly known: KnownHosts
  readonly clock: Clock
  readonly staleAfterMs: () => number
  readonly faults: LogThrottle
}

type HostAnswer = HostsAnswer['hosts'][number]

const naturally = new Intl.Collator('en', { numeric: true })

/** `GET /hosts`: who is there, and how they are. While the store is away the live ones are told. */
export function hostsRoutes(app: Api, options: HostsOptions): void {
  const { table, known, clock, staleAfterMs, faults } = options

  app.get(
    '/hosts',
    {
      schema: {
        operationId: 'listHosts',
        summary: 'All hosts of the last seven days, with their latest figures',
        tags: ['hosts'],
        response: { 200: HostsSchema, ...problems(414, 429, 500) },
      },
    },
    async (): Promise<HostsAnswer> => {
      const stored = await known.get()
      if (stored.failure !== undefined) logStoreFault(faults, stored.failure)
      const now = clock.now()
      const hosts: HostAnswer[] = []
      for (const host of table.hosts()) {
        const lastSeenAt = Math.max(host.lastSeenAt, stored.hosts.get(host.name)?.lastSeenAt ?? 0)
        hosts.push(hostAnswer(host.name, lastSeenAt, host.figures()))
      }
      for (const { host, lastSeenAt } of stored.hosts.values()) {
        if (table.host(host) === undefined) hosts.push(hostAnswer(host, lastSeenAt, NO_FIGURES))
      }
      hosts.sort((a, b) => naturally.compare(a.host, b.host))
      return { now, partial: stored.failure !== undefined, hosts }

      function hostAnswer(host: string, lastSeenAt: number, figures: HostFigures): HostAnswer {
        const ageMs = Math.max(0, Math.round((now - lastSeenAt) / 1000))
        return { host, lastSeenAt, ageMs, stale: ageMs > staleAfterMs(), ...figures }
      }
    },
  )
}
