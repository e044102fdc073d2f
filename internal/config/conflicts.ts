import { hasDuty, type Role } from './role.ts'
import type { Settings } from './settings.ts'

/** Settings that are fine by themselves but not together, or not in this role, each with what to do. */
export function conflicts(role: Role, settings: Settings): string[] {
  const { admin, api, broker, ingest, store } = settings
  const found: string[] = []
  const embeds = hasDuty(role, 'embed')
  if (!embeds && broker.kind === 'memory') {
    found.push(
      `broker.kind memory serves one process, and ${role.name} alone would hear nobody: run "sentinel up", or set pubsub or streams`,
    )
  }
  if (!embeds && hasDuty(role, 'ingest', 'serve') && store.kind === 'duckdb') {
    found.push(
      `store.kind duckdb serves one process, its file is locked: run "sentinel up", or set influx for ${role.name} alone`,
    )
  }
  if (hasDuty(role, 'serve') && admin.port === api.port && admin.port !== 0 && admin.host === api.host) {
    found.push(`admin.port and api.port are both ${api.port}: set another for one of them`)
  }
  if (ingest.flushMinMs > ingest.flushMaxMs) {
    found.push(`ingest.flushMinMs (${ingest.flushMinMs}) must not be above ingest.flushMaxMs (${ingest.flushMaxMs})`)
  }
  const beyond = broker.consumes.find((partition) => partition >= broker.partitions)
  if (beyond !== undefined) {
    found.push(`broker.consumes names partition ${beyond}, but there are ${broker.partitions}, counted from 0`)
  }
  return found
}
