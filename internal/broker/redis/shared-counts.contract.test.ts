import { Redis } from 'ioredis'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { startRedis, type TestServer, until } from '../../../test/support/servers.ts'
import { SharedCounts } from './shared-counts.ts'

const logger = pino({ level: 'silent' })
let redis: TestServer
let admin: Redis
beforeAll(async () => {
  redis = await startRedis()
  admin = new Redis(redis.url)
})
afterAll(async () => {
  admin.disconnect()
  await redis.stop()
})

function open(url = redis.url): SharedCounts {
  const counts = new SharedCounts({ url }, logger)
  onTestFinished(() => counts.close())
  return counts
}

const upOf = (counts: SharedCounts): Promise<void> => until('it is up', () => counts.problem === '')

it('adds up what several processes count, until the window of the first ends', async () => {
  const [one, other] = [open(), open()]
  await Promise.all([upOf(one), upOf(other)])
  const count = (name: string, added: number) => ({ name, added, windowMs: 60_000 })
  expect(await one.add([count('key a', 5), count('address 192.0.2.1', 1)])).toEqual([
    { total: 5, endsInMs: 60_000 },
    { total: 1, endsInMs: 60_000 },
  ])
  const [ofKey] = await other.add([count('key a', 3)])
  expect(ofKey!.total).toBe(8)
  expect(ofKey!.endsInMs).toBeLessThanOrEqual(60_000)
  expect(await admin.keys('*')).toEqual(expect.arrayContaining(['rate:key a', 'rate:address 192.0.2.1']))
  expect(await admin.pttl('rate:address 192.0.2.1')).toBeGreaterThan(0)
  await admin.pexpire('rate:key a', 1)
  await until('it has ended', async () => (await admin.exists('rate:key a')) === 0)
  expect(await other.add([count('key a', 2)])).toEqual([{ total: 2, endsInMs: 60_000 }])
})

it('needs the rights of the documented line, and names what is missing', async () => {
  await admin.acl('SETUSER', 'counter', 'on', '>secret', '~rate:*', '+ping', '+client|setname', '+incrby', '+pexpire')
  const url = redis.url.replace('//', '//counter:secret@')
  const counts = open(url)
  await until('it is refused', () => counts.problem.includes('+pttl'))
  await expect(counts.add([{ name: 'a', added: 1, windowMs: 1000 }])).rejects.toThrow('+pttl')
  await admin.acl('SETUSER', 'counter', '+pttl')
  await upOf(open(url))
})

it('says so while Redis is away', async () => {
  const counts = open('redis://127.0.0.1:9')
  await expect(counts.add([{ name: 'a', added: 1, windowMs: 1000 }])).rejects.toMatchObject({ kind: 'not_sent' })
})
