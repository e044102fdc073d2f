import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startRedis, type TestServer } from '../../../test/support/servers.ts'
import { PubSubBroker, type PubSubOptions } from './broker.ts'

const logger = pino({ level: 'silent' })
let redis: TestServer
const opened: PubSubBroker[] = []

beforeAll(async () => {
  redis = await startRedis()
})

afterEach(async () => {
  for (const broker of opened.splice(0)) await broker.close()
  await redis.halt('SIGKILL')
  await redis.start()
})

afterAll(() => redis.stop())

async function open(options: Partial<PubSubOptions> = {}): Promise<PubSubBroker> {
  const broker = new PubSubBroker({ redis: { url: redis.url }, logger, ...options })
  opened.push(broker)
  await broker.whenTried()
  return broker
}

describe('checkpoints in Redis', () => {
  it('are found by the next server, except those to be forgotten', async () => {
    const { checkpoints } = await open()
    expect(await checkpoints.load()).toEqual(new Map())
    const many = new Map(Array.from({ length: 3500 }, (_, i) => [`host ${i} é\n"/agent/1`, `{"next":${i}}`]))
    await checkpoints.save(many)
    await checkpoints.save(new Map([['another', 'checkpoint']]), ['host 7 é\n"/agent/1', 'never there'])
    await checkpoints.save(new Map())
    many.delete('host 7 é\n"/agent/1')
    const next = await open()
    expect(await next.checkpoints.load()).toEqual(new Map([...many, ['another', 'checkpoint']]))
  })

  it('are separate for servers of other channels', async () => {
    const even = await open({ partitions: 4, consumes: [2, 0] })
    const odd = await open({ partitions: 4, consumes: [1, 3] })
    await even.checkpoints.save(new Map([['a', 'even']]))
    await odd.checkpoints.save(new Map([['a', 'odd']]))
    const [evenAgain, all] = [await open({ partitions: 4, consumes: [0, 2] }), await open({ partitions: 4 })]
    expect(await evenAgain.checkpoints.load()).toEqual(new Map([['a', 'even']]))
    expect(await all.checkpoints.load()).toEqual(new Map())
  })

  it('load waits while Redis is away, unless the broker closes', async () => {
    await redis.halt('SIGKILL')
    const [patient, hasty] = [await open(), await open()]
    const [loaded, refused] = [
      patient.checkpoints.load(),
      hasty.checkpoints.load().catch((error: Error) => error.message),
    ]
    await expect(patient.checkpoints.save(new Map([['a', 'checkpoint']]))).rejects.toThrow(/Redis/)
    await hasty.close()
    expect(await refused).toContain('closed')
    await redis.start()
    expect(await loaded).toEqual(new Map())
  })
})
