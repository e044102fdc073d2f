import pino from 'pino'
import { newStats } from '../../broker/broker.ts'
import { channelNames } from '../../broker/pubsub.ts'
import { RedisConnection } from '../../broker/redis.ts'
import type { LoadOptions } from './load-types.ts'

/**
 * Looks whether the load has any prospect: Redis is there and lets us in, and somebody is subscribed to every channel.
 *
 * @throws Error that says what is wrong and what to do
 */
export async function preflight({ redis, broker }: Pick<LoadOptions, 'redis' | 'broker'>): Promise<void> {
  const logger = pino({ level: 'silent' })
  const connection = new RedisConnection({ redis, purpose: 'bench', logger, stats: newStats() })
  try {
    await connection.whenTried()
    const { connected, problem } = connection.health()
    if (!connected) throw new Error(problem)
    if (broker.kind === 'streams') return
    const channels = channelNames(broker.partitions)
    // A name and a number in turn.
    const answer = await connection.send((client) => client.pubsub('NUMSUB', ...channels))
    const unheard = channels.filter((_, n) => answer[2 * n + 1] === 0)
    if (unheard.length === 0) return
    throw new Error(
      `nobody is subscribed to ${unheard.join(', ')}: start a server with the same Redis and broker.partitions, or see --broker`,
    )
  } finally {
    await connection.close()
  }
}
