import { newStats } from '../../internal/broker/broker.ts'
import { RedisConnection } from '../../internal/broker/redis/connection.ts'
import type { LoadedSettings } from '../../internal/config/load.ts'
import { askText } from '../../internal/http/ask.ts'
import { queueRights } from '../../internal/queue/rights.ts'
import { errorText } from '../../internal/text/error-text.ts'
import { readClientTls, redisOf } from '../parts/tls.ts'
import { quietContext } from '../program/quiet-context.ts'
import type { Verdict } from './finding.ts'

const TIMEOUT_MS = 5000

/** Whether Redis answers and grants what a gateway of the queue needs. */
export async function checkQueueRedis(loaded: LoadedSettings): Promise<Verdict> {
  const { queue, broker } = loaded.settings
  const context = quietContext(loaded)
  const connection = new RedisConnection({
    redis: await redisOf(context),
    ...{ purpose: 'doctor', logger: context.logger, stats: newStats() },
    rights: () => queueRights(queue.topics[0] ?? broker.topic, broker.partitions),
  })
  try {
    await connection.whenTried()
    const { connected, problem } = connection.health()
    return connected ? { ok: true, text: 'streams over Redis answers' } : { ok: false, text: problem }
  } catch (error) {
    return { ok: false, text: errorText(error) }
  } finally {
    await connection.close()
  }
}

/** Whether the gateway answers through which an agent publishes. */
export async function checkGateway({ settings }: LoadedSettings): Promise<Verdict> {
  const url = new URL('/ready', settings.broker.httpUrl)
  const at = `the queue at ${url.host}`
  try {
    const tls = await readClientTls(settings, 'gateway')
    const answer = await askText(url, { tls, signal: AbortSignal.timeout(TIMEOUT_MS) })
    const { ready, reasons = [] } = JSON.parse(answer.body) as { ready?: boolean; reasons?: string[] }
    if (ready === true) return { ok: true, text: `${at} is ready` }
    return {
      ok: false,
      text: `${at} answers ${answer.status}: ${reasons.join('; ') || 'it is no gateway of the queue'}`,
    }
  } catch (error) {
    return {
      ok: false,
      text: `${at} does not answer: ${errorText(error)}: is it running, and is broker.httpUrl right?`,
    }
  }
}
