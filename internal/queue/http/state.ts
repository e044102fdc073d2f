import type { App } from '../../http/app-types.ts'
import { summarize } from '../../observe/latency.ts'
import type { Gateway } from '../gateway.ts'
import { Parameters } from './parameters.ts'

export interface StateOptions {
  readonly gateway: Gateway
  /** What keeps the process from its work, in words; empty when it is ready. */
  ready(): readonly string[]
  /** Prometheus' text format. */
  metrics(): Promise<string>
}

/** How the gateway and its topics stand: `/topics`, `/status`, `/stats`, and what probes ask for. */
export function addStateRoutes(app: App, { gateway, ready, metrics }: StateOptions): void {
  app.get('/topics', async (request) => {
    const detail = new Parameters(request.query, ['detail']).flag('detail')
    const { counts } = gateway.topics
    const entries = await Promise.all(
      Array.from(counts, async ([topic, count]): Promise<[string, unknown]> => {
        return [topic, detail ? await gateway.partitionsOf(topic) : Array.from({ length: count }, (_, i) => i)]
      }),
    )
    return Object.fromEntries(entries)
  })

  app.get('/status', async (request) => {
    new Parameters(request.query, [])
    const consumers = Array.from(gateway.connected(), ({ topic, group, consumer }) => {
      const { name, partition, inFlight, sent } = consumer
      return { topic, group, partition: partition ?? 'all', address: name, inFlight, sent, reads: consumer.isDrained }
    })
    const topics = await Promise.all(
      [...gateway.topics.counts.keys()].map(async (topic) => {
        const partitions = await gateway.partitionsOf(topic)
        return {
          topic,
          partitions: partitions.map(({ partition, groups }) => ({ partition, servedBy: servedBy(groups) })),
        }
      }),
    )
    return { topics, consumers }
  })

  app.get('/stats', async (request) => {
    new Parameters(request.query, [])
    const { stats, latencies, topics, consumers } = gateway
    return {
      ...stats,
      produced: stats.producedToRedis + stats.producedToDisk,
      consumers,
      overflow: topics.overflow,
      latencies: {
        produce: summarize(latencies.produce.total()),
        ack: summarize(latencies.ack.total()),
        deliver: summarize(latencies.deliver.total()),
      },
    }
  })

  app.get('/health', async () => {
    const { redisProblem, topics } = gateway
    const { messages, bytes } = topics.overflow
    return {
      status: redisProblem === '' && topics.problem === '' ? 'ok' : 'degraded',
      redis: { connected: redisProblem === '', problem: redisProblem },
      disk: { problem: topics.problem, messages, bytes },
    }
  })

  app.get('/ready', async (_request, reply) => {
    const reasons = [...ready()]
    reply.code(reasons.length === 0 ? 200 : 503)
    return { ready: reasons.length === 0, reasons }
  })

  app.get('/metrics', async (_request, reply) => {
    reply.type('text/plain; version=0.0.4; charset=utf-8')
    return metrics()
  })
}

type Groups = Awaited<ReturnType<Gateway['partitionsOf']>>[number]['groups']

/** By group: the gateways and servers that read the partition. */
function servedBy(groups: Groups): Record<string, readonly string[]> {
  return Object.fromEntries(groups.map(({ group, readers }) => [group, readers.map(({ name }) => name)]))
}
