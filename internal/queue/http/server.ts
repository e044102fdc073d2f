import type { Logger } from 'pino'
import { createApp } from '../../http/app.ts'
import type { App } from '../../http/app-types.ts'
import type { Refusals } from '../../http/doorkeeper.ts'
import type { Guard } from '../../http/guard.ts'
import type { LogThrottle } from '../../observe/log-throttle.ts'
import type { WatchedTls } from '../../tls/watched.ts'
import type { Gateway } from '../gateway.ts'
import { addAckRoute } from './ack.ts'
import { answerOfQueue } from './answers.ts'
import { ConsumeStreams } from './consume.ts'
import { addProduceRoute } from './produce.ts'
import { addStateRoutes } from './state.ts'

export interface QueueServerOptions {
  readonly gateway: Gateway
  /** How many partitions a topic may have. */
  readonly maxPartitions: number
  readonly maxBodyBytes: number
  /** Consumers that may be connected. Asked at each. */
  readonly maxConsumers: () => number
  readonly maxConnectionsPerAddress: () => number
  /** What keeps the process from its work, in words; empty when it is ready. */
  ready(): readonly string[]
  /** Prometheus' text format. */
  metrics(): Promise<string>
  /** Names that it answers to, beside those of loopback. Asked at each request. */
  readonly hosts: () => readonly string[]
  /** Where it listens. */
  readonly listensOn: string
  readonly refusals: Refusals
  /** With it the gateway speaks TLS alone. */
  readonly tls?: WatchedTls | undefined
  /** Asks for keys; without it every request passes. */
  readonly guard?: Guard
  readonly logger: Logger
  readonly faults: LogThrottle
}

/** Connections beside those of consumers. */
const MAX_OTHER_CONNECTIONS = 1000

/** The HTTP side of a gateway, ready to listen or to be asked by `inject`. `close` ends the streams of consumers. */
export function buildQueueServer(options: QueueServerOptions): App {
  const { gateway, maxPartitions, maxBodyBytes, maxConsumers, logger, faults, hosts, listensOn, refusals, guard } =
    options
  return createApp(
    {
      ...{ logger, faults, refusals, translate: answerOfQueue, tls: options.tls },
      ...(guard === undefined ? {} : { guard }),
      limits: {
        maxBodyBytes,
        maxHeaderBytes: 8 * 1024,
        maxUrlLength: 4 * 1024,
        maxPathPartLength: 100,
        requestTimeoutMs: 10_000,
        connections: {
          total: () => MAX_OTHER_CONNECTIONS + maxConsumers(),
          perAddress: options.maxConnectionsPerAddress,
          setting: '--queue-max-connections-per-address or SENTINEL_QUEUE_MAX_CONNECTIONS_PER_ADDRESS',
        },
      },
      corsOrigins: [],
      trustProxy: false,
      hosts: { hosts, listensOn, setting: '--queue-hosts or SENTINEL_QUEUE_HOSTS' },
    },
    async (root) => {
      root.removeAllContentTypeParsers()
      root.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: maxBodyBytes }, (_request, body, done) =>
        done(null, body),
      )
      addProduceRoute(root, { gateway, maxPartitions })
      new ConsumeStreams(root, { gateway, maxPartitions, maxConsumers })
      addAckRoute(root, { gateway, maxPartitions })
      addStateRoutes(root, options)
    },
  )
}
