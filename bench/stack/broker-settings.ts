import type { LoadBroker } from '../load/load.ts'

const TOPIC = 'telemetry'
/** The defaults of the roles. */
const MAX_LENGTH = 250_000

/** The broker of a stack. */
export function brokerOf(kind: LoadBroker['kind']): LoadBroker {
  return { kind, topic: TOPIC, partitions: kind === 'streams' ? 4 : 1, maxLength: MAX_LENGTH }
}

/** The same as the settings of a server. */
export function brokerVariables({ kind, topic, partitions, maxLength }: LoadBroker): Record<string, string> {
  return {
    SENTINEL_BROKER_KIND: kind,
    SENTINEL_BROKER_TOPIC: topic,
    SENTINEL_BROKER_PARTITIONS: `${partitions}`,
    SENTINEL_BROKER_MAX_LENGTH: `${maxLength}`,
  }
}
