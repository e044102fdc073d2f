import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type RedisScene, startRedisScene } from '../../../test/support/redis-brokers.ts'
import { until } from '../../../test/support/servers.ts'

let scene: RedisScene

beforeAll(async () => {
  scene = await startRedisScene()
})

afterEach(async () => {
  await scene.closeBrokers()
  await scene.admin.flushall()
})

afterAll(() => scene.stop())

/** A server that stores at once, and looks often. */
async function serve(consumer: string) {
  const broker = await scene.open('streams', { partitions: 1, backlogIntervalMs: 50, consumer })
  const alone: boolean[] = []
  const subscription = await broker.subscribe((_payload, { id }) => subscription.ack(id), {
    onSettled: (_beforeMs, isAlone) => alone.push(isAlone),
  })
  const looked = async (): Promise<void> => {
    const before = alone.length
    await until('it has looked some times', () => alone.length > before + 5)
  }
  return { broker, subscription, alone, looked }
}

describe('two servers of one name', () => {
  it('find each other, and neither takes itself to be alone, until one has stopped', async () => {
    const one = await serve('same')
    await one.looked()
    expect(one.broker.hasNamesake).toBe(false)
    expect(one.alone).not.toContain(false)

    const other = await serve('same')
    await until('both know', () => one.broker.hasNamesake === true && other.broker.hasNamesake === true)
    await until('it is told', () => other.alone.length > 0)
    expect(other.alone).not.toContain(true)

    await other.subscription.close()
    await until('that is over', () => one.broker.hasNamesake === false)
  })

  it('are not a server and the one before it, which was stopped or killed', async () => {
    const stopped = await serve('same')
    await stopped.subscription.close()
    const killed = await serve('same')
    await killed.looked()
    await killed.subscription.close()
    await scene.admin.hset('queue:{telemetry:0}:servers', 'sentinel same', 'the mark of one that was killed')
    const next = await serve('same')
    await next.looked()
    expect(next.alone).not.toContain(false)
    expect(next.broker.hasNamesake).toBe(false)
  })

  it('are not two of different names', async () => {
    const [one, other] = [await serve('one'), await serve('other')]
    await Promise.all([one.looked(), other.looked()])
    expect([one.broker.hasNamesake, other.broker.hasNamesake]).toEqual([false, false])
  })
})
