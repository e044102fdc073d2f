import type { Gateway } from '../../internal/queue/gateway.ts'
import type { Partition } from '../../internal/queue/partition.ts'
import type { Context } from '../program/context.ts'

export function addQueueMetrics({ metrics, summary }: Context, gateway: Gateway): void {
  const { stats, topics, latencies } = gateway
  metrics.gauge({
    name: 'sentinel_queue_redis_ready',
    help: '1 while Redis is connected and takes all that it is asked, 0 otherwise: then messages wait on disk.',
    read: () => (gateway.redisProblem === '' ? 1 : 0),
  })
  metrics.counter({
    name: 'sentinel_queue_redis_reconnects_total',
    help: 'Connections to Redis that were lost and came up again.',
    read: () => gateway.reconnects,
  })
  metrics.gauge({
    name: 'sentinel_queue_disk_ready',
    help: '1 while the disk can be written to, 0 otherwise.',
    read: () => (topics.problem === '' ? 1 : 0),
  })
  metrics.counter({
    name: 'sentinel_queue_produced_messages_total',
    help: 'Messages taken, by who had them first: redis or disk.',
    label: 'durable',
    read: () => [
      ['redis', stats.producedToRedis],
      ['disk', stats.producedToDisk],
    ],
  })
  metrics.counter({
    name: 'sentinel_queue_refused_messages_total',
    help: 'Messages that neither Redis nor the disk took.',
    read: () => stats.refused,
  })
  metrics.counter({
    name: 'sentinel_queue_consumed_messages_total',
    help: 'Messages sent to consumers, those sent again too.',
    read: () => stats.consumed,
  })
  metrics.counter({
    name: 'sentinel_queue_requeued_messages_total',
    help: 'Messages sent again, because nobody acknowledged them in time or their consumer left.',
    read: () => stats.requeued,
  })
  metrics.counter({
    name: 'sentinel_queue_acked_messages_total',
    help: 'Messages that a group has acknowledged.',
    read: () => stats.acked,
  })
  metrics.counter({
    name: 'sentinel_queue_unknown_acks_total',
    help: 'Acknowledgements of messages that wait for none.',
    read: () => stats.unknownAcks,
  })
  metrics.gauge({
    name: 'sentinel_queue_consumers',
    help: 'Consumers that are connected.',
    read: () => gateway.consumers,
  })
  metrics.gauge({
    name: 'sentinel_queue_overflow_bytes',
    help: 'What waits on disk.',
    read: () => topics.overflow.bytes,
  })
  metrics.counter({
    name: 'sentinel_queue_damaged_messages_total',
    help: 'Messages on disk that could not be read any more.',
    read: () => topics.overflow.damaged,
  })
  const byPartition = (pick: (partition: Partition) => number) => (): Array<[string, number]> =>
    topics.open.map((each) => [`${each.topic}:${each.partition}`, pick(each)])
  metrics.gauge({
    name: 'sentinel_queue_unacked_messages',
    help: 'Messages in Redis that the slowest group has not acknowledged, of partitions that this gateway has produced to.',
    label: 'partition',
    read: byPartition(({ unacked }) => unacked),
  })
  metrics.gauge({
    name: 'sentinel_queue_overflow_messages',
    help: 'Messages that wait on disk.',
    label: 'partition',
    read: byPartition(({ overflow }) => overflow.messages),
  })
  metrics.latency({
    name: 'sentinel_queue_produce_duration_seconds',
    help: 'From the arrival of a message until Redis or the disk has it.',
    read: () => latencies.produce,
  })
  metrics.latency({
    name: 'sentinel_queue_ack_duration_seconds',
    help: 'From the arrival of an acknowledgement until Redis has it.',
    read: () => latencies.ack,
  })
  metrics.latency({
    name: 'sentinel_queue_delivery_duration_seconds',
    help: 'From when a message was taken until it was first sent to a consumer.',
    read: () => latencies.deliver,
  })
  summary.push(() => ({
    produced: stats.producedToRedis + stats.producedToDisk,
    to_disk: stats.producedToDisk,
    consumed: stats.consumed,
    acked: stats.acked,
    on_disk: topics.overflow.messages,
  }))
}
