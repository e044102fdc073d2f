import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { GROUP, type RedisScene, startRedisScene } from '../../../test/support/redis-brokers.ts'
import { until } from '../../../test/support/servers.ts'
import { receiver, texts } from '../broker.contract.ts'
import { streamKeys } from './names.ts'

const KEYS = streamKeys('telemetry', 4)
const ILL = KEYS[1]!

let scene: RedisScene

beforeAll(async () => {
  scene = await startRedisScene()
})

afterEach(() => scene.closeBrokers())

afterAll(() => scene.stop())

async function add(key: string, text: string): Promise<void> {
  await scene.admin.xadd(key, '*', 'd', text)
}

const heard = (received: ReturnType<typeof receiver>, ...wanted: readonly string[]): Promise<void> =>
  until(`${wanted.join(', ')} have arrived`, () => wanted.every((text) => texts(received).includes(text)))

describe('one partition in trouble, where all are read with one command,', () => {
  it('because its key is no stream: the others go on, and it does when the key is gone', async () => {
    await scene.empty()
    const broker = await scene.open('streams')
    const received = receiver()
    await broker.subscribe(received.handler)
    await scene.admin.multi().del(ILL).set(ILL, 'of another program').exec()
    await until('it is said', () => broker.health().problem.includes('another program uses'))
    for (const key of KEYS.filter((each) => each !== ILL)) await add(key, key)
    await heard(received, KEYS[0]!, KEYS[2]!, KEYS[3]!)
    expect(broker.health().connected).toBe(false)
    await scene.admin.del(ILL)
    await until('nothing is refused', () => broker.health().connected)
    await add(ILL, 'well again')
    await heard(received, 'well again')
    expect(received.payloads).toHaveLength(4)
  })

  it('from the start: the others are read', async () => {
    await scene.empty()
    await scene.admin.set(ILL, 'of another program')
    const broker = await scene.open('streams')
    const received = receiver()
    await broker.subscribe(received.handler)
    await add(KEYS[2]!, 'well')
    await heard(received, 'well')
    await until('it is said', () => broker.health().problem.includes('another program uses'))
    await scene.admin.del(ILL)
    await until('its group is there', async () => (await scene.admin.exists(ILL)) === 1)
    await add(ILL, 'well again')
    await heard(received, 'well again')
    await until('nothing is refused', () => broker.health().connected)
  })

  it('because its group or its stream is gone: both are made again, and nothing comes twice', async () => {
    await scene.empty()
    const broker = await scene.open('streams')
    const received = receiver()
    const subscription = await broker.subscribe(received.handler)
    for (const key of KEYS) await add(key, `before in ${key}`)
    await heard(received, ...KEYS.map((key) => `before in ${key}`))
    subscription.ack(4)
    await until('nothing is pending', async () => (await scene.pending()).length === 0)
    await scene.admin.xtrim(ILL, 'MAXLEN', 0)
    await scene.admin.xgroup('DESTROY', ILL, GROUP)
    await until('the group is there again', () => broker.stats.groupsRemade === 1)
    await scene.admin.del(ILL)
    await until('the stream is there again', () => broker.stats.groupsRemade === 2)
    for (const key of KEYS) await add(key, `after in ${key}`)
    await heard(received, ...KEYS.map((key) => `after in ${key}`))
    expect(received.payloads).toHaveLength(8)
  })

  it('because the user lost its key: the others go on, and it is named', async () => {
    await scene.empty()
    const rights = ['on', '>secret', '&live', '+@all']
    await scene.admin.acl('SETUSER', 'tester', 'reset', ...rights, '~*')
    const url = `redis://tester:secret@127.0.0.1:${scene.server.port}`
    const broker = await scene.open('streams', { redis: { url }, uses: ['consume'] })
    const received = receiver()
    await broker.subscribe(received.handler)
    const others = KEYS.filter((key) => key !== ILL)
    await scene.admin.acl('SETUSER', 'tester', 'resetkeys', ...others.map((key) => `~${key}*`), '~live:*')
    await until('it is named', () => broker.health().problem.includes(`~${ILL}`))
    for (const key of others) await add(key, key)
    await heard(received, ...others)
    await add(ILL, 'well again')
    await scene.admin.acl('SETUSER', 'tester', '~*')
    await heard(received, 'well again')
    await until('nothing is refused', () => broker.health().connected)
    expect(received.payloads).toHaveLength(4)
  })
})

describe('entries that were read while the gate shut', () => {
  it('wait, in order, are renewed, and are delivered when it opens', async () => {
    await scene.empty()
    const visibilityMs = 600
    const broker = await scene.open('streams', { visibilityMs })
    const received = receiver()
    let redelivered = 0
    const subscription = await broker.subscribe((payload, delivery) => {
      received.handler(payload, delivery)
      if (delivery.redelivered) redelivered++
      if (received.payloads.length === 1) subscription.pause()
    })
    const adding = scene.admin.multi()
    for (const key of KEYS) for (let i = 0; i < 5; i++) adding.xadd(key, '*', 'd', `${KEYS.indexOf(key)} ${i}`)
    await adding.exec()
    await until('some have been read', async () => (await scene.pending()).length > 1)
    const idle = await scene.open('streams', { consumer: 'idle', visibilityMs })
    const stolen = receiver()
    await idle.subscribe(stolen.handler)
    const looked = await scene.calls('xpending')
    await until('it has looked for abandoned ones', async () => (await scene.calls('xpending')) >= looked + 30)
    await idle.close()
    expect(received.payloads).toHaveLength(1)
    subscription.resume()
    const own = 20 - stolen.payloads.length
    await until('the others have arrived', () => received.payloads.length === own)
    const all = [...texts(received), ...texts(stolen)]
    expect([...all].sort()).toEqual(KEYS.flatMap((_, p) => Array.from({ length: 5 }, (_, i) => `${p} ${i}`)))
    expect(redelivered).toBe(0)
    for (const p of KEYS.keys()) {
      const ofOne = texts(received).filter((text) => text.startsWith(`${p} `))
      expect(ofOne).toEqual([...ofOne].sort())
    }
  })
})
