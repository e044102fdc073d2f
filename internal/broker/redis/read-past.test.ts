import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { bytesReadOf, readPast } from './read-past.ts'

const buffer = Buffer.alloc(1024)
let server: Server
let near: Socket
let far: Socket
let heard: string

beforeEach(async () => {
  server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  near = connect((server.address() as AddressInfo).port, '127.0.0.1')
  far = (await accepted)[0]
  heard = ''
  near.on('data', (bytes) => {
    heard += bytes
    near.pause()
  })
  far.write('first')
  await waitUntil(() => heard === 'first')
})

afterEach(() => {
  near.destroy()
  far.destroy()
  server.close()
})

async function waitUntil(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 1))
}

/** Waits until something can be read. */
async function read(): Promise<string> {
  let length = 0
  await waitUntil(() => {
    length = readPast(near, buffer)
    return length > 0
  })
  return buffer.toString('latin1', 0, length)
}

it('reads what waits in a paused socket, and the socket reads what comes after', async () => {
  far.write('second')
  expect(await read()).toBe('second')
  near.resume()
  far.write('third')
  await waitUntil(() => heard === 'firstthird')
  expect(bytesReadOf(near)).toBe('firstsecondthird'.length)
})

it('reads nothing where nothing waits', () => {
  expect(readPast(near, buffer)).toBe(0)
  expect(bytesReadOf(near)).toBe('first'.length)
})

it('leaves the end to the socket', async () => {
  far.end('last')
  expect(await read()).toBe('last')
  await once(far, 'finish')
  expect(readPast(near, buffer)).toBe(0)
  const ended = once(near, 'end')
  near.resume()
  await ended
})

it('reads nothing from a socket that is closed, whose file may be that of another one by now', () => {
  near.destroy()
  expect(readPast(near, buffer)).toBe(0)
})
