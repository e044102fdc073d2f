import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { freePort, startRedis, startSilentServer, type TestServer } from '../../test/support/servers.ts'
import { command } from './commands.ts'
import { preflight } from './preflight.ts'
import { RedisLine } from './redis-line.ts'

const PASSWORD = 'p@ss:word'

let server: TestServer
let withPassword: TestServer
const open: RedisLine[] = []

beforeAll(async () => {
  server = await startRedis()
  withPassword = await startRedis()
  const redis = new Redis(withPassword.url)
  await redis.config('SET', 'requirepass', PASSWORD)
  redis.disconnect()
})
afterEach(() => {
  for (const line of open.splice(0)) line.close()
})
afterAll(async () => {
  await Promise.all([server.stop(), withPassword.stop()])
})

/** Sends commands together. @returns the replies until each command is answered or the connection is lost */
async function ask(line: RedisLine, ...commands: Buffer[]): Promise<Array<number | string>> {
  open.push(line)
  const heard: Array<number | string> = []
  await new Promise<void>((resolve) => {
    line.listen({
      onReply: (value) => void heard.push(value),
      onError: (message) => void heard.push(message),
      onRead: () => {
        if (heard.length === commands.length) resolve()
      },
      onEnd: ({ message }) => {
        heard.push(message)
        resolve()
      },
    })
    line.write(Buffer.concat(commands), () => {})
  })
  return heard
}

test('answers come in the order of the commands', async () => {
  const line = await RedisLine.open({ url: `${server.url}/3` })
  const commands = [command('PUBLISH', 'metrics', 'x'), command('SET', 'a', 'b'), command('NONSENSE')]
  expect(await ask(line, ...commands)).toEqual([0, 1, expect.stringMatching(/^ERR unknown command/)])
  const redis = new Redis(`${server.url}/3`)
  expect(await redis.get('a')).toBe('b')
  expect(await redis.client('LIST')).toContain('name=sentinel:bench')
  redis.disconnect()
})

test('the password comes from the option, else from the URL', async () => {
  const { port } = withPassword
  const url = `redis://:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}`
  expect(await ask(await RedisLine.open({ url }), command('PING'))).toEqual([1])
  const given = await RedisLine.open({ url: `redis://default:wrong@127.0.0.1:${port}`, password: PASSWORD })
  expect(await ask(given, command('PING'))).toEqual([1])
})

test('a refused log-in says why', async () => {
  const { port } = withPassword
  await expect(RedisLine.open({ url: `redis://127.0.0.1:${port}` })).rejects.toThrow(
    /refuses: NOAUTH.*REDIS_PASSWORD_FILE/,
  )
  await expect(RedisLine.open({ url: `redis://:wrong@127.0.0.1:${port}` })).rejects.toThrow(
    'refuses the user or the password',
  )
  await expect(RedisLine.open({ url: `redis://127.0.0.1:${await freePort()}` })).rejects.toThrow('is it running there?')
})

test('a server that is not Redis is detected', async () => {
  const silent = await startSilentServer()
  await expect(RedisLine.open({ url: `redis://${silent.address}` }, 200)).rejects.toThrow(
    'cannot be reached (ETIMEDOUT)',
  )
  await silent.stop()
})

test('the end of a connection is reported, also to a later listener', async () => {
  const line = await RedisLine.open({ url: server.url })
  expect(await ask(line, command('QUIT'), command('PING'))).toEqual([
    1,
    expect.stringContaining('the connection was lost'),
  ])
  expect(await ask(line)).toEqual([expect.stringContaining('the connection was lost')])
})

test('before a load, Redis must answer and a server must be subscribed', async () => {
  const redis = { url: server.url }
  const pubsub = { kind: 'pubsub', topic: 'telemetry', partitions: 2 } as const
  await preflight({ redis, broker: { ...pubsub, kind: 'streams' } })
  await expect(preflight({ redis, broker: pubsub })).rejects.toThrow(
    /no server is subscribed to metrics:0, metrics:1: start a server/,
  )
  const server1 = new Redis(server.url)
  await server1.subscribe('metrics:1')
  await expect(preflight({ redis, broker: pubsub })).rejects.toThrow(/no server is subscribed to metrics:0:/)
  await server1.subscribe('metrics:0')
  await preflight({ redis, broker: pubsub })
  server1.disconnect()
  await expect(preflight({ redis: { url: withPassword.url }, broker: pubsub })).rejects.toThrow('NOAUTH')
})
