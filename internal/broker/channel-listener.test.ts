import { type AddressInfo, createServer, type Socket } from 'node:net'
import { pino } from 'pino'
import { expect, it, onTestFinished } from 'vitest'
import { until } from '../../test/support/servers.ts'
import { newStats } from './broker.ts'
import { ChannelListener } from './channel-listener.ts'

const logger = pino({ level: 'silent' })
const message = (text: string): string => `*3\r\n$7\r\nmessage\r\n$7\r\nmetrics\r\n$${text.length}\r\n${text}\r\n`

/** Answers a listener as Redis does, and after its subscription says what comes next; the last of it to all that follow. */
async function startFake(speeches: readonly string[]): Promise<number> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((socket) => {
    const speech = speeches[Math.min(connections++, speeches.length - 1)]!
    const answers: Record<string, string> = {
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
        .matchAll(/\b(SETNAME|PING|UNSUBSCRIBE|SUBSCRIBE)\b/g)) {
        socket.write(answers[command]!)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

it('takes a new connection where it is told what is not of Redis, after what was good before it', async () => {
  const nonsense = '*3\r\n$7\r\nmessage\r\n$7\r\nmetrics\r\n$-1000\r\n'
  const port = await startFake([`${message('before')}${nonsense}${message('beyond')}`, message('after')])
  const heard: string[] = []
  const stats = newStats()
  const listener = new ChannelListener(
    { redis: { url: `redis://127.0.0.1:${port}` }, purpose: 'test', logger, stats },
    ['metrics'],
    (payload) => heard.push(payload.toString()),
  )
  onTestFinished(() => listener.close())
  await until('it hears the second connection', () => heard.length >= 2)
  await listener.connection.whenUp()
  expect(heard).toEqual(['before', 'after'])
})
