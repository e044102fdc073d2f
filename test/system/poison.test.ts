import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type RedisScene, startRedisScene } from '../support/redis-brokers.ts'
import { sleep, until } from '../support/servers.ts'
import { linesOf, type StreamServer, type StreamServerPlace, startStreamServer } from '../support/stream-server.ts'

let scene: RedisScene
let count = 0

beforeAll(async () => {
  scene = await startRedisScene()
})

beforeEach(async () => {
  await scene.admin.flushall()
})

afterEach(() => scene.closeBrokers())

afterAll(() => scene.stop())

function place(consumer: string, storeMs: number): StreamServerPlace {
  const { folder, url } = scene.server
  const [storedFile, poisonFile] = [join(folder, `stored-${count}`), join(folder, `poison-${count}`)]
  return { url, consumer, storedFile, poisonFile, storeMs }
}

describe('processes that are killed while they consume streams', () => {
  beforeEach(() => {
    count++
  })

  it('give up the one message that kills them, and store all others', async () => {
    const at = place('server-1', 5)
    const publisher = await scene.open('streams')
    const healthy = Array.from({ length: 300 }, (_, i) => `${i}`)
    for (const text of healthy) {
      if (text === '150') await publisher.publish('key', Buffer.from('killer'))
      await publisher.publish(`key-${Number(text) % 9}`, Buffer.from(text))
    }
    const done = (): boolean => new Set(linesOf(at.storedFile)).size === 300 && linesOf(at.poisonFile).length > 0
    let lives = 0
    let server: StreamServer | undefined
    while (!done()) {
      expect(lives).toBeLessThan(15)
      lives++
      const life = startStreamServer(at)
      server = life
      let dead = false
      void life.ended.then(() => {
        dead = true
      })
      await until('it dies, or all is done', () => dead || done())
    }
    await until('nothing is pending', async () => (await scene.pending()).length === 0)
    server?.kill()
    await server?.ended
    expect(linesOf(at.poisonFile)).toEqual(['killer'])
    expect([...new Set(linesOf(at.storedFile))].sort()).toEqual([...healthy].sort())
    // Five ordinary deliveries, then five trials: among many, among few, and three alone.
    expect(lives).toBe(11)
  })

  it('lose nothing, and take nothing for poison, in a loop of restarts', async () => {
    // Most lives are too short to store what they have read, so that it is delivered again and again, and goes on trial.
    const places = [place('server-1', 250), place('server-2', 250)]
    const at = places[0]!
    const publisher = await scene.open('streams')
    let published = 0
    let publishing = true
    const publishes = (async () => {
      while (publishing) {
        await publisher.publish(`key-${published % 9}`, Buffer.from(`${published}`))
        published++
        if (published % 50 === 0) await sleep(20)
      }
    })()
    await Promise.all(
      places.map(async (each) => {
        for (let lives = 0; lives < 25; lives++) {
          const server = startStreamServer(each)
          await sleep(150 + Math.random() * 600)
          server.kill()
          await server.ended
        }
      }),
    )
    publishing = false
    await publishes
    const last = places.map(startStreamServer)
    await until('nothing is pending', async () => (await scene.pending()).length === 0, 60_000)
    await until('all is stored', () => new Set(linesOf(at.storedFile)).size === published)
    for (const server of last) server.kill()
    await Promise.all(last.map((server) => server.ended))
    expect(linesOf(at.poisonFile)).toEqual([])
  })
})
