import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { pino } from 'pino'
import { afterEach, describe, expect, test } from 'vitest'
import { LogThrottle } from '../observe/log-throttle.ts'
import { AddressCounts, type ConnectionLimits, clientOf, isLoopback, limitConnections } from './connection-limit.ts'
import { Refusals } from './doorkeeper.ts'

const sockets: Socket[] = []
let server: Server
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
  server?.close()
})

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['::FFFF:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::', '2001:db8:1:2::/64'],
  ['2001:DB8:1:2:ffff::1', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:0db8:0000:0000::1', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
  // As Azure's gateways write them in X-Forwarded-For.
  ['192.0.2.7:54321', '192.0.2.7'],
  ['[2001:db8:1:2::9]:443', '2001:db8:1:2::/64'],
  ['[2001:db8:1:2::9]', '2001:db8:1:2::/64'],
  ['unknown', 'unknown'],
  ['', ''],
])('%s counts as %s', (address, client) => {
  expect(clientOf(address)).toBe(client)
})

test.each([
  ['127.0.0.1', true],
  ['127.8.9.10', true],
  ['::1', true],
  ['::ffff:127.0.0.1', true],
  ['192.0.2.7', false],
  ['::ffff:192.0.2.7', false],
  ['::2', false],
])('%s is loopback: %s', (address, expected) => {
  expect(isLoopback(address)).toBe(expected)
})

test('what one client has open is counted, whatever of its addresses it uses', () => {
  const counts = new AddressCounts()
  const leave = counts.enter('2001:db8::1')
  counts.enter('2001:db8::2')
  expect([counts.of('2001:db8::3'), counts.of('2001:db8:1::1')]).toEqual([2, 0])
  leave()
  expect(counts.of('2001:db8::1')).toBe(1)
})

describe('connections', () => {
  const refusals = new Refusals()
  const log: string[] = []

  /** A server that takes every connection for one from this address. */
  async function listen(limits: ConnectionLimits, address: string): Promise<number> {
    server = createServer((_request, response) => response.end('well'))
    const logger = pino({}, { write: (line: string) => void log.push(line) })
    limitConnections(server, limits, { refusals, faults: new LogThrottle(logger) })
    server.prependListener('connection', (socket: Socket) =>
      Object.defineProperty(socket, 'remoteAddress', { value: address }),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return (server.address() as AddressInfo).port
  }

  /** Connects and asks. Resolves with the whole answer, or with its first part while the connection stays open. */
  function ask(port: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'))
      sockets.push(socket)
      socket.on('data', (chunk) => resolve(String(chunk)))
      socket.on('error', reject)
    })
  }

  test('beyond those of one address are refused in words, counted and logged; a closed one makes room', async () => {
    const port = await listen({ total: () => 10, perAddress: () => 2, setting: '--most' }, '192.0.2.7')
    for (let n = 0; n < 2; n++) expect(await ask(port)).toContain('well')
    const before = refusals.connections
    const refused = await ask(port)
    expect(refused).toMatch(/^HTTP\/1\.1 503 .*\r\nCache-Control: no-store\r\n.*Retry-After: 1/s)
    expect(refused).toContain('"detail":"this address has 2 connections open already"')
    expect(refusals.connections).toBe(before + 1)
    expect(log.join('')).toContain('"address":"192.0.2.7"')
    expect(log.join('')).toContain('--most allows more of one address')
    sockets.shift()!.destroy()
    while (!(await ask(port)).includes('well')) await new Promise((resolve) => setTimeout(resolve, 5))
  })

  test('of this machine count only for all together', async () => {
    const port = await listen({ total: () => 3, perAddress: () => 1 }, '127.0.0.1')
    for (let n = 0; n < 3; n++) expect(await ask(port)).toContain('well')
    expect(await ask(port)).toContain('"detail":"3 connections are open already"')
  })
})
