import type { SharedCounts } from '../../internal/broker/redis/shared-counts.ts'
import { redisOf } from '../parts/tls.ts'
import type { Context } from '../program/context.ts'

/** How several APIs count requests together; undefined where this one counts alone. */
export async function openSharing(context: Context): Promise<SharedCounts | undefined> {
  const { settings, logger, releaser, metrics } = context
  const isShared = settings.api.sharedLimits && settings.broker.kind !== 'memory'
  const counts = isShared ? await openCounts() : undefined
  if (counts !== undefined) releaser.push('shared limits', () => counts.close())
  metrics.gauge({
    name: 'sentinel_shared_limits_ready',
    help: '1 while several APIs count requests together, 0 while each counts alone.',
    read: () => (counts?.problem === '' ? 1 : 0),
  })
  return counts

  // Loaded where it is used alone: it brings the client of Redis, which an API without Redis does not need.
  async function openCounts(): Promise<SharedCounts> {
    const { SharedCounts } = await import('../../internal/broker/redis/shared-counts.ts')
    return new SharedCounts(await redisOf(context), logger)
  }
}
