import { hostname } from 'node:os'
import type { ScrapeTarget } from '../../internal/config/scrape-targets.ts'
import type { Settings } from '../../internal/config/settings.ts'
import { Address } from '../../internal/source/address.ts'
import type { TargetTags } from '../../internal/source/scrape/destination.ts'
import { Target } from '../../internal/source/target.ts'
import { distinctNames } from './distinct-names.ts'

/** What Prometheus asks for. A target that has OpenMetrics alone gives that. */
const ACCEPTS_METRICS = 'text/plain;version=0.0.4, */*;q=0.1'
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/

/** A target of the settings, ready to be asked. */
export interface OpenScrapeTarget {
  /** The same where all that the settings say of it is the same. */
  readonly key: string
  readonly target: Target
  readonly tags: TargetTags
  readonly intervalMs: number
}

/** The targets that the settings name, in their order. */
export function openScrapeTargets({ scrape, agent }: Pick<Settings, 'scrape' | 'agent'>): OpenScrapeTarget[] {
  const urls = distinctNames(scrape.targets.map(({ url }) => url))
  return scrape.targets.map((settings, i) => {
    const { intervalMs = scrape.intervalMs, name, host, fabric } = settings
    const timeoutMs = settings.timeoutMs ?? Math.min(scrape.timeoutMs, intervalMs)
    const limits = { intervalMs, timeoutMs, maxBodyBytes: scrape.maxBodyBytes, maxBodySetting: 'scrape.maxBodyBytes' }
    const place = new Address({
      ...{ url: settings.url, gzip: scrape.gzip, accept: ACCEPTS_METRICS, isConditional: false },
      headers: { 'x-prometheus-scrape-timeout-seconds': `${timeoutMs / 1000}` },
      credentials: settings,
      serverName: settings.serverName,
    })
    const tags = { url: urls[i]!, target: name, host: host ?? hostOf(settings, agent.host), fabric }
    return {
      key: JSON.stringify([settings, limits, tags, scrape.gzip]),
      target: new Target({ name: name ?? urls[i]!, place, ...limits }),
      ...{ tags, intervalMs },
    }
  })
}

/** The host of the address; of one of this machine, what the agent calls it. */
function hostOf({ url }: ScrapeTarget, own: string): string {
  const { hostname: host } = new URL(url)
  return LOOPBACK.test(host) || host === hostname() ? own : host.replace(/^\[|\]$/g, '')
}
