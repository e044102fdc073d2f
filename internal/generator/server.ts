import type { Logger } from 'pino'
import { createApp } from '../http/app.ts'
import type { App } from '../http/app-types.ts'
import type { Refusals } from '../http/doorkeeper.ts'
import { LogThrottle } from '../observe/log-throttle.ts'
import { addCountersRoute, type CountersOptions } from './counters-route.ts'
import { MODES, type Mode, SLOW_MS } from './faults.ts'

export interface GeneratorOptions extends Pick<CountersOptions, 'profile' | 'snapshot' | 'mode' | 'repeat'> {
  readonly logger: Logger
  /** Names that it answers to, beside those of loopback. Asked at each request. */
  readonly hosts: () => readonly string[]
  /** Where it listens. */
  readonly listensOn: string
  readonly refusals: Refusals
  /** How late a slow answer is, ms. */
  readonly slowMs?: number
}

/** The listener of a generator. */
export interface Generator {
  readonly app: App
  readonly stats: GeneratorStats
  /** Answers the requests that have arrived, slow ones at once, and takes no more. */
  close(): Promise<void>
}

/** Counted since the start. */
export interface GeneratorStats {
  /** Answers to their end, by status: those of `/health` too. */
  readonly answers: ReadonlyMap<string, number>
  /** Faults that were asked for, by mode. */
  readonly faults: ReadonlyMap<Mode, number>
}

const MAX_CONNECTIONS = 256
/** Of one address, but for this machine: a poller needs one for each shard. */
const MAX_CONNECTIONS_PER_ADDRESS = 64

/** `GET /counters` and `/health`, ready to listen or to be asked by `inject`. */
export function buildGenerator(options: GeneratorOptions): Generator {
  const { logger, hosts, listensOn, refusals, slowMs = SLOW_MS } = options
  const faults = new Map<Mode, number>(MODES.filter((mode) => mode !== 'NONE').map((mode) => [mode, 0]))
  // Those that come first are there from the start, as counters should be.
  const answers = new Map([
    ['200', 0],
    ['304', 0],
  ])
  const stopping = new AbortController()
  const app = createApp(
    {
      logger,
      faults: new LogThrottle(logger),
      translate: () => undefined,
      limits: {
        // No resource takes a body, and fastify wants one byte at least.
        maxBodyBytes: 1,
        maxHeaderBytes: 8 * 1024,
        maxUrlLength: 2 * 1024,
        maxPathPartLength: 100,
        requestTimeoutMs: 10_000,
        connections: { total: () => MAX_CONNECTIONS, perAddress: () => MAX_CONNECTIONS_PER_ADDRESS },
      },
      corsOrigins: [],
      trustProxy: false,
      hosts: { hosts, listensOn, setting: '--generator-hosts or SENTINEL_GENERATOR_HOSTS' },
      refusals,
    },
    async (root) => {
      root.addHook('onResponse', async (_request, { statusCode }) => {
        answers.set(`${statusCode}`, (answers.get(`${statusCode}`) ?? 0) + 1)
      })
      root.get('/health', async (_request, reply) => reply.type('text/plain; charset=utf-8').send('OK'))
      addCountersRoute(root, {
        ...options,
        slowMs,
        stopping: stopping.signal,
        onFault: (mode) => faults.set(mode, faults.get(mode)! + 1),
      })
    },
  )
  return {
    app,
    stats: { answers, faults },
    async close() {
      stopping.abort()
      await app.close()
    },
  }
}
