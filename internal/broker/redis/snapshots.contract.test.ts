import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type RedisScene, startRedisScene } from '../../../test/support/redis-brokers.ts'
import { until } from '../../../test/support/servers.ts'
import { type GenerationHead, nameOf } from '../../fabric/generation.ts'
import type { Broker } from '../broker.ts'
import { SNAPSHOTS_KEPT_MS } from '../broker.ts'
import { generationHead, nowUs, targetHead } from '../snapshots.contract.ts'

let scene: RedisScene

beforeAll(async () => {
  scene = await startRedisScene()
})

afterEach(() => scene.closeBrokers())

afterAll(() => scene.stop())

async function announce(broker: Broker, atUs: number, more: Partial<GenerationHead> = {}): Promise<GenerationHead> {
  const head = generationHead([targetHead('a', 2, atUs)], atUs, more)
  await broker.snapshots.put(nameOf(head, head.targets[0]!), Buffer.from('ab'))
  await broker.snapshots.announce(head)
  return head
}

/** The time to live of each key of rows, oldest snapshot first. */
async function lifetimesMs(): Promise<number[]> {
  const keys = (await scene.admin.keys('fabric:rows:*')).sort()
  return Promise.all(keys.map((key) => scene.admin.pttl(key)))
}

describe('snapshots in Redis', () => {
  it('expire: those of the newest generation after a day, those before it after a minute', async () => {
    await scene.empty()
    const broker = await scene.open('pubsub')
    const now = nowUs()
    await announce(broker, now)
    expect((await lifetimesMs())[0]).toBeGreaterThan(SNAPSHOTS_KEPT_MS - 60_000)
    await announce(broker, now + 1)
    const [before, newest, ...others] = await lifetimesMs()
    expect(before).toBeLessThanOrEqual(60_000)
    expect(newest).toBeGreaterThan(SNAPSHOTS_KEPT_MS - 60_000)
    expect(others).toEqual([])
    expect(await scene.admin.pttl('fabric:generations')).toBeGreaterThan(SNAPSHOTS_KEPT_MS - 60_000)
  })

  it('of a publisher that is gone for a day are not told, and leave the index', async () => {
    await scene.empty()
    const long = nowUs() - (SNAPSHOTS_KEPT_MS + 1000) * 1000
    await announce(await scene.open('pubsub'), long, { publisher: 'gone' })
    const broker = await scene.open('pubsub')
    const heard: string[] = []
    await broker.snapshots.subscribe(({ publisher }) => heard.push(publisher))
    expect(heard).toEqual([])
    expect(await broker.snapshots.newest('default', 'gone')).toBeUndefined()
    await announce(broker, nowUs(), { publisher: 'here' })
    await until('it is heard', () => heard.includes('here'))
    expect(await scene.admin.hkeys('fabric:generations')).toEqual(['["default","here"]'])
  })

  it('are told again after the connection was lost', async () => {
    await scene.empty()
    const [broker, other] = [await scene.open('streams'), await scene.open('pubsub')]
    const heard: string[] = []
    await broker.snapshots.subscribe(({ id }) => heard.push(id))
    await scene.admin.client('PAUSE', 1000, 'ALL')
    await scene.admin.client('KILL', 'TYPE', 'pubsub')
    const { id } = await announce(other, nowUs())
    await until('the announcement is found', () => heard.includes(id))
    const again = await announce(other, nowUs())
    await until('the next one is heard', () => heard.includes(again.id))
  })

  it('are read to the end where their connection is lost meanwhile', async () => {
    const broker = await scene.open('pubsub')
    const name = { fabric: 'f', publisher: 'p', target: 't', snapshot: 's' }
    const content = Buffer.alloc(3 * 2 ** 20 + 1, 'sentinel')
    await broker.snapshots.put(name, content)
    expect((await broker.snapshots.read(name, content.length))?.equals(content)).toBe(true)
    const clients = String(await scene.admin.client('LIST'))
    const [, id] = /^id=(\d+) .*name=sentinel:snapshots /m.exec(clients)!
    await scene.admin.client('PAUSE', 500, 'ALL')
    const reading = broker.snapshots.read(name, content.length)
    await scene.admin.client('KILL', 'ID', Number(id))
    expect((await reading)?.equals(content)).toBe(true)
  })

  it('are read to the memory that they are given', async () => {
    const broker = await scene.open('streams')
    const name = { fabric: 'f', publisher: 'p', target: 't', snapshot: 's' }
    const [first, second] = [Buffer.alloc(2 ** 20 + 1, 'first'), Buffer.alloc(2 ** 20 + 1, 'second')]
    const room = Buffer.alloc(2 ** 21)
    for (const content of [first, second]) {
      await broker.snapshots.put(name, content)
      const bytes = await broker.snapshots.read(name, content.length, (length) => room.subarray(7, 7 + length))
      expect(bytes?.equals(content)).toBe(true)
      expect(room.indexOf(content)).toBe(7)
    }
  })

  it('that Redis has lost are asked for again', async () => {
    const broker = await scene.open('pubsub')
    const head = await announce(broker, nowUs())
    await scene.empty()
    expect(await broker.snapshots.announce(head)).toEqual(head.targets)
  })

  it('announced in words that are not understood are counted', async () => {
    await scene.empty()
    await scene.admin.hset('fabric:generations', 'x', 'no head')
    const broker = await scene.open('pubsub')
    const heard: string[] = []
    await broker.snapshots.subscribe(({ id }) => heard.push(id))
    expect(broker.stats.headsRefused).toBe(1)
    await scene.admin.publish('fabric:announce', '{"id":1}')
    await until('it is counted', () => broker.stats.headsRefused === 2)
    const { id } = await announce(broker, nowUs())
    await until('the next one is heard', () => heard.includes(id))
  })
})
