import pino from 'pino'
import { newStats } from '../../internal/broker/broker.ts'
import { channelNames } from '../../internal/broker/pubsub/names.ts'
import { RedisConnection } from '../../internal/broker/redis/connection.ts'
import type { LoadOptions } from './load-types.ts'

const STORE_LIMIT_MS = 10_000

/**
 * Checks before a load what it needs: Redis accepts the log-in, a server is subscribed to every channel, and the store
 * answers queries. A run of an hour must not find out at its end.
 *
 * @throws Error that says what is wrong and what to do
 */
export async function preflight(
  options: Pick<LoadOptions, 'redis' | 'broker'> & Partial<Pick<LoadOptions, 'countStored'>>,
): Promise<void> {
  await Promise.all([checkRedis(options), options.countStored && checkStore(options.countStored)])
}

async function checkStore(countStored: NonNullable<LoadOptions['countStored']>): Promise<void> {
  try {
    await countStored({ startUs: 0, endUs: 1 }, AbortSignal.timeout(STORE_LIMIT_MS))
  } catch (error) {
    // A server creates the database with its first write.
    if (!(error instanceof Error && error.message.includes('database not found'))) throw error
  }
}

async function checkRedis({ redis, broker }: Pick<LoadOptions, 'redis' | 'broker'>): Promise<void> {
  const logger = pino({ level: 'silent' })
  const connection = new RedisConnection({ redis, purpose: 'bench', logger, stats: newStats() })
  try {
    await connection.whenTried()
    const { connected, problem } = connection.health()
    if (!connected) throw new Error(problem)
    if (broker.kind === 'streams') return
    const channels = channelNames(broker.partitions)
    // NUMSUB answers with a name and a number in turn.
    const answer = await connection.send('PUBSUB', (client) => client.pubsub('NUMSUB', ...channels))
    const withoutServer = channels.filter((_, n) => answer[2 * n + 1] === 0)
    if (withoutServer.length === 0) return
    throw new Error(
      `no server is subscribed to ${withoutServer.join(', ')}: start a server with the same Redis and broker.partitions, or see --broker`,
    )
  } finally {
    await connection.close()
  }
}
