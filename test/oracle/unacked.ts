import { Redis } from 'ioredis'
import { streamKeys } from '../../internal/broker/streams/names.ts'

const TOPIC = 'telemetry'
const GROUP = 'sentinel'
/** The most that a topic has in a row. */
const PARTITIONS = 4

/** Messages in Redis that servers have not acknowledged. Redis is asked, because servers look only now and then. */
export async function unackedEntries(redisUrl: string): Promise<number> {
  const client = new Redis(redisUrl)
  client.on('error', () => {})
  try {
    let entries = 0
    for (const key of streamKeys(TOPIC, PARTITIONS)) {
      if ((await client.exists(key)) === 0) continue
      const groups = (await client.xinfo('GROUPS', key)) as unknown[][]
      const group = groups.map(byName).find(({ name }) => name === GROUP)
      const [, newest] = /,last-generated-id,([^,]+)/.exec(String(await client.xinfo('STREAM', key))) ?? []
      if (group === undefined) entries++
      else entries += Number(group.pending) + (group['last-delivered-id'] === newest ? 0 : 1)
    }
    return entries
  } finally {
    client.disconnect()
  }
}

/** A reply of names and values in turns. */
function byName(reply: readonly unknown[]): Record<string, unknown> {
  return Object.fromEntries(
    Array.from({ length: reply.length / 2 }, (_, i) => [String(reply[2 * i]), reply[2 * i + 1]]),
  )
}
