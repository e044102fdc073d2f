import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { pino } from 'pino'
import { expect, it, onTestFinished } from 'vitest'
import { until } from '../../../test/support/servers.ts'
import { newStats } from '../broker.ts'
import { ChannelListener } from './channel-listener.ts'

const logger = pino({ level: 'silent' })
const message = (text: string): string => `*3\r\n$7\r\nmessage\r\n$7\r\nmetrics\r\n$${text.length}\r\n${text}\r\n`

/** TLS with a shared key, which needs no certificates. */
const psk = Buffer.alloc(32, 'sentinel')
const [SERVER_TLS, CLIENT_TLS] = [
  { ciphers: 'PSK', pskCallback: () => psk },
  { ciphers: 'PSK', pskCallback: () => ({ psk, identity: 'test' }), checkServerIdentity: () => undefined },
]

/**
 * Answers a listener as Redis does. After the subscription, each connection gets the next of the speeches; later ones
 * get the last.
 *
 * @param onSubscribed gets each connection then
 */
async function startFake(
  speeches: readonly string[],
  scheme = 'redis',
  onSubscribed: (socket: Socket) => void = () => {},
): Promise<string> {
  const sockets = new Set<Socket>()
  let connections = 0
  const converse = (socket: Socket): void => {
    const speech = speeches[Math.min(connections++, speeches.length - 1)]!
    const answers: Record<string, string> = {
      // As before Redis 6.
      HELLO: "-ERR unknown command 'HELLO'\r\n",
      SETNAME: '+OK\r\n',
      PING: '+PONG\r\n',
      UNSUBSCRIBE: '*3\r\n$11\r\nunsubscribe\r\n$7\r\nmetrics\r\n:0\r\n',
      SUBSCRIBE: `*3\r\n$9\r\nsubscribe\r\n$7\r\nmetrics\r\n:1\r\n${speech}`,
    }
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      for (const [command] of chunk
        .toString()
        .toUpperCase()
        .matchAll(/\b(HELLO|SETNAME|PING|UNSUBSCRIBE|SUBSCRIBE)\b/g)) {
        socket.write(answers[command]!)
        if (command === 'SUBSCRIBE') onSubscribed(socket)
      }
    })
  }
  const server = scheme === 'redis' ? createServer(converse) : createTlsServer(SERVER_TLS, converse)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`
}

it.each(['redis', 'rediss'])('receives messages of any length over %s', async (scheme) => {
  const sent = [1, 100, 5000, 300_000, 7, 65_536, 2_000_000, 10].map((length, i) => `${i}`.repeat(length))
  const url = await startFake([sent.map(message).join('')], scheme)
  const heard: string[] = []
  const listener = new ChannelListener(
    { redis: { url, tls: CLIENT_TLS }, purpose: 'test', logger, stats: newStats() },
    ['metrics'],
    (payload) => heard.push(payload.toString()),
  )
  onTestFinished(() => listener.close())
  await until('it has heard all', () => heard.length >= sent.length)
  await listener.connection.whenUp()
  await listener.stop()
  expect(heard).toEqual(sent)
})

it('delivers what came before bytes that are not RESP, then takes a new connection', async () => {
  const nonsense = '*3\r\n$7\r\nmessage\r\n$7\r\nmetrics\r\n$-1000\r\n'
  const url = await startFake([`${message('before')}${nonsense}${message('beyond')}`, message('after')])
  const heard: string[] = []
  const stats = newStats()
  const listener = new ChannelListener({ redis: { url }, purpose: 'test', logger, stats }, ['metrics'], (payload) =>
    heard.push(payload.toString()),
  )
  onTestFinished(() => listener.close())
  await until('it has messages of the second connection', () => heard.length >= 2)
  await listener.connection.whenUp()
  expect(heard).toEqual(['before', 'after'])
})

it.each(['redis', 'rediss'])(
  'reads together what gathers in the socket over %s, and loses none of it',
  async (scheme) => {
    let said = 0
    let isSaying = true
    const say = (socket: Socket): void => {
      if (!isSaying) return
      socket.write(message(`${said++}`))
      setImmediate(say, socket)
    }
    const url = await startFake([''], scheme, say)
    const heard: string[] = []
    const stats = newStats()
    const listener = new ChannelListener(
      { redis: { url, tls: CLIENT_TLS, gatherMs: 2 }, purpose: 'test', logger, stats },
      ['metrics'],
      (payload) => heard.push(payload.toString()),
    )
    onTestFinished(() => {
      isSaying = false
      return listener.close()
    })
    let [messages, reads] = [0, 0]
    await until('many messages come with a read', () => {
      const [newMessages, newReads] = [heard.length - messages, stats.reads - reads]
      ;[messages, reads] = [heard.length, stats.reads]
      return newMessages >= 4 * newReads && newReads > 0
    })
    isSaying = false
    // While the next read waits, in all likelihood: the answer to UNSUBSCRIBE comes after it.
    await listener.stop()
    expect(heard).toEqual(Array.from({ length: said }, (_, i) => `${i}`))
  },
)
