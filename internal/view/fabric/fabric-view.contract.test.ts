import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ApiScene } from '../../../test/support/api-scene.ts'
import { FabricWriter, switchesOf } from '../../../test/support/fabric.ts'
import { silent } from '../../../test/support/live-feed.ts'
import { type RedisScene, startRedisScene } from '../../../test/support/redis-brokers.ts'
import { until } from '../../../test/support/servers.ts'
import { FabricView } from './fabric-view.ts'

const ROWS = 20_000

let redis: RedisScene
const views: FabricView[] = []

beforeAll(async () => {
  redis = await startRedisScene()
})

afterEach(async () => {
  for (const view of views.splice(0)) await view.close()
  await redis.closeBrokers()
})

afterAll(() => redis.stop())

const nowUs = (): number => Date.now() * 1000

/** The view of an API with a broker of its own. */
async function openView(kind: 'pubsub' | 'streams'): Promise<FabricView> {
  const { snapshots } = await redis.open(kind)
  const view = new FabricView({ snapshots, clock: { now: nowUs }, logger: silent, staleAfterMs: () => 10_000 })
  views.push(view)
  await view.open()
  return view
}

async function writer(): Promise<FabricWriter> {
  return new FabricWriter((await redis.open('pubsub')).snapshots)
}

describe('APIs on one Redis', () => {
  it('agree on each generation, over both engines, also those that start later', async () => {
    await redis.empty()
    const [first, second] = [await openView('pubsub'), await openView('streams')]
    const fabric = await writer()
    for (const generation of [1, 2, 3]) {
      const { id } = await fabric.write(nowUs(), { a: switchesOf(ROWS, nowUs(), generation), b: switchesOf(3, 1, 9) })
      const late = await openView('pubsub')
      const all = [first, second, late]
      await until('all show it', () => all.every(({ only }) => only?.id === id))
      const apis = all.map((fabrics) => new ApiScene({ fabrics }).app)
      for (const url of [
        'GetMetric?switch_id=sw7&metric=packet_errors',
        'ListMetrics?limit=500',
        'top?metric=packet_errors',
      ]) {
        const answers = await Promise.all(apis.map((app) => app.inject(`/telemetry/${url}`)))
        expect(
          new Set(answers.map(({ statusCode, body, headers }) => JSON.stringify([statusCode, body, headers.etag])))
            .size,
          url,
        ).toBe(url.startsWith('top') && generation > 1 ? 2 : 1)
        expect(answers[0]!.statusCode).toBe(200)
      }
    }
  })

  it('never show a generation of which Redis has lost a part, and go on with the next', async () => {
    await redis.empty()
    const view = await openView('pubsub')
    const fabric = await writer()
    const { id } = await fabric.write(nowUs(), { a: switchesOf(ROWS, nowUs(), 1) })
    await until('it is shown', () => view.only?.id === id)
    const [key] = await redis.admin.keys('fabric:rows:*')
    expect(await redis.admin.hlen(key!)).toBeGreaterThan(0)
    await redis.admin.hdel(key!, '0')
    const late = await openView('pubsub')
    await until('it is counted', () => late.stats.missing === 1)
    expect([late.only, view.only!.id]).toEqual([undefined, id])
    const next = await fabric.write(nowUs(), { a: switchesOf(ROWS, nowUs(), 2) })
    await until('both show the next', () => [view, late].every(({ only }) => only?.id === next.id))
  })

  it('show the last values while Redis is away, and the newest when it is back', async () => {
    await redis.empty()
    const view = await openView('streams')
    const { id } = await (await writer()).write(nowUs(), { a: switchesOf(10, nowUs(), 1) })
    await until('it is shown', () => view.only?.id === id)
    await redis.server.halt('SIGKILL')
    expect(view.only!.id).toBe(id)
    await redis.server.start()
    // Redis has lost everything: the writer is told, and puts it again.
    const fabric = await writer()
    let next = ''
    await until('it can be written', async () => {
      next = await fabric.write(nowUs(), { a: switchesOf(10, nowUs(), 2) }).then(
        (head) => head.id,
        () => '',
      )
      return next !== ''
    })
    await until('it is shown', () => view.only?.id === next)
  })
})
